"""Matrix products: MatMul, Gemm and their 8-bit integer forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import BYTES, FLOATS, WIDE_INTEGERS, check_same_type, check_type, widen
from enginewright.ops.quantize import centered, check_zero_point, saturate
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, broadcast_shapes, float16, float32, int8, int32, uint8

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def matmul_shape(a: Shape, b: Shape) -> Shape:
    """The shape of a matrix product as in NumPy: 1-D operands are a row (a) or a column (b) that vanishes again."""
    if not a or not b:
        raise ShapeError("a matrix product needs at least one axis on both sides", hint="Reshape the scalar to [1].")
    rows: Shape = a[-2:-1]
    columns: Shape = b[-1:] if len(b) > 1 else ()
    same(a[-1], b[-2] if len(b) > 1 else b[0])
    return (*broadcast_shapes(a[:-2], b[:-2]), *rows, *columns)


def check_broadcast_to(shape: Shape, target: Shape) -> None:
    """Check that `shape` can be repeated up to `target`; `ShapeError` where it can't."""
    if len(shape) > len(target):
        raise ShapeError(f"{len(shape)} axes can't be repeated to {len(target)}", hint="Squeeze the extra axes.")
    for size, wanted in zip(shape[::-1], target[::-1], strict=False):
        if size != 1:
            same(size, wanted) if isinstance(size, int) else broadcast_shapes((size,), (wanted,))


@operator("ew::MatMul")
class MatMul:
    """The matrix product of the last two axes of a [..., M, K] and b [..., K, N], other axes broadcast: [..., M, N]."""

    def infer(self, a: TensorSpec, b: TensorSpec) -> TensorSpec:
        """As numpy.matmul."""
        dtype = check_same_type(a, b)
        check_type(a, (*FLOATS, *WIDE_INTEGERS), "input a")
        return TensorSpec(dtype, matmul_shape(a.shape, b.shape))

    def reference(self, a: Array, b: Array) -> Array:
        """numpy.matmul; 16-bit floats in float32."""
        return np.asarray(np.matmul(widen(a), widen(b))).astype(a.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[MatMul, list[TensorSpec]]]:
        """Plain, batched, broadcast, vectors, empty; shared right side."""
        for a, b in [
            ((3, 5), (5, 4)),
            ((1, 1), (1, 1)),
            ((64, 48), (48, 80)),
            ((2, 3, 17, 33), (2, 3, 33, 19)),
            ((2, 1, 7, 8), (5, 8, 9)),
            ((4, 6, 16), (16, 31)),
            ((7,), (7, 5)),
            ((3, 7), (7,)),
            ((9,), (9,)),
            ((2, 0, 4), (4, 3)),
            ((2, 0), (0, 3)),
            ((1, 130, 300), (300, 65)),
        ]:
            yield MatMul(), [TensorSpec(float32, a), TensorSpec(float32, b)]
        yield MatMul(), [TensorSpec(float16, (3, 5)), TensorSpec(float16, (5, 4))]
        yield MatMul(), [TensorSpec(int32, (3, 5)), TensorSpec(int32, (5, 4))]


