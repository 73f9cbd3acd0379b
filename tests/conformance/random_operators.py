"""The operators of random graphs: each function draws inputs that fit and attributes, and adds one node or a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.conformance.random_graphs import FLOATS, Array, Graph, Refused, Value

Add = Callable[[Graph], Any]
WHOLE = (np.int32, np.int64)


def _float(value: Value) -> bool:
    return value.is_float


def _exact(value: Value) -> bool:
    return value.exact and value.array.dtype.kind in "fi"


def _rank(low: int, high: int = 9) -> Callable[[Value], bool]:
    return lambda value: low <= value.array.ndim <= high


def _both(*tests: Callable[[Value], bool]) -> Callable[[Value], bool]:
    return lambda value: all(test(value) for test in tests)


def _below(limit: float) -> Callable[[Value], bool]:
    return lambda value: value.is_float and float(np.abs(value.array).max(initial=0)) <= limit


def _like(g: Graph, value: Value, shape: tuple[int, ...] | None = None) -> Value:
    """A constant of a value's type that broadcasts to it, or has the given shape."""
    if shape is None:
        shape = tuple(g.choose((1, size)) for size in value.array.shape)[g.number(0, value.array.ndim) :]
    exact = value.exact and bool(g.number(0, 1))
    array = g.whole(shape) if exact or not value.is_float else g.real(shape)
    return g.constant(array.astype(value.array.dtype), exact or not value.is_float)


# ---- elementwise -----------------------------------------------------------------------------------------------------


def unary(g: Graph) -> None:
    """Functions whose results are in the range of their inputs, or nearly."""
    op = g.choose(["Relu", "Abs", "Neg", "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign", "LeakyRelu", "Elu", "Selu",
                   "HardSigmoid", "HardSwish", "ThresholdedRelu", "Celu", "Mish", "Gelu", "Identity"])  # fmt: skip
    keeps = op in ("Relu", "Abs", "Neg", "Identity")
    attributes = {"alpha": g.choose([0.1, 0.5, 1.0])} if op in ("LeakyRelu", "Elu", "ThresholdedRelu", "Celu") else {}
    g.node(op, [g.pick(_float)], exact=None if keeps else False, **attributes)


def steep(g: Graph) -> None:
    """Functions that are computed on small numbers only."""
    g.node(g.choose(["Exp", "Sin", "Cos", "Atan", "Sinh", "Cosh", "Asinh"]), [g.pick(_below(8))], exact=False)


def positive(g: Graph) -> None:
    """Functions of positive numbers."""
    (size,) = g.node("Abs", [g.pick(_float)])
    (above,) = g.node("Add", [size, g.constant(np.ones((), size.array.dtype))])
    g.node(g.choose(["Sqrt", "Log", "Reciprocal"]), [above], exact=False)


def steps(g: Graph) -> None:
    """Functions with steps, of exact values."""
    g.node(g.choose(["Floor", "Ceil", "Round", "Sign"]), [g.pick(_both(_exact, _float))])


def binary(g: Graph) -> None:
    """Arithmetic of two values, or a value and a constant."""
    a = g.pick(lambda value: value.array.dtype.kind in "fi")
    same = [v for v in g.values if v.array.dtype == a.array.dtype and _broadcasts(v.array, a.array)]
    b = g.choose(same) if same and g.number(0, 1) else _like(g, a)
    pair = [a, b] if g.number(0, 1) else [b, a]
    g.node(g.choose(["Add", "Sub", "Mul", "Min", "Max"]), pair)


def _broadcasts(a: Array, b: Array) -> bool:
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return True


def divide(g: Graph) -> None:
    """A quotient by a constant that is not near zero."""
    a = g.pick(lambda value: value.is_float or value.array.dtype in WHOLE)
    low = g.whole((), 1, 4)
    g.node("Div", [a, g.constant(low.astype(a.array.dtype))], exact=None if not a.is_float else False)


def power(g: Graph) -> None:
    """A small power."""
    a = g.pick(_below(20))
    g.node("Pow", [a, g.constant(np.array(g.choose([2, 3]), a.array.dtype))])


