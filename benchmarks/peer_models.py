"""The networks of `benchmarks.peers` in PyTorch: five kinds, of which three train no controller of the package.

Each is a function (channels, size, num_classes) that returns a module from float32
`[batch, channels, size, size]` to logits. They are those of `learned_lr.trainees`, with PyTorch's
own initialisation.
"""

from __future__ import annotations

import torch
from torch import nn


def lenet5(channels: int, size: int, num_classes: int) -> nn.Module:
    """LeNet-5: 5x5 convolutions of 6 and 16, dense 120 and 84; ReLU and max pooling."""
    features = 16 * ((size // 2 - 4) // 2) ** 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(features, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, num_classes),
    )


def mlp_deep(channels: int, size: int, num_classes: int) -> nn.Module:
    """Five hidden layers of 48 ReLU units."""
    sizes = [channels * size**2, *[48] * 5]
    stack = [nn.Flatten()]
    for before, after in zip(sizes, sizes[1:]):
        stack += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*stack, nn.Linear(48, num_classes))


class _MixerBlock(nn.Module):
    def __init__(self, num_tokens, width):
        super().__init__()
        self.over_tokens = _two_layers(num_tokens)
        self.over_features = _two_layers(width)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, tokens):
        hidden = self.first_norm(tokens).transpose(1, 2)
        tokens = tokens + self.over_tokens(hidden).transpose(1, 2)
        return tokens + self.over_features(self.second_norm(tokens))


class _Mixer(nn.Module):
    def __init__(self, channels, size, num_classes, width=32):
        super().__init__()
        side = size // 4
        self.patches = nn.Conv2d(channels, width, side, side)
        self.blocks = nn.Sequential(*[_MixerBlock(16, width) for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, num_classes)

    def forward(self, images):
        tokens = self.blocks(self.patches(images).flatten(2).transpose(1, 2))
        return self.head(self.norm(tokens).mean(1))


def mixer(channels: int, size: int, num_classes: int) -> nn.Module:
    """An MLP-Mixer: two blocks over 16 patches, then over 32 features. The size is a multiple of 4."""
    return _Mixer(channels, size, num_classes)


class _Recurrent(nn.Module):
    def __init__(self, channels, size, num_classes, width=48):
        super().__init__()
        self.gru = nn.GRU(channels * size, width, batch_first=True)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images):
        rows = images.transpose(1, 2).flatten(2)
        return self.head(self.gru(rows)[0][:, -1])


def recurrent(channels: int, size: int, num_classes: int) -> nn.Module:
    """A GRU of 48 units that reads an image row by row."""
    return _Recurrent(channels, size, num_classes)


class _DenseBlocks(nn.Module):
    def __init__(self, channels, num_classes, width=8):
        super().__init__()
        self.stem = nn.Conv2d(channels, 2 * width, 3, 2, padding=1, bias=False)
        sizes = [(2 + number) * width for number in range(5)]
        self.norms = nn.ModuleList([nn.BatchNorm2d(size) for size in sizes])
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(size, width, 3, padding=1, bias=False) for size in sizes[:4]]
        )
        self.head = nn.Linear(sizes[4], num_classes)

    def forward(self, images):
        features = self.stem(images)
        for number, convolution in enumerate(self.convolutions):
            hidden = convolution(self.norms[number](features).relu())
            features = torch.cat([features, hidden], 1)
            if number == 1:
                features = nn.functional.avg_pool2d(features, 2)
        return self.head(self.norms[4](features).relu().mean((2, 3)))


def dense_blocks(channels: int, size: int, num_classes: int) -> nn.Module:
    """As DenseNet: four batch-normalised 3x3 convolutions, each adding 8 maps to all before it; for any size."""
    return _DenseBlocks(channels, num_classes)


def _two_layers(width):
    return nn.Sequential(
        nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
    )


MODELS = {
    model.__name__: model
    for model in (lenet5, mlp_deep, mixer, recurrent, dense_blocks)
}