@operator("ew::Gemm")
class Gemm:
    """alpha * a' b' + beta * c for matrices a' [M, K] and b' [K, N] (transposed where asked), c repeated to [M, N]."""

    alpha: float = 1.0
    beta: float = 1.0
    trans_a: bool = False
    trans_b: bool = False

    def infer(self, a: TensorSpec, b: TensorSpec, c: TensorSpec | None = None) -> TensorSpec:
        """[M, N]; c is a scalar, [N], [1, N], [M, 1] or [M, N]."""
        dtype = check_same_type(a, b, c)
        check_type(a, (*FLOATS, *WIDE_INTEGERS), "input a")
        if a.rank != 2 or b.rank != 2:
            raise ShapeError(f"the inputs have {a.rank} and {b.rank} axes, not 2", hint="Use matmul for more axes.")
        left: tuple[Size, Size] = (a.shape[1], a.shape[0]) if self.trans_a else (a.shape[0], a.shape[1])
        right: tuple[Size, Size] = (b.shape[1], b.shape[0]) if self.trans_b else (b.shape[0], b.shape[1])
        same(left[1], right[0])
        shape = (left[0], right[1])
        if c is not None:
            check_broadcast_to(c.shape, shape)
        return TensorSpec(dtype, shape)

    def reference(self, a: Array, b: Array, c: Array | None = None) -> Array:
        """In float32 for 16-bit floats; integers with alpha and beta rounded towards zero as ONNX does."""
        left = widen(a).T if self.trans_a else widen(a)
        right = widen(b).T if self.trans_b else widen(b)
        total = _scaled(left @ right, self.alpha)
        if c is not None and self.beta != 0:
            total = total + _scaled(widen(c), self.beta)
        return total.astype(a.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[Gemm, list[TensorSpec | None]]]:
        """Each transposition, each shape of c, scaled, empty."""
        sizes = [((5, 7), (7, 9)), ((33, 65), (65, 17)), ((1, 64), (64, 48))]
        for a, b in sizes:
            for c in ((b[1],), (), (1, b[1]), (a[0], 1), (a[0], b[1])):
                yield Gemm(), [TensorSpec(float32, a), TensorSpec(float32, b), TensorSpec(float32, c)]
            yield Gemm(), [TensorSpec(float32, a), TensorSpec(float32, b), None]
            yield (
                Gemm(alpha=0.5, beta=2.0, trans_a=True, trans_b=True),
                [TensorSpec(float32, a[::-1]), TensorSpec(float32, b[::-1]), TensorSpec(float32, (b[1],))],
            )
            yield (
                Gemm(trans_b=True),
                [TensorSpec(float32, a), TensorSpec(float32, b[::-1]), TensorSpec(float32, (b[1],))],
            )
        for dtype in (float16, int32):
            yield Gemm(trans_b=True), [TensorSpec(dtype, (5, 7)), TensorSpec(dtype, (9, 7)), TensorSpec(dtype, (9,))]
        yield Gemm(trans_a=True), [TensorSpec(float32, (4, 0)), TensorSpec(float32, (4, 3))]
        yield Gemm(), [TensorSpec(float32, (4, 0)), TensorSpec(float32, (0, 3)), TensorSpec(float32, (3,))]


def _scaled(array: Array, factor: float) -> Array:
    return array if factor == 1 else array * array.dtype.type(factor)


@operator("ew::MatMulInteger")
class MatMulInteger:
    """The product of 8-bit integer matrices less their zero points, summed in int32; shapes as for matmul."""

    def infer(
        self,
        a: TensorSpec,
        b: TensorSpec,
        a_zero_point: TensorSpec | None = None,
        b_zero_point: TensorSpec | None = None,
    ) -> TensorSpec:
        """int32; zero points are scalars, one for each row of a, one for each column of b."""
        check_type(a, BYTES, "input a")
        check_type(b, BYTES, "input b")
        shape = matmul_shape(a.shape, b.shape)
        check_zero_point(a_zero_point, a, a.shape[-2] if a.rank > 1 else 1)
        check_zero_point(b_zero_point, b, b.shape[-1] if b.rank > 1 else 1)
        return TensorSpec(int32, shape)

    def reference(
        self, a: Array, b: Array, a_zero_point: Array | None = None, b_zero_point: Array | None = None
    ) -> Array:
        """Exact, modulo 2**32; the products are formed in float64, which is exact up to 2**53."""
        left = centered(a, a_zero_point, rows=True).astype(np.float64)
        right = centered(b, b_zero_point).astype(np.float64)
        return np.asarray(np.matmul(left, right)).astype(np.int64).astype(np.int32)

    @staticmethod
    def examples() -> Iterator[tuple[MatMulInteger, list[TensorSpec | Array | None]]]:
        """Both signs, with and without zero points, batched."""
        zero_a, zero_b = np.array(12, np.uint8), np.array(3, np.int8)
        for a, b in [((3, 5), (5, 4)), ((1, 1), (1, 1)), ((17, 67), (67, 33)), ((2, 5, 64), (64, 48))]:
            yield MatMulInteger(), [TensorSpec(uint8, a), TensorSpec(int8, b), zero_a, zero_b]
            yield MatMulInteger(), [TensorSpec(uint8, a), TensorSpec(uint8, b), zero_a, np.array(9, np.uint8)]
            yield MatMulInteger(), [TensorSpec(int8, a), TensorSpec(int8, b), None, None]
            columns = np.arange(b[1]).astype(np.int8)
            yield MatMulInteger(), [TensorSpec(uint8, a), TensorSpec(int8, b), zero_a, columns]
        rows = np.arange(3).astype(np.uint8)
        yield MatMulInteger(), [TensorSpec(uint8, (3, 5)), TensorSpec(int8, (5, 4)), rows, None]


