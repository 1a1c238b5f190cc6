"""What is run: train, baseline, evaluate and sweep, with their families of schedules and TensorBoard.

A job is a gin-configured function of a run directory that resumes where it stopped. May import
every room above; nothing but the doors and `launch` may know a job.
"""
