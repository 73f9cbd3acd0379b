"""Convolutional networks in torch: ResNet-50 and MobileNetV2, random weights, settled batch normalization."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

RESNET50_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride of the first
MOBILENET_V2_STAGES = (  # expansion, channels, blocks, stride of the first: table 2 of arXiv:1801.04381
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size but for its stride, with its batch normalization."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Bottleneck(nn.Module):
    """Reduces, filters, widens four times, and adds the shortcut (arXiv:1512.03385, figure 5)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.reduce = _conv(inputs, width, 1)
        self.filter = _conv(width, width, 3, stride)
        self.widen = _conv(width, 4 * width, 1)
        same = stride == 1 and inputs == 4 * width
        self.shortcut = nn.Identity() if same else _conv(inputs, 4 * width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, 4 * width, H / stride, W / stride)."""
        inner = functional.relu(self.filter(functional.relu(self.reduce(x))))
        return functional.relu(self.widen(inner) + self.shortcut(x))


class ResNet50(nn.Module):
    """The 50-layer residual network for 224 x 224 images and 1,000 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        blocks: list[nn.Module] = []
        channels = 64
        for width, count, stride in RESNET50_STAGES:
            for index in range(count):
                blocks.append(Bottleneck(channels, width, stride if index == 0 else 1))
                channels = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.classify = nn.Linear(channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, 1000)."""
        pooled = functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1)
        return cast(Tensor, self.classify(pooled.flatten(1)))


class InvertedResidual(nn.Module):
    """Widens, filters each channel, narrows without activation (arXiv:1801.04381, figure 4)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        widen = [_conv(inputs, hidden, 1), nn.ReLU6()] if expansion != 1 else []
        filtering = [_conv(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6()]
        self.body = nn.Sequential(*widen, *filtering, _conv(hidden, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.body(x)
        return cast(Tensor, x + y if self.residual else y)


class MobileNetV2(nn.Module):
    """The network of depthwise filters for 224 x 224 images and 1,000 classes."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, 32, 3, 2), nn.ReLU6()]
        channels = 32
        for expansion, width, count, stride in MOBILENET_V2_STAGES:
            for index in range(count):
                layers.append(InvertedResidual(channels, width, stride if index == 0 else 1, expansion))
                channels = width
        self.features = nn.Sequential(*layers, _conv(channels, 1280, 1), nn.ReLU6())
        self.classify = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 224, 224) to logits (N, 1000)."""
        return cast(Tensor, self.classify(self.features(x).mean([2, 3])))


def settle_batch_norm(model: nn.Module, rounds: int = 12) -> nn.Module:
    """Run random images through `model` in training mode, so that its running statistics fit its activations."""
    model.train()
    with torch.no_grad():
        for _ in range(rounds):
            model(torch.randn(4, 3, 224, 224))
    return model.eval()
