"""PyTorch's DistributedDataParallel in two processes: one of them decides on the learning rate for all; needs no Keras.

python examples/pytorch_ddp.py
"""

import tempfile

import numpy as np
import sklearn.datasets
import torch
import torch.distributed as dist

from learned_lr import ControlLoop

NUM_STEPS, BATCH_SIZE, NUM_PROCESSES = 400, 32, 2


def mean_of_all(value):
    """Returns the mean of a number over the processes."""
    tensor = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(tensor)
    return tensor.item() / NUM_PROCESSES


def main(rank, meeting):
    """Trains one of the copies, on rows of its own."""
    dist.init_process_group(
        "gloo", f"file://{meeting}", rank=rank, world_size=NUM_PROCESSES
    )
    torch.set_num_threads(1)
    digits = sklearn.datasets.load_digits()
    x = torch.tensor(digits.images / 16, dtype=torch.float32)
    y = torch.tensor(digits.target)
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(
        torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 10),
        )
    )
    # TensorFlow's epsilon, with which the controllers were trained; PyTorch's own is 1e-8.
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7)
    cross_entropy = torch.nn.CrossEntropyLoss()
    held_out = slice(1200 + 150 * rank, 1350 + 150 * rank)
    loop = ControlLoop("default", num_training_steps=NUM_STEPS)

    def decide(step, train_losses):
        """Returns the rates of the next steps: those of the first process, from the losses of all."""
        model.eval()
        with torch.no_grad():
            loss = cross_entropy(model(x[held_out]), y[held_out]).item()
        model.train()
        validation_loss = mean_of_all(loss)
        # An untrained network has the same loss everywhere.
        train_loss = mean_of_all(np.mean(train_losses or [validation_loss]))
        rates = torch.zeros(loop.control_interval, dtype=torch.float64)
        if rank == 0:
            weights = model.parameters()
            loop.observe(train_loss, validation_loss, weights=weights)
            next_steps = range(step, step + loop.control_interval)
            rates[:] = torch.tensor([loop.rate_at(s) for s in next_steps])
        dist.broadcast(rates, 0)
        return rates.tolist()

    # The processes draw different rows.
    generator, losses, rates = np.random.default_rng(rank), [], decide(0, [])
    for step in range(NUM_STEPS):
        rows = torch.from_numpy(generator.choice(1200, BATCH_SIZE, replace=False))
        for group in optimizer.param_groups:
            group["lr"] = rates[step % loop.control_interval]
        loss = cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % loop.control_interval == 0:
            rates, losses = decide(step + 1, losses), []
    weights = sum(p.double().sum().item() for p in model.parameters())
    print(f"process {rank}: weights {weights!r}, last rate {rates[-1]!r}", flush=True)
    if rank == 0:
        with torch.no_grad():
            found = model(x[1500:]).argmax(1)
        accuracy = (found == y[1500:]).float().mean().item()
        print(f"test accuracy: {accuracy:.4f}", flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(main, (f"{folder}/meeting",), NUM_PROCESSES)
