"""Networks of kerascnn in plain PyTorch, for scripts/bench_train and bench_inference.

Knows: their layers. Does not know how they are trained or run, nor kerascnn, which need not be
installed where PyTorch is. Imports torch.
"""

from __future__ import annotations

import torch
from torch import nn

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}


def build(model: str, size: int, classes: int) -> nn.Module:
    """Build the same network in PyTorch.

    Args:
        model: `cnn`, `cnn4`, `resnet20`, `resnet18` or `resnet50`.
        size: Of the pictures, in pixels per side.
        classes: How many.
    """
    if model == "cnn":
        return cnn(size, classes)
    small = {"cnn4": cnn4, "resnet20": resnet20}
    return small[model](classes) if model in small else resnet(model, classes)


def cnn(size: int, classes: int) -> nn.Module:
    """Build the baseline CNN."""
    side = ((size - 4) // 2) // 2
    return nn.Sequential(
        nn.Conv2d(3, 7, 5), nn.BatchNorm2d(7), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(7, 15, 5, padding=2), nn.BatchNorm2d(15), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(15 * side * side, 300), nn.ReLU(), nn.Linear(300, classes),
    )  # fmt: skip


def cnn4(classes: int) -> nn.Module:
    """Build the CNN of four convolutions."""
    layers, before = [], 3
    for width in (16, 32, 64, 128):
        conv = nn.Conv2d(before, width, 3, padding=1)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, classes))


class Shortened(nn.Module):
    """Every second pixel, and zeros for the channels that are new: a shortcut without weights."""

    def __init__(self, new: int) -> None:
        super().__init__()
        self.new = new

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shorten what it is given."""
        sides = (0, 0, 0, 0, self.new // 2, self.new - self.new // 2)
        return nn.functional.pad(x[:, :, ::2, ::2], sides)


def resnet20(classes: int) -> nn.Module:
    """Build the ResNet for pictures of 32 pixels."""
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    before = 16
    for width in (16, 32, 64):
        for _ in range(3):
            block = Block(before, width, 1 if before == width else 2, wide=False)
            if before != width:
                block.short = Shortened(width - before)
            layers.append(block)
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


class Block(nn.Module):
    """A residual block, of two convolutions or, wide, of three."""

    def __init__(self, before: int, width: int, stride: int, wide: bool) -> None:
        super().__init__()
        after = width * 4 if wide else width
        kernels = ((1, 1), (3, stride), (1, 1)) if wide else ((3, stride), (3, 1))
        layers, here = [], before
        for number, (kernel, step) in enumerate(kernels):
            out = after if number == len(kernels) - 1 else width
            layers += [
                nn.Conv2d(here, out, kernel, step, kernel // 2, bias=False),
                nn.BatchNorm2d(out), nn.ReLU(),
            ]  # fmt: skip
            here = out
        self.body = nn.Sequential(*layers[:-1])
        self.short = nn.Identity()
        if before != after or stride > 1:
            conv = nn.Conv2d(before, after, 1, stride, bias=False)
            self.short = nn.Sequential(conv, nn.BatchNorm2d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the block to what it is given."""
        return nn.functional.relu(self.body(x) + self.short(x))


def resnet(model: str, classes: int) -> nn.Module:
    """Build a ResNet."""
    wide = model == "resnet50"
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    before = 64
    for stage, blocks in enumerate(BLOCKS[model]):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            layers.append(Block(before, 64 * 2**stage, stride, wide))
            before = 64 * 2**stage * (4 if wide else 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))
