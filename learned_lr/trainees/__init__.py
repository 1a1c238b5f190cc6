"""One training run of one network: data, networks, tasks, schedules, the Trainee and `run_episode`.

May import TensorFlow, TFDS, gin and `control`; must not know who trains a controller, or where
and how often episodes run.
"""
