"""Convolutions one behind another as one operator, so that what lies between them never has to be whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from enginewright.ops.channel_shuffle import Shuffled
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.pointwise import Builder, Fused
from enginewright.registry.registry import infer_specs, operator
from enginewright.tensors import TensorSpec, float32

Array = np.ndarray[Any, Any]


@operator("ew::ConvChain")
class ConvChain:
    """The operators `stages`: each reads the output of the one before, and `counts` further inputs of its own."""

    INTERNAL = True  # made by passes, no method of Network

    stages: tuple[Any, ...]
    counts: tuple[int, ...]

    def infer(self, x: TensorSpec, *others: TensorSpec | None) -> TensorSpec:
        """Stage by stage."""
        for op, own in self.each(others):
            x = infer_specs(op, (x, *own))[0]
        return x

    def reference(self, x: Array, *others: Array | None) -> Array:
        """Stage by stage."""
        for op, own in self.each(others):
            found = op.reference(x, *own)
            x = found[0] if isinstance(found, tuple) else found
        return x

    def each(self, others: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
        """Each stage with its further inputs."""
        begin = 0
        for op, count in zip(self.stages, self.counts, strict=True):
            yield op, others[begin : begin + count]
            begin += count

    @staticmethod
    def examples() -> Iterator[tuple[ConvChain, list[TensorSpec | None]]]:
        """Three convolutions or two, with activations between, in groups, in steps, padded or not, odd sizes."""
        p = Builder(float32)
        relu6 = p.finish(p.min(p.max(p.inputs[0], p.constant(float32, 0)), p.constant(float32, 6)))
        p = Builder(float32)
        swish = p.finish(p.silu(p.inputs[0]))

        def conv(op: Any, program: Any = None) -> Any:
            return ChannelsLast(op) if program is None else Fused(ChannelsLast(op), program)

        def made(x: tuple[int, ...], *stages: tuple[Any, tuple[int, ...]]) -> tuple[ConvChain, list[TensorSpec | None]]:
            weights = [spec for _, w in stages for spec in (TensorSpec(float32, w), TensorSpec(float32, w[:1]))]
            return ConvChain(tuple(op for op, _ in stages), (2,) * len(stages)), [TensorSpec(float32, x), *weights]

        def depthwise(channels: int, size: int = 3, **window: Any) -> Conv:
            return Conv(group=channels, padding=size // 2, **window)

        wide, narrow = (conv(Conv(), relu6), (40, 8, 1, 1)), (conv(Conv()), (12, 40, 1, 1))
        yield made((2, 9, 11, 8), wide, (conv(depthwise(40), relu6), (40, 1, 3, 3)), narrow)
        yield made((1, 14, 13, 8), wide, (conv(depthwise(40, 5, stride=2), swish), (40, 1, 5, 5)), narrow)
        yield made((1, 30, 7, 8), wide, (conv(Conv(group=40, stride=(1, 2))), (40, 1, 2, 3)))
        yield made((3, 5, 6, 40), (conv(depthwise(40, 3), swish), (40, 1, 3, 3)), narrow)
        groups = conv(Conv(group=4), relu6), (68, 6, 1, 1)
        mixed = conv(Shuffled(Conv(group=4), 4)), (24, 17, 1, 1)
        yield made((1, 9, 10, 24), groups, (conv(depthwise(68)), (68, 1, 3, 3)), mixed)
        yield made((1, 200, 64, 8), wide, (conv(depthwise(40)), (40, 1, 3, 3)), narrow)
        many = (conv(Conv(), relu6), (392, 40, 1, 1)), (conv(Conv()), (70, 392, 1, 1))
        for op in (depthwise(392), depthwise(392, stride=2), Conv(group=392, padding=(7, 0, 6, 3))):
            yield made((2, 6, 9, 40), many[0], (conv(op, relu6), (392, 1, 3, 3)), many[1])
        yield made((0, 9, 11, 8), wide, (conv(depthwise(40), relu6), (40, 1, 3, 3)), narrow)
