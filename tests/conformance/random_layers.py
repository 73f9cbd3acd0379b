"""The operators of random graphs that networks consist of: reductions, products, convolutions, normalizations."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from tests.conformance.random_graphs import FLOATS, Graph, Refused, Value
from tests.conformance.random_operators import (
    Add,
    below,
    both,
    has_elements,
    has_rank,
    is_exact,
    is_float,
    is_number,
    like,
)


def reduce(g: Graph) -> None:
    """Over any axes, or all."""
    op = g.choose(["Sum", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp", "Prod", "LogSum"])
    exact = None if op in ("Sum", "Max", "Min", "L1", "SumSquare", "Prod") else False
    fits = {"LogSumExp": below(8), "Mean": is_float, "L2": is_float, "LogSum": _above_zero}.get(op, is_number)
    a = g.pick(both(has_rank(1), fits, has_elements))
    chosen = sorted({g.number(0, a.array.ndim - 1) for _ in range(g.number(1, 2))})
    axes = g.ints(*chosen) if g.number(0, 3) else None
    g.node(f"Reduce{op}", [a, axes], exact=exact, keepdims=g.number(0, 1))


def _above_zero(value: Value) -> bool:
    return value.is_float and value.array.size > 0 and float(value.array.astype(np.float64).min()) > 0.1


def softmax(g: Graph) -> None:
    """Along any axis."""
    a = g.pick(both(has_rank(1), is_float, has_elements))
    g.node(g.choose(["Softmax", "LogSoftmax"]), [a], exact=False, axis=g.number(-a.array.ndim, a.array.ndim - 1))


def matmul(g: Graph) -> None:
    """With a constant matrix, or the transpose of the value itself."""
    a = g.pick(both(has_rank(2), is_number))
    width = a.array.shape[-1]
    if g.number(0, 1):
        other = like(g, a, (width, g.number(1, 5)))
    else:
        order = [*range(a.array.ndim - 2), a.array.ndim - 1, a.array.ndim - 2]
        (other,) = g.node("Transpose", [a], perm=order)
    g.node("MatMul", [a, other])


def gemm(g: Graph) -> None:
    """With every flag."""
    a = g.pick(both(has_rank(2, 2), is_float))
    flip, flop = g.number(0, 1), g.number(0, 1)
    inner, outer = a.array.shape[0 if flip else 1], g.number(1, 4)
    b = like(g, a, (outer, inner) if flop else (inner, outer))
    c = g.choose([None, like(g, a, (outer,)), like(g, a, ())])
    alpha = g.choose([1.0, 0.5])
    g.node("Gemm", [a, b, c], exact=None if alpha == 1 else False, transA=flip, transB=flop, alpha=alpha)


def conv(g: Graph) -> None:
    """In one or two dimensions, with groups, pads, strides and dilations."""
    a = g.pick(both(has_rank(3, 4), is_float, has_elements))
    channels, spatial = a.array.shape[1], a.array.ndim - 2
    groups = g.choose([1, channels])
    kernel = tuple(g.number(1, 3) for _ in range(spatial))
    weight = like(g, a, (groups * g.number(1, 3), channels // groups, *kernel))
    bias = g.choose([None, like(g, a, (weight.array.shape[0],))])
    pads = [g.number(0, 1) for _ in range(2 * spatial)]
    strides, dilations = ([g.number(1, 2) for _ in range(spatial)] for _ in range(2))
    g.node("Conv", [a, weight, bias], group=groups, pads=pads, strides=strides, dilations=dilations)


def pool(g: Graph) -> None:
    """Windows over the last axes."""
    a = g.pick(both(has_rank(3, 4), is_float, has_elements))
    spatial = a.array.ndim - 2
    op = g.choose(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool"])
    if op.startswith("Global"):
        g.node(op, [a], exact=None if op == "GlobalMaxPool" else False)
        return
    kernel = [g.number(1, 3) for _ in range(spatial)]
    pads = [g.number(0, size - 1) for size in kernel] * 2
    strides = [g.number(1, 2) for _ in kernel]
    more: dict[str, Any] = {"count_include_pad": g.number(0, 1)} if op == "AveragePool" else {}
    if op != "LpPool":
        more["ceil_mode"] = g.number(0, 1)
        more["dilations"] = [g.number(1, 2) for _ in kernel]
    g.node(op, [a], exact=None if op == "MaxPool" else False, kernel_shape=kernel, pads=pads, strides=strides, **more)


def normalize(g: Graph) -> None:
    """Over a batch, a layer, an instance, groups, neighbouring channels."""
    a = g.pick(both(has_rank(3, 4), is_float, has_elements))
    channels, kind = a.array.shape[1], a.array.dtype
    op = g.choose(["BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
                   "LRN", "LpNormalization", *(["RMSNormalization"] if g.opset >= 23 else [])])  # fmt: skip
    if op in ("LayerNormalization", "RMSNormalization"):
        axis = g.number(1, a.array.ndim - 1)
        inputs = [a, *(like(g, a, a.array.shape[axis:]) for _ in range(1 + (op[0] == "L" and g.number(0, 1))))]
        g.node(op, inputs, exact=False, axis=axis, epsilon=1e-2)
    elif op == "LRN":
        g.node(op, [a], exact=False, size=g.choose([1, 3, 5]))
    elif op == "LpNormalization":
        (above,) = g.node("Abs", [a])
        (far,) = g.node("Add", [above, g.constant(np.ones(()).astype(kind))])
        g.node(op, [far], exact=False, axis=g.number(0, a.array.ndim - 1), p=g.number(1, 2))
    else:
        scale, shift = (like(g, a, (channels,)) for _ in range(2))
        more = [like(g, a, (channels,)), g.constant(g.whole((channels,), 1, 3).astype(kind))]
        inputs = [a, scale, shift, *(more if op == "BatchNormalization" else [])]
        g.node(op, inputs, exact=False, epsilon=1e-2, num_groups=channels if op[0] == "G" else None)


def conv_transpose(g: Graph) -> None:
    """In one or two dimensions, with pads and strides."""
    a = g.pick(both(has_rank(3, 4), is_float, has_elements))
    spatial = a.array.ndim - 2
    kernel = tuple(g.number(1, 3) for _ in range(spatial))
    weight = like(g, a, (a.array.shape[1], g.number(1, 3), *kernel))
    strides = [g.number(1, 2) for _ in range(spatial)]
    g.node("ConvTranspose", [a, weight], strides=strides, pads=[g.number(0, 1) for _ in range(2 * spatial)])


def resize(g: Graph) -> None:
    """By a whole factor, so that no rounding decides which element is nearest."""
    a = g.pick(both(has_rank(4, 4), is_float, has_elements))
    scales = g.constant(np.array([1, 1, g.number(1, 3), g.number(1, 3)], np.float32))
    if g.number(0, 1):
        g.node("Resize", [a, None, scales], mode="nearest", coordinate_transformation_mode="asymmetric",
               nearest_mode="floor")  # fmt: skip
    else:
        way = g.choose(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
        g.node("Resize", [a, None, scales], exact=False, mode="linear", coordinate_transformation_mode=way)


def einsum(g: Graph) -> None:
    """Products with a constant, as subscripts; not of empty tensors, for which ONNX Runtime ends the process.

    Nor of sizes of 1: at another size of the input, ONNX Runtime would broadcast, as no text of ONNX says.
    """
    a = g.pick(both(has_rank(2, 2), is_float, lambda value: min(value.array.shape) > 1))
    rows, columns = a.array.shape
    equation, shape = g.choose(
        [("ij,jk->ik", (columns, 2)), ("ij,kj->ki", (3, columns)), ("ij,ij->j", (rows, columns))]
    )
    g.node("Einsum", [a, like(g, a, shape)], equation=equation)


def quantize(g: Graph) -> None:
    """To few bits and back, with scales that are powers of two, one for all or one for each index of an axis."""
    a = g.pick(both(is_exact, lambda value: value.array.dtype in FLOATS[:2] and value.array.ndim > 0))
    kind = np.dtype(g.choose([np.uint8, np.int8, np.uint16, np.int16, *SMALL]))
    axis = g.number(0, a.array.ndim - 1)
    shape = g.choose([(), (a.array.shape[axis],)])
    scale = g.constant(g.whole(shape, 1, 2).astype(a.array.dtype))
    zero = g.constant(np.zeros(shape, kind) if kind in SMALL else g.whole(shape, 0, 3).astype(kind))
    more = {"axis": axis} if shape else {}
    (small,) = g.node("QuantizeLinear", [a, scale, zero], exact=True, **more)
    g.node("DequantizeLinear", [small, scale, zero], exact=True, **more)


def dynamic_quantize(g: Graph) -> None:
    """A product of eight bits; the range of the exact values decides the scale, 0 / 0 if all are 0: some are not."""
    a = g.pick(both(is_exact, has_rank(2, 2), lambda value: value.array.dtype == np.float32 and value.array.any()))
    weight = g.constant(g.whole((a.array.shape[1], g.number(1, 4)), 0, 9).astype(g.choose([np.uint8, np.int8])))
    (small, _, zero) = g.node("DynamicQuantizeLinear", [a], 3, exact=False)
    g.node("MatMulInteger", [small, weight, zero], exact=False)


def attention(g: Graph) -> None:
    """Of a value with itself, heads apart, with a mask, causal, capped."""
    a = g.pick(both(has_rank(4, 4), below(8), has_elements))
    steps = a.array.shape[2]
    mask = g.choose([None, g.constant(g.numbers(a.array.dtype, (steps, steps), exact=False), exact=False)])
    if g.opset < 23:
        raise Refused
    g.node("Attention", [a, a, a, mask], exact=False, is_causal=g.number(0, 1), softcap=g.choose([0.0, 2.0]),
           scale=g.choose([None, 0.5]))  # fmt: skip


SMALL = tuple(map(np.dtype, (ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)))


OPERATORS: tuple[Add, ...] = (
    reduce, matmul, conv, softmax, gemm, pool, normalize, quantize, conv_transpose, resize, einsum, attention,
    dynamic_quantize,
)  # fmt: skip
"""Simpler ones first: hypothesis shrinks towards them."""
