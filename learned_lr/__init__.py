"""Learned learning-rate control: a PPO controller that picks the learning rate while a network trains."""

__version__ = "0.1.0"
