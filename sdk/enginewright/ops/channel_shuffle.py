"""Channel shuffle: the channels of several groups dealt out in turn, as ShuffleNet mixes groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import ShapeError
from enginewright.ops.contents import dense
from enginewright.ops.conv import Conv
from enginewright.registry.registry import infer_specs, operator
from enginewright.tensors import TensorSpec, float16, float32, normalize_axis

Array = np.ndarray[Any, Any]


def shuffled(x: Array, groups: int, axis: int) -> Array:
    """Channel s * (C / groups) + i moved to i * groups + s."""
    size = x.shape[axis]
    seen = x.reshape(*x.shape[:axis], groups, size // groups, *x.shape[axis + 1 :])
    return dense(np.swapaxes(seen, axis, axis + 1)).reshape(x.shape)


@operator("ew::ChannelShuffle")
class ChannelShuffle:
    """Channel s * (C / groups) + i of x along `axis` moved to i * groups + s."""

    INTERNAL = True  # made by passes, no method of Network

    groups: int
    axis: int = 1

    def infer(self, x: TensorSpec) -> TensorSpec:
        """As x, whose channels must be a multiple of the groups."""
        axis = normalize_axis(self.axis, x.rank)
        if self.groups < 1:
            raise ShapeError(f"{self.groups} groups", hint="Report this as a bug.")
        same(x.shape[axis] // self.groups * self.groups, x.shape[axis])
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array) -> Array:
        """Reshape, swap, reshape."""
        return shuffled(x, self.groups, self.axis % x.ndim)

    def order(self, channels: int) -> Array:
        """The channel of x that each channel of the output is."""
        return shuffled(np.arange(channels), self.groups, 0)

    @staticmethod
    def examples() -> Iterator[tuple[ChannelShuffle, list[TensorSpec]]]:
        """Channels first and last, one group, nothing at all."""
        for axis, shape in ((1, (2, 12, 5, 7)), (3, (2, 5, 7, 12)), (-1, (3, 30)), (1, (2, 6, 0))):
            for groups in (1, 2, 3):
                yield ChannelShuffle(groups, axis), [TensorSpec(float32, shape)]
        yield ChannelShuffle(4), [TensorSpec(float16, (1, 8, 3, 3))]


@operator("ew::Shuffled")
class Shuffled:
    """The convolution `anchor` of images [N, C, spatial] whose channels are shuffled in `groups` first."""

    INTERNAL = True  # made by passes, no method of Network

    anchor: Any
    groups: int

    def infer(self, x: TensorSpec, *others: TensorSpec | None) -> TensorSpec:
        """As the convolution."""
        return infer_specs(self.anchor, (x, *others))[0]

    def reference(self, x: Array, *others: Array | None) -> Array:
        """Shuffle, then convolve."""
        result: Array = self.anchor.reference(shuffled(x, self.groups, 1), *others)
        return result

    @staticmethod
    def examples() -> Iterator[tuple[Shuffled, list[TensorSpec | None]]]:
        """1 x 1 in groups, as networks have them: groups that share parts of the channels, and that don't."""
        sizes = ((3, 1, 12, 9), (4, 4, 24, 20), (2, 3, 30, 36), (4, 2, 136, 136), (3, 4, 84, 51), (1, 2, 20, 40))
        for group, groups, channels, outputs in sizes:
            w = TensorSpec(float32, (outputs, channels // group, 1, 1))
            x, b = TensorSpec(float32, (2, channels, 5, 13)), TensorSpec(float32, (outputs,))
            yield Shuffled(Conv(group=group), groups), [x, w, b]
        yield Shuffled(Conv(group=2), 2), [TensorSpec(float32, (0, 8, 4, 4)), TensorSpec(float32, (8, 4, 1, 1)), None]
