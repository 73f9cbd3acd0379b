"""Pooling: the largest element, the mean or the p-norm in each window, or over all spatial axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.element_types import BYTES, FLOATS, check_type, widen
from enginewright.ops.window import Sliding, Window, known, pad_spatial, shifted, sliding_attributes
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, float16, float32, int8, int64, uint8

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def pool_spec(op: MaxPool | MaxPoolWithIndices | AveragePool | LpPool, x: TensorSpec) -> TensorSpec:
    """[N, C, positions], of the type of x."""
    check_spatial(x)
    counts = op.resolve(x.shape[2:], op.kernel_shape).positions(x.shape[2:], ceil=op.ceil_mode)
    return TensorSpec(x.dtype, (*x.shape[:2], *counts))


def check_spatial(x: TensorSpec) -> None:
    """The data has at least one axis behind batch and channels."""
    if x.rank < 3:
        raise ShapeError(f"the data has {x.rank} axes", hint="Pooling takes [N, C, spatial axes].")


class Panes:
    """What each element of the window sees, for a pool's reference: padded data, cut for each offset."""

    def __init__(self, op: Sliding, x: Array, kernel: tuple[int, ...], *, ceil: bool) -> None:
        """Resolve the window over x."""
        sizes = x.shape[2:]
        self.window: Window = op.resolve(sizes, kernel)
        self.counts = known(self.window.positions(sizes, ceil=ceil))
        padded = [s + b + e for s, b, e in zip(sizes, known(self.window.begins), known(self.window.ends), strict=True)]
        extents = known(self.window.extents)
        reach = [(n - 1) * s + e for n, s, e in zip(self.counts, self.window.strides, extents, strict=True)]
        self.more = tuple(max(far - size, 0) for far, size in zip(reach, padded, strict=True))

    def of(self, x: Array, fill: Any) -> Iterator[Array]:
        """One view [N, C, positions] for each element of the window, in row-major order."""
        return self.cut(pad_spatial(x, self.window, fill), fill)

    def cut(self, padded: Array, fill: Any = 0) -> Iterator[Array]:
        """The same of data padded already; what `ceil_mode` adds behind is `fill`."""
        longer = np.pad(padded, [(0, 0), (0, 0), *((0, more) for more in self.more)], constant_values=fill)
        for offset in self.window.offsets():
            yield shifted(longer, self.window, offset, self.counts)


def lowest(dtype: np.dtype[Any]) -> Any:
    """The number below all others of the type."""
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