@operator("ew::QLinearMatMul")
class QLinearMatMul:
    """The matrix product of quantized a and b, quantized again: y = saturate(round(a b / y_scale) + y_zero_point)."""

    def infer(
        self,
        a: TensorSpec,
        a_scale: TensorSpec,
        a_zero_point: TensorSpec,
        b: TensorSpec,
        b_scale: TensorSpec,
        b_zero_point: TensorSpec,
        y_scale: TensorSpec,
        y_zero_point: TensorSpec,
    ) -> TensorSpec:
        """The type of y_zero_point, the shape of the matrix product."""
        for spec, what in ((a, "input a"), (b, "input b"), (y_zero_point, "y_zero_point")):
            check_type(spec, BYTES, what)
        shape = matmul_shape(a.shape, b.shape)
        check_zero_point(a_zero_point, a, a.shape[-2] if a.rank > 1 else 1)
        check_zero_point(b_zero_point, b, b.shape[-1] if b.rank > 1 else 1)
        return TensorSpec(y_zero_point.dtype, shape)

    def reference(
        self,
        a: Array,
        a_scale: Array,
        a_zero_point: Array,
        b: Array,
        b_scale: Array,
        b_zero_point: Array,
        y_scale: Array,
        y_zero_point: Array,
    ) -> Array:
        """The sum exactly, then one multiplication by a_scale * b_scale / y_scale in float32, rounded to even."""
        left = centered(a, a_zero_point, rows=True).astype(np.float64)
        right = centered(b, b_zero_point).astype(np.float64)
        factor = _row_scale(a_scale) * _scalar_or_row(b_scale) / _row_scale(y_scale)
        zero = _row_scale(y_zero_point)
        return saturate(np.rint(np.matmul(left, right) * factor) + zero, y_zero_point.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[QLinearMatMul, list[TensorSpec | Array]]]:
        """uint8 and int8; scales for all and for each column."""
        for dtype in (np.uint8, np.int8):
            spec = uint8 if dtype is np.uint8 else int8
            zero, one = np.array(3, dtype), np.array(0.02, np.float32)
            for a, b in [((3, 5), (5, 4)), ((17, 67), (67, 33)), ((2, 5, 64), (64, 48))]:
                scales = np.linspace(0.01, 0.03, b[1]).astype(np.float32)
                zeros = np.zeros(b[1], dtype)
                y = np.array(0.5, np.float32)
                yield QLinearMatMul(), [TensorSpec(spec, a), one, zero, TensorSpec(spec, b), one, zero, y, zero]
                yield QLinearMatMul(), [TensorSpec(spec, a), one, zero, TensorSpec(spec, b), scales, zeros, y, zero]


def _row_scale(scale: Array) -> Array:
    wide = scale.astype(np.float64)
    return wide.reshape(()) if wide.size == 1 else wide[:, None] if wide.ndim == 1 else wide


def _scalar_or_row(scale: Array) -> Array:
    wide = scale.astype(np.float64)
    return wide.reshape(()) if wide.size == 1 else wide


@onnx_rule("ai.onnx::MatMul", since=1)
def matmul(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.matmul(node.input(0), node.input(1))


@onnx_rule("ai.onnx::Gemm", since=7)
def gemm(net: Network, node: OnnxNode) -> Tensor:
    """Since 7 c is repeated without being asked; since 11 it may be left out."""
    return net.gemm(
        node.input(0),
        node.input(1),
        node.optional(2),
        alpha=node.number("alpha", 1.0),
        beta=node.number("beta", 1.0),
        trans_a=bool(node.integer("transA", 0)),
        trans_b=bool(node.integer("transB", 0)),
    )


@onnx_rule("ai.onnx::MatMulInteger", since=10)
def matmul_integer(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.mat_mul_integer(node.input(0), node.input(1), node.optional(2), node.optional(3))


@onnx_rule("ai.onnx::QLinearMatMul", since=10)
def qlinear_matmul(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike; 21 adds types."""
    return net.q_linear_mat_mul(*(node.input(index) for index in range(8)))
