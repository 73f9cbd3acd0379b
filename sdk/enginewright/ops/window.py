"""How a window slides over the spatial axes of a tensor: strides, dilation, and padding, given or automatic."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.dims import Size, ceil_div, dim_less, dim_max, dim_select, floor_div, require
from enginewright.errors import NetworkError, ShapeError
from enginewright.registry.onnx_node import OnnxNode
from enginewright.tensors import Shape

Array = np.ndarray[Any, Any]
AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class Window:
    """A window with everything resolved, one entry for each spatial axis; sizes may be symbolic.

    `begins` and `ends` are the padding before and after the data. `same`: it pads to ceil(size / stride) positions.
    """

    kernel: Shape
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: Shape
    ends: Shape
    same: bool = False

    @property
    def extents(self) -> Shape:
        """Elements from the first to the last that one window sees."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True))

    def positions(self, sizes: Shape, *, ceil: bool = False) -> Shape:
        """How many windows fit on each axis; with `ceil` also a last one that reaches beyond the padded data."""
        if self.same:
            return tuple(ceil_div(size, stride) for size, stride in zip(sizes, self.strides, strict=True))
        counts = []
        for axis, (size, extent, stride) in enumerate(zip(sizes, self.extents, self.strides, strict=True)):
            begin, end = self.begins[axis], self.ends[axis]
            room = size + begin + end - extent
            count = (ceil_div(room, stride) if ceil else floor_div(room, stride)) + 1
            if ceil and not _is_int_and_at_most(end + stride, extent):
                # A window must not start in the padding after the data (as in ONNX 22 and PyTorch).
                count = dim_select(dim_less((count - 1) * stride, size + begin), count, count - 1)
            if isinstance(count, int) and count < 0:
                raise ShapeError(
                    f"the window spans {extent} elements, the padded axis has {size + begin + end}",
                    hint="Use a smaller kernel or more padding.",
                )
            require("at_least", count, 0)
            counts.append(count)
        return tuple(counts)

    def offsets(self) -> Iterator[tuple[int, ...]]:
        """The position of each element of the window; for known kernels only."""
        return itertools.product(*(range(size) for size in known(self.kernel)))


def known(sizes: Shape) -> tuple[int, ...]:
    """Sizes that are all numbers, as in a reference, where arrays have shapes."""
    return tuple(size for size in sizes if isinstance(size, int))


def _is_int_and_at_most(a: Size, b: Size) -> bool:
    return isinstance(a, int) and isinstance(b, int) and a <= b


def per_axis(value: int | tuple[int, ...], rank: int, what: str, least: int = 1) -> tuple[int, ...]:
    """One number for each spatial axis, from one for all or one for each."""
    numbers = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(numbers) != rank:
        raise NetworkError(f"{what} has {len(numbers)} numbers", hint=f"Give one number, or {rank}.")
    if any(number < least for number in numbers):
        raise NetworkError(f"{what} is {value}", hint=f"The smallest number allowed is {least}.")
    return numbers


def padding_pairs(padding: int | tuple[int, ...], rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding before and after each axis, from one number, one an axis, or ONNX's list of begins and then ends."""
    if isinstance(padding, int) or len(padding) == rank:
        both = per_axis(padding, rank, "padding", 0)
        return both, both
    if len(padding) != 2 * rank:
        raise NetworkError(f"padding has {len(padding)} numbers", hint=f"Give one number, {rank} or {2 * rank}.")
    return per_axis(padding[:rank], rank, "padding", 0), per_axis(padding[rank:], rank, "padding", 0)


@dataclass(frozen=True)
class Sliding:
    """The attributes that convolutions and pools share: stride, padding, dilation, automatic padding."""

    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] = 0
    dilation: int | tuple[int, ...] = 1
    auto_pad: str = "NOTSET"

    def resolve(self, sizes: Shape, kernel: Shape) -> Window:
        """The window over spatial axes of these sizes."""
        rank = len(sizes)
        if len(kernel) != rank:
            raise ShapeError(f"the kernel has {len(kernel)} axes, the data {rank}", hint="They must be as many.")
        strides = per_axis(self.stride, rank, "stride")
        dilations = per_axis(self.dilation, rank, "dilation")
        begins, ends = self._padding(sizes, Window(kernel, strides, dilations, (0,) * rank, (0,) * rank))
        return Window(kernel, strides, dilations, begins, ends, self.auto_pad.startswith("SAME"))

    def _padding(self, sizes: Shape, bare: Window) -> tuple[Shape, Shape]:
        if self.auto_pad not in AUTO_PADS:
            raise NetworkError(f'auto_pad is "{self.auto_pad}"', hint=f"Use one of {', '.join(AUTO_PADS)}.")
        if self.auto_pad == "NOTSET":
            return padding_pairs(self.padding, len(sizes))
        if self.auto_pad == "VALID":
            return bare.begins, bare.ends
        totals = [
            dim_max((ceil_div(size, stride) - 1) * stride + extent - size, 0)
            for size, stride, extent in zip(sizes, bare.strides, bare.extents, strict=True)
        ]
        small = tuple(floor_div(total, 2) for total in totals)
        large = tuple(total - half for total, half in zip(totals, small, strict=True))
        return (small, large) if self.auto_pad == "SAME_UPPER" else (large, small)


def sliding_attributes(node: OnnxNode, rank: int) -> dict[str, Any]:
    """The attributes of an ONNX node as those of `Sliding`."""
    pads = node.integers("pads", (0,) * (2 * rank))
    if len(pads) != 2 * rank:
        raise ShapeError(f"pads has {len(pads)} numbers", hint=f"{rank} spatial axes have {2 * rank}.")
    return {
        "stride": node.integers("strides", (1,) * rank),
        "padding": pads,
        "dilation": node.integers("dilations", (1,) * rank),
        "auto_pad": node.text("auto_pad", "NOTSET") or "NOTSET",
    }


def pad_spatial(x: Array, window: Window, fill: Any) -> Array:
    """x [N, C, spatial] with its spatial axes padded by `fill`."""
    pairs = zip(known(window.begins), known(window.ends), strict=True)
    return np.pad(x, [(0, 0), (0, 0), *pairs], constant_values=fill)


def shifted(padded: Array, window: Window, offset: tuple[int, ...], counts: tuple[int, ...]) -> Array:
    """What element `offset` of the window sees of x [N, C, spatial] at each position: a view [N, C, counts]."""
    slices = [
        slice(at * step, at * step + (count - 1) * stride + 1 if count else at * step, stride)
        for at, step, stride, count in zip(offset, window.dilations, window.strides, counts, strict=True)
    ]
    return padded[(slice(None), slice(None), *slices)]