@operator("ew::MaxPool")
class MaxPool(Sliding):
    """The largest element in each window over the spatial axes of x [N, C, spatial]; padding never wins.

    `ceil_mode` keeps a last window that reaches beyond the padded data. See conv for stride, padding and dilation.
    """

    kernel_shape: tuple[int, ...] = ()
    ceil_mode: bool = False

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, C, positions]."""
        check_type(x, (*FLOATS, *BYTES), "input x")
        return pool_spec(self, x)

    def reference(self, x: Array) -> Array:
        """Element by element of the window."""
        panes = Panes(self, x, self.kernel_shape, ceil=self.ceil_mode)
        best = np.full((*x.shape[:2], *panes.counts), lowest(x.dtype), x.dtype)
        for seen in panes.of(x, lowest(x.dtype)):
            best = np.maximum(best, seen)
        return best

    @staticmethod
    def examples() -> Iterator[tuple[MaxPool, list[TensorSpec]]]:
        """1-D to 3-D, strided, padded, dilated, rounded up, integers."""
        for options, x in _pool_examples():
            yield MaxPool(**options), [TensorSpec(float32, x)]
        yield MaxPool(kernel_shape=(2, 3), dilation=(2, 1)), [TensorSpec(float32, (1, 3, 9, 8))]
        for dtype in (float16, int8, uint8):
            yield MaxPool(kernel_shape=(3, 3), padding=1), [TensorSpec(dtype, (1, 3, 7, 6))]


def _pool_examples() -> Iterator[tuple[dict[str, Any], tuple[int, ...]]]:
    yield {"kernel_shape": (1, 1)}, (1, 1, 1, 1)
    yield {"kernel_shape": (2, 2), "stride": 2}, (2, 3, 8, 10)
    yield {"kernel_shape": (3, 3), "stride": 2, "padding": 1}, (1, 17, 11, 12)
    yield {"kernel_shape": (3, 3), "stride": 2, "ceil_mode": True}, (1, 16, 10, 11)
    yield {"kernel_shape": (3, 2), "stride": (2, 1), "padding": (0, 1, 2, 0)}, (1, 4, 9, 8)
    yield {"kernel_shape": (3, 3), "stride": 2, "auto_pad": "SAME_UPPER"}, (1, 3, 10, 9)
    yield {"kernel_shape": (3, 3), "stride": 2, "auto_pad": "SAME_LOWER"}, (1, 3, 10, 9)
    yield {"kernel_shape": (3,), "stride": 2, "padding": 1}, (2, 5, 20)
    yield {"kernel_shape": (2, 2, 2), "stride": 2}, (1, 3, 4, 5, 6)
    yield {"kernel_shape": (2, 2)}, (0, 3, 4, 4)


@operator("ew::MaxPoolWithIndices")
class MaxPoolWithIndices(Sliding):
    """As max_pool, and where each largest element stands in x seen as one list (int64).

    `storage_order` 1 counts the spatial axes column by column instead of row by row.
    """

    kernel_shape: tuple[int, ...] = ()
    ceil_mode: bool = False
    storage_order: int = 0

    def infer(self, x: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
        """Two tensors [N, C, positions]."""
        check_type(x, (*FLOATS, *BYTES), "input x")
        y = pool_spec(self, x)
        return y, y.with_dtype(int64)

    def reference(self, x: Array) -> tuple[Array, Array]:
        """The first of equal elements wins."""
        panes = Panes(self, x, self.kernel_shape, ceil=self.ceil_mode)
        shape = (*x.shape[:2], *panes.counts)
        best, where = np.full(shape, lowest(x.dtype), x.dtype), np.full(shape, -1, np.int64)
        for seen, place in zip(panes.of(x, lowest(x.dtype)), panes.of(self._places(x.shape), -1), strict=True):
            better = (place >= 0) & ((seen > best) | (where < 0))
            best, where = np.where(better, seen, best), np.where(better, place, where)
        return best, where

    def _places(self, shape: tuple[int, ...]) -> Array:
        spatial = int(np.prod(shape[2:]))
        inside = np.arange(spatial, dtype=np.int64).reshape(shape[2:], order="F" if self.storage_order else "C")
        planes = np.arange(shape[0] * shape[1], dtype=np.int64) * spatial
        return planes.reshape(*shape[:2], *(1,) * (len(shape) - 2)) + inside

    @staticmethod
    def examples() -> Iterator[tuple[MaxPoolWithIndices, list[TensorSpec]]]:
        """Both orders."""
        for options, x in _pool_examples():
            for order in (0, 1):
                yield MaxPoolWithIndices(**options, storage_order=order), [TensorSpec(float32, x)]
        yield MaxPoolWithIndices(kernel_shape=(2, 2), dilation=2), [TensorSpec(uint8, (1, 2, 5, 6))]


@operator("ew::AveragePool")
class AveragePool(Sliding):
    """The mean of each window over the spatial axes of x [N, C, spatial].

    Padding counts as zeros with `count_include_pad`, else not at all; what `ceil_mode` adds behind never counts.
    """

    kernel_shape: tuple[int, ...] = ()
    ceil_mode: bool = False
    count_include_pad: bool = False

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, C, positions]."""
        check_type(x, FLOATS, "input x")
        return pool_spec(self, x)

    def reference(self, x: Array) -> Array:
        """Sum and count, element by element of the window."""
        panes = Panes(self, x, self.kernel_shape, ceil=self.ceil_mode)
        ones = np.ones((1, 1, *x.shape[2:]), np.float32)
        counted = pad_spatial(ones, panes.window, 1 if self.count_include_pad else 0)
        wide = widen(x)
        total = np.zeros((*x.shape[:2], *panes.counts), wide.dtype)
        number = np.zeros((1, 1, *panes.counts), wide.dtype)
        for seen, count in zip(panes.of(wide, 0), panes.cut(counted), strict=True):
            total += seen
            number += count
        return (total / number).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[AveragePool, list[TensorSpec]]]:
        """As for max_pool, padding counted or not."""
        for options, x in _pool_examples():
            for count in (False, True):
                yield AveragePool(**options, count_include_pad=count), [TensorSpec(float32, x)]
        yield AveragePool(kernel_shape=(2, 3), dilation=(2, 1)), [TensorSpec(float32, (1, 3, 9, 8))]
        yield AveragePool(kernel_shape=(3, 3), padding=1), [TensorSpec(float16, (1, 3, 7, 6))]


