"""Pad: each axis made longer, or shorter, at both ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Dim, Size, evaluate, require
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.contents import constants_of, dense, is_unknown, sizes_of
from enginewright.ops.element_types import check_same_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, float64, int32, int64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
MODES = ("constant", "reflect", "edge", "wrap")


def _with_constant(data: Array, widths: list[tuple[int, int]], constant: Array | None) -> Array:
    """What the output shares with `data`, amid the constant; an axis may lose more than it has, and gain it back."""
    shape = [n + begin + end for n, (begin, end) in zip(data.shape, widths, strict=True)]
    if any(size < 0 for size in shape):
        raise ShapeError("the pads take away more than there is", hint="Take away less.")
    padded: Array = np.full(shape, np.zeros((), data.dtype) if constant is None else constant.reshape(()), data.dtype)
    kept = [(max(-begin, 0), n + min(end, 0)) for n, (begin, end) in zip(data.shape, widths, strict=True)]
    if all(first < last for first, last in kept):
        to = tuple(slice(first + b, last + b) for (first, last), (b, _) in zip(kept, widths, strict=True))
        padded[to] = data[tuple(slice(first, last) for first, last in kept)]
    return padded


@operator("ew::Pad")
class Pad:
    """`data` with `pads` elements added at the beginning and end of each of `axes` (all if left out).

    `pads` holds all beginnings, then all ends; negative numbers take elements away. What is added is
    `constant_value` (0), or by `mode` "reflect" what lies beyond the edge mirrored, "edge" the edge itself, "wrap" the
    other end.
    """

    mode: str = "constant"

    def infer(
        self,
        data: TensorSpec,
        pads: TensorSpec,
        constant_value: TensorSpec | None = None,
        axes: TensorSpec | None = None,
    ) -> TensorSpec:
        """Each size plus both its pads; found at run time where the axes are."""
        if self.mode not in MODES:
            raise NetworkError(f"mode is {self.mode!r}", hint=f"Use one of {', '.join(MODES)}.")
        if constant_value is not None:
            check_same_type(data, constant_value)
            require("equal", constant_value.size, 1)
        if is_unknown(axes):
            return TensorSpec(data.dtype, (Dim.data(),) * data.rank)
        begins, ends = self.amounts(data, pads, axes)
        for size, begin, end in zip(data.shape, begins, ends, strict=True):
            taken = [amount for amount in (begin, end) if isinstance(amount, int) and amount < 0]
            if taken and self.mode != "constant":
                require("at_least", size, -sum(taken))
        sizes = tuple(size + begin + end for size, begin, end in zip(data.shape, begins, ends, strict=True))
        return TensorSpec(data.dtype, sizes)

    def amounts(
        self, data: TensorSpec, pads: TensorSpec, axes: TensorSpec | None = None
    ) -> tuple[list[Size], list[Size]]:
        """For each axis of data what is added at its beginning and at its end."""
        which = range(data.rank) if axes is None else constants_of(axes, "axes")
        numbers = sizes_of(pads, "pads")
        if len(numbers) != 2 * len(which):
            raise ShapeError(f"{len(numbers)} pads for {len(which)} axes", hint="Give a beginning and an end an axis.")
        begins: list[Size] = [0] * data.rank
        ends: list[Size] = [0] * data.rank
        for axis, begin, end in zip(which, numbers[: len(which)], numbers[len(which) :], strict=True):
            begins[normalize_axis(axis, data.rank)] = begin
            ends[normalize_axis(axis, data.rank)] = end
        return begins, ends

    def reference(
        self, data: Array, pads: Array, constant_value: Array | None = None, axes: Array | None = None
    ) -> Array:
        """What is taken away goes first, then numpy.pad."""
        spec = TensorSpec(DataType.of(data), data.shape)
        known = None if axes is None else TensorSpec(int64, axes.shape, tuple(axes.tolist()))
        begins, ends = self.amounts(spec, TensorSpec(int64, pads.shape, tuple(pads.tolist())), known)
        widths = [(evaluate(begin, {}), evaluate(end, {})) for begin, end in zip(begins, ends, strict=True)]
        if self.mode == "constant":
            return _with_constant(data, widths, constant_value)
        if any(n + min(b, 0) + min(e, 0) < 0 for n, (b, e) in zip(data.shape, widths, strict=True)):
            raise ShapeError("the pads leave nothing, and take away more than there is", hint="Take away less.")
        cut = tuple(slice(max(-b, 0), n + min(e, 0)) for n, (b, e) in zip(data.shape, widths, strict=True))
        grow = [(max(b, 0), max(e, 0)) for b, e in widths]
        if not grow:
            return data
        mode: Any = self.mode  # one of numpy.pad's own names
        try:
            return dense(np.pad(data[cut], grow, mode))
        except ValueError as error:
            raise ShapeError(f"nothing is left that could be repeated: {error}", hint="Take away less.") from error

    def view(self, data: TensorSpec, pads: TensorSpec, *others: TensorSpec | None) -> int | None:
        """The same bytes where nothing is added."""
        axes = (*others, None, None)[1]
        if is_unknown(axes):
            return None
        amounts = self.amounts(data, pads, axes)
        return 0 if all(amount == 0 for side in amounts for amount in side) else None

    @staticmethod
    def examples() -> Iterator[tuple[Pad, list[TensorSpec | Array | None]]]:
        """Each mode on one and several axes, pads beyond the size, negative ones, constants, every width."""
        for mode in MODES:
            for shape, pads, axes in [
                ((3, 5), [1, 2, 0, 3], None),
                ((2, 3, 7), [4, 6], [-1]),
                ((2, 4, 33), [1, 2, 2, 31], [1, 2]),
                ((9,), [0, 0], None),
                ((4, 5), [-1, 2, 1, -2], None),
                ((1, 3, 6, 7), [0, 0, 1, 1, 0, 0, 1, 1], None),
            ]:
                which = None if axes is None else np.array(axes, np.int64)
                yield Pad(mode), [TensorSpec(float32, shape), np.array(pads, np.int64), None, which]
        value = np.array(2.5, np.float32)
        yield Pad(), [TensorSpec(float32, (2, 3)), np.array([1, 0, 0, 2], np.int64), value, None]
        yield Pad(), [TensorSpec(float32, (0, 3)), np.array([1, 0, 1, 2], np.int64), value, np.array([0, 1], np.int32)]
        for dtype in (bool_, float16, int32, int64, float64, DataType.INT8):
            number = np.ones((), dtype.numpy)
            yield Pad(), [TensorSpec(dtype, (3, 4)), np.array([1, 2, 3, 0], np.int64), number, None]
            yield Pad("edge"), [TensorSpec(dtype, (3, 4)), np.array([1, 2, 3, 0], np.int64), None, None]


@onnx_rule("ai.onnx::Pad", since=11)
def pad(net: Network, node: OnnxNode) -> Tensor:
    """Pads and value are inputs; axes from 18 on."""
    return net.pad(node.input(0), node.input(1), node.optional(2), node.optional(3), mode=node.text("mode", "constant"))


@onnx_rule("ai.onnx::Pad", since=2)
def pad_attributes(net: Network, node: OnnxNode) -> Tensor:
    """Pads and value are attributes."""
    x = node.input(0)
    value = np.array(node.number("value", 0.0), x.dtype.numpy)
    pads = np.array(node.integers("pads"), np.int64)
    return net.pad(x, net.constant(pads), net.constant(value), mode=node.text("mode", "constant"))