def compare(g: Graph) -> None:
    """A comparison of exact values."""
    a = g.pick(_exact)
    g.node(g.choose(["Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"]), [a, _exact_like(g, a)], exact=True)


def _exact_like(g: Graph, value: Value) -> Value:
    shape = tuple(g.choose((1, size)) for size in value.array.shape)
    return g.constant(g.whole(shape).astype(value.array.dtype))


def logical(g: Graph) -> None:
    """And, Or, Xor, Not."""
    a = g.pick(lambda value: value.array.dtype == bool)
    op = g.choose(["And", "Or", "Xor", "Not"])
    g.node(op, [a] if op == "Not" else [a, g.constant(g.whole(a.array.shape, 0, 1).astype(bool))])


def where(g: Graph) -> None:
    """A choice by a condition."""
    flag = g.pick(lambda value: value.array.dtype == bool)
    a = g.pick(lambda value: value.array.dtype.kind in "fi" and _broadcasts(value.array, flag.array))
    g.node("Where", [flag, a, _like(g, a)])


def clip(g: Graph) -> None:
    """Both bounds, or one."""
    a = g.pick(lambda value: value.is_float)
    low, high = (g.constant(np.array(n, a.array.dtype)) for n in (-2, 3))
    g.node("Clip", g.choose([[a, low, high], [a, low], [a, None, high]]))


def cast(g: Graph) -> None:
    """To another type; to integers from exact values only."""
    a = g.pick(lambda value: value.array.dtype.kind in "fib")
    kinds = [*FLOATS, *WHOLE, np.bool_] if a.exact or a.array.dtype == bool else [np.float32, np.float64]
    g.node("Cast", [a], to=helper.np_dtype_to_tensor_dtype(np.dtype(g.choose(kinds))))


# ---- movement --------------------------------------------------------------------------------------------------------


def transpose(g: Graph) -> None:
    """Any permutation."""
    a = g.pick(_rank(2))
    order = list(range(a.array.ndim))
    for index in range(len(order) - 1):
        other = g.number(index, len(order) - 1)
        order[index], order[other] = order[other], order[index]
    g.node("Transpose", [a], perm=order)


def reshape(g: Graph) -> None:
    """Two axes become one, one becomes two, or the shape is computed from the input's shape."""
    a = g.pick(_rank(1))
    way = g.choose(["flat", "join", "rows", "computed"])
    if way == "computed":
        (shape,) = g.node("Shape", [a])
        (last,) = g.node("Slice", [shape, g.ints(-1), g.ints(2**31), g.ints(0)])
        (target,) = g.node("Concat", [g.ints(-1), last], axis=0)
        if not a.array.shape[-1]:
            raise Refused
        g.node("Reshape", [a, target])
    else:
        rows = a.array.shape[0] if way == "rows" else 0
        sizes = {"flat": [-1], "join": [0, -1], "rows": [rows, -1]}[way]
        if not a.array.size:
            raise Refused
        g.node("Reshape", [a, g.ints(*sizes)])


def axes(g: Graph) -> None:
    """Squeeze and Unsqueeze."""
    a = g.pick(_rank(1))
    ones = [axis for axis, size in enumerate(a.array.shape) if size == 1]
    if ones and g.number(0, 1):
        g.node("Squeeze", [a, g.ints(g.choose(ones))])
    else:
        g.node("Unsqueeze", [a, g.ints(g.number(-a.array.ndim - 1, a.array.ndim))])


def cut(g: Graph) -> None:
    """A slice with any start, end and step."""
    a = g.pick(_rank(1))
    axis = g.number(-a.array.ndim, a.array.ndim - 1)
    size = a.array.shape[axis]
    start, end = g.number(-size - 1, size), g.choose([size, -1, 2**31 - 1, g.number(-size, size + 1)])
    step = g.choose([1, 1, 2, -1, -2])
    if step < 0:
        end = g.choose([-(2**31), 0])
    g.node("Slice", [a, g.ints(start), g.ints(end), g.ints(axis), g.ints(step)])


def concat(g: Graph) -> None:
    """A value with itself, another one or a constant."""
    a = g.pick(_rank(1))
    axis = g.number(-a.array.ndim, a.array.ndim - 1)
    shape = list(a.array.shape)
    shape[axis] = g.number(1, 3)
    more = a if a.array.dtype == bool or g.number(0, 1) else _like(g, a, tuple(shape))
    g.node("Concat", [a, more, a][: g.number(2, 3)], axis=axis)