@operator("ew::LpPool")
class LpPool(Sliding):
    """The p-norm of each window over the spatial axes of x [N, C, spatial]."""

    kernel_shape: tuple[int, ...] = ()
    ceil_mode: bool = False
    p: int = 2

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, C, positions]."""
        check_type(x, FLOATS, "input x")
        return pool_spec(self, x)

    def reference(self, x: Array) -> Array:
        """The sum of powers, then its root."""
        panes = Panes(self, x, self.kernel_shape, ceil=self.ceil_mode)
        wide = np.abs(widen(x)) ** self.p
        total = np.zeros((*x.shape[:2], *panes.counts), wide.dtype)
        for seen in panes.of(wide, 0):
            total += seen
        return (total ** (1 / self.p)).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[LpPool, list[TensorSpec]]]:
        """As for max_pool; p of 1, 2 and 3."""
        for number, (options, x) in enumerate(_pool_examples()):
            yield LpPool(**options, p=number % 3 + 1), [TensorSpec(float32, x)]


def _global_spec(x: TensorSpec) -> TensorSpec:
    check_type(x, FLOATS, "input x")
    check_spatial(x)
    return TensorSpec(x.dtype, (*x.shape[:2], *(1,) * (x.rank - 2)))


def _spatial_axes(x: Array) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


GLOBAL_SHAPES: tuple[Shape, ...] = (
    (1, 1, 1, 1),
    (2, 3, 7, 9),
    (1, 33, 14, 14),
    (2, 5, 31),
    (1, 2, 3, 4, 5),
    (0, 3, 4, 4),
)


@operator("ew::GlobalMaxPool")
class GlobalMaxPool:
    """The largest element of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, C, 1, ...]."""
        return _global_spec(x)

    def reference(self, x: Array) -> Array:
        """The maximum over all spatial axes."""
        return np.asarray(x.max(axis=_spatial_axes(x), keepdims=True))

    @staticmethod
    def examples() -> Iterator[tuple[GlobalMaxPool, list[TensorSpec]]]:
        """1-D to 3-D."""
        for shape in GLOBAL_SHAPES:
            yield GlobalMaxPool(), [TensorSpec(float32, shape)]


@operator("ew::GlobalAveragePool")
class GlobalAveragePool:
    """The mean of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, C, 1, ...]."""
        return _global_spec(x)

    def reference(self, x: Array) -> Array:
        """The mean over all spatial axes; 16-bit floats in float32."""
        return np.asarray(widen(x).mean(axis=_spatial_axes(x), keepdims=True)).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[GlobalAveragePool, list[TensorSpec]]]:
        """1-D to 3-D."""
        for shape in GLOBAL_SHAPES:
            yield GlobalAveragePool(), [TensorSpec(float32, shape)]
        yield GlobalAveragePool(), [TensorSpec(float16, (1, 3, 5, 5))]


@operator("ew::GlobalLpPool")
class GlobalLpPool:
    """The p-norm of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""

    p: int = 2

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, C, 1, ...]."""
        return _global_spec(x)

    def reference(self, x: Array) -> Array:
        """The root of the sum of powers; 16-bit floats in float32."""
        total = (np.abs(widen(x)) ** self.p).sum(axis=_spatial_axes(x), keepdims=True)
        return np.asarray(total ** (1 / self.p)).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[GlobalLpPool, list[TensorSpec]]]:
        """1-D to 3-D; p of 1, 2 and 3."""
        for number, shape in enumerate(GLOBAL_SHAPES):
            yield GlobalLpPool(p=number % 3 + 1), [TensorSpec(float32, shape)]


@onnx_rule("ai.onnx::MaxPool", since=1)
def max_pool(net: Network, node: OnnxNode) -> Tensor | tuple[Tensor, ...]:
    """Indices since 8, dilations and ceil_mode since 10."""
    attributes = pool_attributes(node)
    if node.wants(1):
        return net.max_pool_with_indices(node.input(0), storage_order=node.integer("storage_order", 0), **attributes)
    return net.max_pool(node.input(0), **attributes)


@onnx_rule("ai.onnx::AveragePool", since=1)
def average_pool(net: Network, node: OnnxNode) -> Tensor:
    """count_include_pad since 7, ceil_mode since 10, dilations since 19."""
    count = bool(node.integer("count_include_pad", 0))
    return net.average_pool(node.input(0), count_include_pad=count, **pool_attributes(node))


@onnx_rule("ai.onnx::LpPool", since=2)
def lp_pool(net: Network, node: OnnxNode) -> Tensor:
    """ceil_mode and dilations since 18."""
    return net.lp_pool(node.input(0), p=node.integer("p", 2), **pool_attributes(node))


@onnx_rule("ai.onnx::GlobalMaxPool", since=1)
def global_max_pool(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.global_max_pool(node.input(0))


@onnx_rule("ai.onnx::GlobalAveragePool", since=1)
def global_average_pool(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.global_average_pool(node.input(0))


@onnx_rule("ai.onnx::GlobalLpPool", since=2)
def global_lp_pool(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.global_lp_pool(node.input(0), p=node.integer("p", 2))


def pool_attributes(node: OnnxNode) -> dict[str, Any]:
    """The attributes that all pools share."""
    kernel = node.integers("kernel_shape")
    if not kernel:
        raise NotSupported("kernel_shape is empty")
    return {
        "kernel_shape": kernel,
        "ceil_mode": bool(node.integer("ceil_mode", 0)),
        **sliding_attributes(node, len(kernel)),
    }
