"""Four networks as torchvision writes them, for scripts/make_torch_golden.

Knows: their layers, with torchvision's names. Does not know weights. Imports torch.
"""

from __future__ import annotations

import torch
from torch import nn

CLASSES = 10


class Block(nn.Module):
    """A residual block, of two convolutions or, a bottleneck, of three."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = width * 4 if bottleneck else width
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        sizes = (inputs, width, width, outputs) if bottleneck else (inputs, width, width)
        self.count = len(kernels)
        strided = 1 if bottleneck else 0  # torchvision's v1.5: in the 3x3
        for n, kernel in enumerate(kernels):
            conv = nn.Conv2d(
                sizes[n], sizes[n + 1], kernel, stride if n == strided else 1,
                kernel // 2, bias=False,
            )  # fmt: skip
            setattr(self, f"conv{n + 1}", conv)
            setattr(self, f"bn{n + 1}", nn.BatchNorm2d(sizes[n + 1]))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give what comes out."""
        out = x
        for n in range(1, self.count + 1):
            out = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(out))
            out = torch.relu(out) if n < self.count else out
        return torch.relu(out + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    """A ResNet."""

    def __init__(self, blocks: tuple[int, ...], bottleneck: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, count in enumerate(blocks, 1):
            width, made = 64 * 2 ** (stage - 1), []
            for n in range(count):
                made.append(Block(inputs, width, 2 if n == 0 and stage > 1 else 1, bottleneck))
                inputs = width * 4 if bottleneck else width
            setattr(self, f"layer{stage}", nn.Sequential(*made))
        self.fc = nn.Linear(inputs, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give what comes out."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


class Sequence(nn.Module):
    """Features and a classifier, each a row of layers."""

    def __init__(self, features: list[nn.Module], classifier: list[nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(*classifier)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give what comes out."""
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg11() -> nn.Module:
    """Build VGG11."""
    features, inputs = [], 3
    for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):  # 0: pooling
        if width:
            features += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        else:
            features.append(nn.MaxPool2d(2))
    dense = [
        nn.Linear(512 * 2 * 2, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096),
        nn.ReLU(), nn.Dropout(), nn.Linear(4096, CLASSES),
    ]  # fmt: skip
    return Sequence(features, dense)


def alexnet() -> nn.Module:
    """Build AlexNet."""
    features = [
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    ]  # fmt: skip
    dense = [
        nn.Dropout(), nn.Linear(256 * 3 * 3, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, CLASSES),
    ]  # fmt: skip
    return Sequence(features, dense)


def networks() -> dict[str, nn.Module]:
    """Build the four networks."""
    return {
        "resnet18": ResNet((2, 2, 2, 2), False),
        "resnet50": ResNet((3, 4, 6, 3), True),
        "vgg11": vgg11(),
        "alexnet": alexnet(),
    }
