"""Where and how work runs: run directories, tables, caches, checkpoints, workers, Ray, seeds, gin.

May import gin, TensorFlow, Ray (one module, inside functions) and the rooms above; must not
know what a job computes.
"""
