"""A PyTorch training loop, whose learning rate a controller picks; needs no Keras.

python examples/pytorch_loop.py
"""

import numpy as np
import sklearn.datasets
import torch

from learned_lr import ControlLoop

NUM_STEPS, BATCH_SIZE = 400, 64

digits = sklearn.datasets.load_digits()
x = torch.tensor(digits.images / 16, dtype=torch.float32)
y = torch.tensor(digits.target)
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Flatten(),
    torch.nn.Linear(64, 64),
    torch.nn.ReLU(),
    torch.nn.Linear(64, 10),
)
# TensorFlow's epsilon, with which the controllers were trained; PyTorch's own is 1e-8.
optimizer = torch.optim.Adam(model.parameters(), eps=1e-7)
cross_entropy = torch.nn.CrossEntropyLoss()


@torch.no_grad()
def observe(train_loss=None):
    """Measures and lets the controller decide; returns the validation loss."""
    model.eval()
    logits = model(x[1200:1500])
    model.train()
    validation_loss = cross_entropy(logits, y[1200:1500]).item()
    # An untrained network has the same loss everywhere.
    loop.observe(
        train_loss=validation_loss if train_loss is None else train_loss,
        validation_loss=validation_loss,
        weights=model.parameters(),
    )
    return validation_loss


loop = ControlLoop("default", num_training_steps=NUM_STEPS)
observe()
generator, losses = np.random.default_rng(0), []
for step in range(NUM_STEPS):
    rows = torch.from_numpy(generator.choice(1200, BATCH_SIZE, replace=False))
    for group in optimizer.param_groups:
        group["lr"] = loop.rate_at(step)
    loss = cross_entropy(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if loop.is_due(step + 1):
        validation_loss = observe(np.mean(losses))
        losses = []
        if (step + 1) % 80 == 0:
            print(f"{step + 1}: {validation_loss:.4f} at {loop.learning_rate:.2e}")
with torch.no_grad():
    accuracy = (model(x[1500:]).argmax(1) == y[1500:]).float().mean().item()
print(f"test accuracy: {accuracy:.4f}")
