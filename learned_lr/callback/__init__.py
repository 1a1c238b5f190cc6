"""A trained controller in the user's own Keras training: Keras 2 or 3, on any backend.

The callback `LearnedLearningRate`, the schedule `Replay`, and what they need: the run and the fit
under control, the arguments of the running fit, samples to measure on, the losses of an interval,
the brake and what is done then, state files, several devices, and the differences between Kerases and backends. May
import the user's Keras and its backend, and `control`; must not know tasks, trainees or jobs, gin
or TF-Agents.
"""
