"""What a user of a trained controller needs, in any framework: numpy alone.

Observations, actions, the Controller, the ControlLoop that applies it, tables of rates, and the
controllers of the package. May import numpy and nothing else, not even inside a function but for
what a picture needs; must not know Keras, TensorFlow, tasks or jobs.
"""