def split(g: Graph) -> None:
    """Two parts of given sizes."""
    a = g.pick(_rank(1))
    axis = g.number(0, a.array.ndim - 1)
    first = g.number(0, a.array.shape[axis])
    g.node("Split", [a, g.ints(first, a.array.shape[axis] - first)], 2, axis=axis)


def gather(g: Graph) -> None:
    """Elements by constant indices, negative ones too."""
    a = g.pick(_rank(1))
    axis = g.number(-a.array.ndim, a.array.ndim - 1)
    size = a.array.shape[axis]
    if not size:
        raise Refused
    shape = g.choose([(), (2,), (1, 3)])
    g.node("Gather", [a, g.constant(g.whole(shape, -size, size - 1))], axis=axis)


def gather_elements(g: Graph) -> None:
    """One index for each element."""
    a = g.pick(_rank(1))
    axis = g.number(0, a.array.ndim - 1)
    size = a.array.shape[axis]
    if not a.array.size:
        raise Refused
    g.node("GatherElements", [a, g.constant(g.whole(a.array.shape, -size, size - 1))], axis=axis)


def scatter(g: Graph) -> None:
    """Rows written over."""
    a = g.pick(_both(_rank(2), lambda value: value.array.dtype.kind in "fi" and value.array.shape[0] > 0))
    row = g.number(0, a.array.shape[0] - 1)
    g.node("ScatterND", [a, g.constant(np.array([[row]])), _like(g, a, (1, *a.array.shape[1:]))])


def pad(g: Graph) -> None:
    """Every mode."""
    a = g.pick(_both(_rank(1), lambda value: value.array.dtype.kind in "fi"))
    mode = g.choose(["constant", "edge", "reflect", "wrap"])
    most = 2 if mode == "constant" else min(a.array.shape) - 1
    if mode != "constant" and most < 1:
        raise Refused
    amounts = [g.number(0, min(most, 2)) for _ in range(2 * a.array.ndim)]
    g.node("Pad", [a, g.ints(*amounts)], mode=mode if mode != "wrap" else "constant")


def repeat(g: Graph) -> None:
    """Tile and Expand."""
    a = g.pick(_rank(1))
    if g.number(0, 1):
        g.node("Tile", [a, g.ints(*(g.number(1, 2) for _ in a.array.shape))])
    else:
        g.node("Expand", [a, g.ints(g.number(1, 2), *(1 for _ in a.array.shape))])


def shape_of(g: Graph) -> None:
    """Shapes and sizes as values."""
    a = g.pick()
    g.node(g.choose(["Shape", "Size"]), [a], exact=True)


def nonzero(g: Graph) -> None:
    """Outputs whose size depends on the contents."""
    a = g.pick(_both(_rank(1), lambda value: value.exact))
    if g.number(0, 1):
        g.node("NonZero", [a], exact=True)
    else:
        size = a.array.shape[0]
        g.node("Compress", [a, g.constant(g.whole((size,), 0, 1).astype(bool))], axis=0)


def order(g: Graph) -> None:
    """Largest elements and their places, of exact values without equal ones among them where places are asked for."""
    a = g.pick(_both(_rank(1), _exact, lambda value: value.array.shape[-1] > 0))
    if g.number(0, 1):
        g.node("TopK", [a, g.ints(g.number(1, a.array.shape[-1]))], 2, axis=-1, largest=g.number(0, 1))
    else:
        g.node(g.choose(["ArgMax", "ArgMin"]), [a], axis=-1, keepdims=g.number(0, 1), exact=True)


def total(g: Graph) -> None:
    """Running sums."""
    a = g.pick(_both(_rank(1), lambda value: value.is_float))
    g.node("CumSum", [a, g.constant(np.array(g.number(0, a.array.ndim - 1)))], reverse=g.number(0, 1))


# ---- reductions and layers of networks -------------------------------------------------------------------------------


