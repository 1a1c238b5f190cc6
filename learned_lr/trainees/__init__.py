"""One training run: data, networks, schedules and the loop. TensorFlow, no reinforcement learning."""