def reduce(g: Graph) -> None:
    """Over any axes."""
    op = g.choose(["Sum", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp"])
    exact = None if op in ("Sum", "Max", "Min", "L1", "SumSquare") else False
    a = g.pick(_both(_rank(1), _below(8) if op == "LogSumExp" else _float, lambda value: value.array.size > 0))
    chosen = sorted({g.number(0, a.array.ndim - 1) for _ in range(g.number(1, 2))})
    keep = g.number(0, 1)
    if op in ("Max", "Min", "Mean", "L1", "L2", "SumSquare", "LogSumExp", "Sum"):
        g.node(f"Reduce{op}", [a, g.ints(*chosen)], exact=exact, keepdims=keep)


def softmax(g: Graph) -> None:
    """Along any axis."""
    a = g.pick(_both(_rank(1), _float, lambda value: value.array.size > 0))
    g.node(g.choose(["Softmax", "LogSoftmax"]), [a], exact=False, axis=g.number(-a.array.ndim, a.array.ndim - 1))


def matmul(g: Graph) -> None:
    """With a constant matrix, or the transpose of the value itself."""
    a = g.pick(_both(_rank(2), _float))
    width = a.array.shape[-1]
    if g.number(0, 1):
        other = _like(g, a, (width, g.number(1, 5)))
    else:
        order = [*range(a.array.ndim - 2), a.array.ndim - 1, a.array.ndim - 2]
        (other,) = g.node("Transpose", [a], perm=order)
    g.node("MatMul", [a, other])


def gemm(g: Graph) -> None:
    """With every flag."""
    a = g.pick(_both(_rank(2, 2), _float))
    flip, flop = g.number(0, 1), g.number(0, 1)
    inner, outer = a.array.shape[0 if flip else 1], g.number(1, 4)
    b = _like(g, a, (outer, inner) if flop else (inner, outer))
    c = g.choose([None, _like(g, a, (outer,)), _like(g, a, ())])
    alpha = g.choose([1.0, 0.5])
    g.node("Gemm", [a, b, c], exact=None if alpha == 1 else False, transA=flip, transB=flop, alpha=alpha)


def conv(g: Graph) -> None:
    """In one or two dimensions, with groups, pads, strides and dilations."""
    a = g.pick(_both(_rank(3, 4), _float, lambda value: 0 not in value.array.shape))
    channels, spatial = a.array.shape[1], a.array.ndim - 2
    groups = g.choose([1, channels])
    kernel = tuple(g.number(1, 3) for _ in range(spatial))
    weight = _like(g, a, (groups * g.number(1, 3), channels // groups, *kernel))
    bias = g.choose([None, _like(g, a, (weight.array.shape[0],))])
    pads = [g.number(0, 1) for _ in range(2 * spatial)]
    strides, dilations = ([g.number(1, 2) for _ in range(spatial)] for _ in range(2))
    g.node("Conv", [a, weight, bias], group=groups, pads=pads, strides=strides, dilations=dilations)


def pool(g: Graph) -> None:
    """Windows over the last axes."""
    a = g.pick(_both(_rank(3, 4), _float, lambda value: 0 not in value.array.shape))
    spatial = a.array.ndim - 2
    # onnx's reference of GlobalMaxPool loses an axis of inputs with three: ONNX says that the rank stays.
    op = g.choose(["MaxPool", "AveragePool", "GlobalAveragePool", *(["GlobalMaxPool"] if spatial == 2 else [])])
    if op.startswith("Global"):
        g.node(op, [a], exact=None if op == "GlobalMaxPool" else False)
        return
    kernel = [g.number(1, 3) for _ in range(spatial)]
    pads = [g.number(0, size - 1) for size in kernel] * 2
    strides = [g.number(1, 2) for _ in kernel]
    more: dict[str, Any] = {"count_include_pad": g.number(0, 1)} if op == "AveragePool" else {}
    g.node(op, [a], exact=None if op == "MaxPool" else False, kernel_shape=kernel, pads=pads, strides=strides, **more)


def normalize(g: Graph) -> None:
    """Batch, layer and instance normalization."""
    a = g.pick(_both(_rank(3, 4), _float, lambda value: value.array.dtype == np.float32 and value.array.size > 0))
    channels = a.array.shape[1]
    op = g.choose(["BatchNormalization", "LayerNormalization", "InstanceNormalization"])
    if op == "LayerNormalization":
        g.node(op, [a, _like(g, a, (a.array.shape[-1],))], exact=False, axis=-1, epsilon=1e-2)
        return
    scale, shift = (_like(g, a, (channels,)) for _ in range(2))
    more = [_like(g, a, (channels,)), g.constant(g.whole((channels,), 1, 3).astype(np.float32))]
    g.node(op, [a, scale, shift, *(more if op == "BatchNormalization" else [])], exact=False, epsilon=1e-2)


def conv_transpose(g: Graph) -> None:
    """In one or two dimensions, with pads and strides."""
    a = g.pick(_both(_rank(3, 4), _float, lambda value: 0 not in value.array.shape))
    spatial = a.array.ndim - 2
    kernel = tuple(g.number(1, 3) for _ in range(spatial))
    weight = _like(g, a, (a.array.shape[1], g.number(1, 3), *kernel))
    strides = [g.number(1, 2) for _ in range(spatial)]
    g.node("ConvTranspose", [a, weight], strides=strides, pads=[g.number(0, 1) for _ in range(2 * spatial)])


def resize(g: Graph) -> None:
    """Nearest ones, by a whole factor, so that no rounding decides."""
    a = g.pick(_both(_rank(4, 4), _float, lambda value: 0 not in value.array.shape))
    scales = g.constant(np.array([1, 1, g.number(1, 3), g.number(1, 3)], np.float32))
    g.node("Resize", [a, None, scales], mode="nearest", coordinate_transformation_mode="asymmetric",
           nearest_mode="floor")  # fmt: skip


def rearrange(g: Graph) -> None:
    """Triangles, diagonals and blocks."""
    a = g.pick(_rank(2))
    op = g.choose(["Trilu", "EyeLike", "DepthToSpace", "SpaceToDepth"])
    if op == "Trilu":
        g.node(op, [a, g.constant(np.array(g.number(-2, 2)))], upper=g.number(0, 1))
    elif op == "EyeLike":
        g.node(op, [g.pick(_rank(2, 2))], exact=True, k=g.number(-1, 1))
    else:
        g.node(op, [g.pick(_rank(4, 4))], blocksize=2)


def remainder(g: Graph) -> None:
    """Both kinds of remainder, of integers."""
    a = g.pick(lambda value: value.array.dtype in WHOLE)
    b = g.constant(np.array(g.choose([2, 3, -2, -3]), a.array.dtype))
    g.node("Mod", [a, b], fmod=g.number(0, 1))


def fill(g: Graph) -> None:
    """A constant of a shape that the graph computes, and one element in each row."""
    a = g.pick(_rank(1))
    (shape,) = g.node("Shape", [a], exact=True)
    if g.number(0, 1):
        g.node("ConstantOfShape", [shape], exact=True)
    else:
        index = g.pick(_both(_exact, lambda value: value.array.dtype in WHOLE))
        values = g.constant(np.array([g.number(-1, 1), 2], np.float32))
        g.node("OneHot", [index, g.constant(np.array(g.number(1, 4))), values], axis=g.choose([-1, 0]))


def einsum(g: Graph) -> None:
    """Products with a constant, as subscripts; not of empty tensors, for which ONNX Runtime ends the process.

    Nor of sizes of 1: at another size of the input, ONNX Runtime would broadcast, as no text of ONNX says.
    """
    a = g.pick(_both(_rank(2, 2), _float, lambda value: min(value.array.shape) > 1))
    rows, columns = a.array.shape
    equation, shape = g.choose(
        [("ij,jk->ik", (columns, 2)), ("ij,kj->ki", (3, columns)), ("ij,ij->j", (rows, columns))]
    )
    g.node("Einsum", [a, _like(g, a, shape)], equation=equation)


def quantize(g: Graph) -> None:
    """To eight bits and back, with scales that are powers of two."""
    a = g.pick(_both(_exact, lambda value: value.array.dtype == np.float32))
    scale, zero = g.constant(np.float32(g.choose([1, 2]))), g.constant(np.array(g.number(0, 3), np.uint8))
    (small,) = g.node("QuantizeLinear", [a, scale, zero], exact=True)
    g.node("DequantizeLinear", [small, scale, zero], exact=True)


# ---- control flow ----------------------------------------------------------------------------------------------------


def choice(g: Graph) -> None:
    """If: two branches that read values from outside and give tensors of one type."""
    a = g.pick(lambda value: value.is_float)
    (total,) = g.node("ReduceSum", [g.pick(_both(_exact, _float))], keepdims=0)
    (flag,) = g.node("Greater", [total, g.constant(np.zeros((), total.array.dtype))], exact=True)
    branches, exact = [], True
    for side in ("then", "else"):
        inner = _nested(g, side)
        inner.node(g.choose(["Relu", "Neg", "Abs"]), [a])
        _grow(inner, g.number(0, 2))
        (result,) = inner.node("Mul", [a, inner.constant(np.array(2, a.array.dtype))])
        exact &= result.exact
        branches.append(_graph(inner, [], [result]))
    g.node("If", [flag], exact=exact, then_branch=branches[0], else_branch=branches[1])


def loop(g: Graph) -> None:
    """Loop: a carried tensor, a value from outside, and one output that is stacked.

    Its elements have one axis, and there is one: onnx's reference joins others along their own first axis, where ONNX
    says of scan outputs that each iteration's value is one element of a new first axis.
    """
    a = g.pick(_both(_below(10), lambda value: value.array.ndim <= MAX_CARRIED))
    count = g.number(1, 3)
    inner = _nested(g, "body")
    dtype = helper.np_dtype_to_tensor_dtype(a.array.dtype)
    index, cond, state = (f"{inner.prefix}{name}" for name in ("i", "cond", "state"))
    inner.values += [Value(index, np.array(0), True), Value(cond, np.array(True), True), Value(state, a.array, a.exact)]
    carried = inner.values[-1]
    (after,) = inner.node(g.choose(["Add", "Sub", "Max"]), [carried, a])
    (again,) = inner.node("Identity", [inner.values[1]])
    (row,) = inner.node("Reshape", [after, inner.ints(-1)])
    infos = [
        helper.make_tensor_value_info(index, onnx.TensorProto.INT64, []),
        helper.make_tensor_value_info(cond, onnx.TensorProto.BOOL, []),
        helper.make_tensor_value_info(state, dtype, None),
    ]
    body = _graph(inner, infos, [again, after, row])
    trips = g.constant(np.array(count, np.int64))
    g.node("Loop", [trips, g.constant(np.array(True)), a], 2, body=body)


MAX_CARRIED = 3


def _nested(g: Graph, side: str) -> Graph:
    if g.depth >= 2:
        raise Refused
    return Graph(g.draw, f"{g.name()}_{side}_", (*g.outer, *g.values), g.depth + 1)


def _graph(inner: Graph, infos: list[onnx.ValueInfoProto], outputs: list[Value]) -> onnx.GraphProto:
    made = [
        helper.make_tensor_value_info(v.name, helper.np_dtype_to_tensor_dtype(v.array.dtype), None) for v in outputs
    ]
    return helper.make_graph(inner.nodes, inner.prefix, infos, made, inner.constants)


def _grow(g: Graph, count: int) -> None:
    for _ in range(count):
        try_operator(g, g.choose(OPERATORS))


def try_operator(g: Graph, add: Add) -> bool:
    """Add an operator if it fits; the graph is as before if it does not."""
    kept = len(g.nodes), len(g.values), len(g.constants)
    try:
        add(g)
    except Refused:
        del g.nodes[kept[0] :], g.values[kept[1] :], g.constants[kept[2] :]
        return False
    return True


OPERATORS: tuple[Add, ...] = (
    unary, binary, transpose, reshape, reduce, matmul, conv, steep, positive, steps, divide, power, compare, logical,
    where, clip, cast, axes, cut, concat, split, gather, gather_elements, scatter, pad, repeat, shape_of, nonzero,
    order, total, softmax, gemm, pool, normalize, quantize, choice, loop, conv_transpose, resize, rearrange, remainder,
    fill, einsum,
)  # fmt: skip
"""Simpler ones first: hypothesis shrinks towards them."""
