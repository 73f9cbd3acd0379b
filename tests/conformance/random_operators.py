"""The operators of random graphs that compute elements or move them: each draws inputs that fit, and adds nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from tests.conformance.random_graphs import FLOATS, INTEGERS, Array, Graph, Refused, Value

Add = Callable[[Graph], Any]
WHOLE = (np.int32, np.int64)
Test = Callable[[Value], bool]


def is_float(value: Value) -> bool:
    """Whether its elements are floating-point numbers."""
    return value.is_float


def is_number(value: Value) -> bool:
    """Whether one can compute with its elements."""
    return value.is_number


def is_exact(value: Value) -> bool:
    """Whether its elements are numbers that any arithmetic gives."""
    return value.exact and value.is_number


def has_elements(value: Value) -> bool:
    """Whether no size is 0."""
    return value.array.size > 0


def has_rank(low: int, high: int = 9) -> Test:
    """Whether the rank is in a range."""
    return lambda value: low <= value.array.ndim <= high


def both(*tests: Test) -> Test:
    """Whether all hold."""
    return lambda value: all(test(value) for test in tests)


def below(limit: float) -> Test:
    """Whether it holds floating-point numbers of small magnitude."""
    return both(is_float, lambda value: value.largest <= limit)


def is_signed(value: Value) -> bool:
    """Whether its numbers may be negative."""
    return value.array.dtype.kind != "u"


def like(g: Graph, value: Value, shape: tuple[int, ...] | None = None) -> Value:
    """A constant of a value's type that broadcasts to it, or has the given shape."""
    if shape is None:
        shape = tuple(g.choose((1, size)) for size in value.array.shape)[g.number(0, value.array.ndim) :]
    exact = not value.is_float or (value.exact and bool(g.number(0, 1)))
    return g.constant(g.numbers(value.array.dtype, shape, exact), exact)


# ---- elementwise -----------------------------------------------------------------------------------------------------


def unary(g: Graph) -> None:
    """Functions whose results are in the range of their inputs, or nearly."""
    a = g.pick(is_number)
    if a.is_integer:
        g.node(g.choose(["Relu", "Abs", "Neg", "Sign", "Identity"]), [a])
        return
    op = g.choose(["Relu", "Abs", "Neg", "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign", "LeakyRelu", "Elu", "Selu",
                   "HardSigmoid", "HardSwish", "ThresholdedRelu", "Celu", "Mish", "Gelu", "Identity"])  # fmt: skip
    keeps = op in ("Relu", "Abs", "Neg", "Identity")
    attributes = {"alpha": g.choose([0.1, 0.5, 1.0])} if op in ("LeakyRelu", "Elu", "ThresholdedRelu", "Celu") else {}
    g.node(op, [a], exact=None if keeps else False, **attributes)


def steep(g: Graph) -> None:
    """Functions that are computed on small numbers only."""
    g.node(g.choose(["Exp", "Sin", "Cos", "Atan", "Sinh", "Cosh", "Asinh"]), [g.pick(below(8))], exact=False)


def positive(g: Graph) -> None:
    """Functions of positive numbers."""
    (size,) = g.node("Abs", [g.pick(is_float)])
    (above,) = g.node("Add", [size, g.constant(np.ones(()).astype(size.array.dtype))])
    g.node(g.choose(["Sqrt", "Log", "Reciprocal"]), [above], exact=False)


def steps(g: Graph) -> None:
    """Functions with steps, of exact values."""
    g.node(g.choose(["Floor", "Ceil", "Round", "Sign"]), [g.pick(both(is_exact, is_float))])


def binary(g: Graph) -> None:
    """Arithmetic of two values, or a value and a constant."""
    a = g.pick(is_number)
    same = [v for v in g.values if v.array.dtype == a.array.dtype and _broadcasts(v.array, a.array)]
    b = g.choose(same) if same and g.number(0, 1) else like(g, a)
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
    a = g.pick(is_number)
    low = g.whole((), 1, 4)
    g.node("Div", [a, g.constant(low.astype(a.array.dtype))], exact=None if not a.is_float else False)


def power(g: Graph) -> None:
    """A small power."""
    a = g.pick(both(is_number, lambda value: value.largest <= 20))
    g.node("Pow", [a, g.constant(np.array(g.choose([2, 3])).astype(g.choose([a.array.dtype, *WHOLE])))])


def compare(g: Graph) -> None:
    """A comparison of exact values."""
    a = g.pick(is_exact)
    g.node(g.choose(["Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"]), [a, _exact_like(g, a)], exact=True)


def _exact_like(g: Graph, value: Value) -> Value:
    shape = tuple(g.choose((1, size)) for size in value.array.shape)
    return g.constant(g.numbers(value.array.dtype, shape, exact=True))


def logical(g: Graph) -> None:
    """And, Or, Xor, Not."""
    a = g.pick(lambda value: value.array.dtype == bool)
    op = g.choose(["And", "Or", "Xor", "Not"])
    g.node(op, [a] if op == "Not" else [a, g.constant(g.whole(a.array.shape, 0, 1).astype(bool))])


def where(g: Graph) -> None:
    """A choice by a condition."""
    flag = g.pick(lambda value: value.array.dtype == bool)
    a = g.pick(both(is_number, lambda value: _broadcasts(value.array, flag.array)))
    g.node("Where", [flag, a, like(g, a)])


def clip(g: Graph) -> None:
    """Both bounds, or one."""
    a = g.pick(is_number)
    low, high = (g.constant(np.array(n).astype(a.array.dtype)) for n in ((-2, 3) if is_signed(a) else (1, 3)))
    g.node("Clip", g.choose([[a, low, high], [a, low], [a, None, high]]))


def cast(g: Graph) -> None:
    """To another type; floating-point numbers to integers only where they are whole and in range."""
    a = g.pick(lambda value: value.is_number or value.array.dtype == bool)
    kinds = [*FLOATS, *(kind for kind in (*INTEGERS, np.bool_) if _holds(np.dtype(kind), a))]
    g.node("Cast", [a], to=helper.np_dtype_to_tensor_dtype(np.dtype(g.choose(kinds))))


def _holds(kind: np.dtype[Any], value: Value) -> bool:
    """Whether a cast to an integer type is defined: bits are cut off an integer, but not off a fraction."""
    if not value.is_float or kind.kind == "b":
        return value.exact or not value.is_float
    limits = np.iinfo(kind)
    return value.exact and limits.min <= -value.largest and value.largest <= limits.max


# ---- movement --------------------------------------------------------------------------------------------------------


def transpose(g: Graph) -> None:
    """Any permutation."""
    a = g.pick(has_rank(2))
    order = list(range(a.array.ndim))
    for index in range(len(order) - 1):
        other = g.number(index, len(order) - 1)
        order[index], order[other] = order[other], order[index]
    g.node("Transpose", [a], perm=order)


def reshape(g: Graph) -> None:
    """Two axes become one, one becomes two, or the shape is computed from the input's shape."""
    a = g.pick(has_rank(1))
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
    a = g.pick(has_rank(1))
    ones = [axis for axis, size in enumerate(a.array.shape) if size == 1]
    if ones and g.number(0, 1):
        g.node("Squeeze", [a, g.ints(g.choose(ones))])
    else:
        g.node("Unsqueeze", [a, g.ints(g.number(-a.array.ndim - 1, a.array.ndim))])


def cut(g: Graph) -> None:
    """A slice with any start, end and step."""
    a = g.pick(has_rank(1))
    axis = g.number(-a.array.ndim, a.array.ndim - 1)
    size = a.array.shape[axis]
    start, end = g.number(-size - 1, size), g.choose([size, -1, 2**31 - 1, g.number(-size, size + 1)])
    step = g.choose([1, 1, 2, -1, -2])
    if step < 0:
        end = g.choose([-(2**31), 0])
    g.node("Slice", [a, g.ints(start), g.ints(end), g.ints(axis), g.ints(step)])


def concat(g: Graph) -> None:
    """A value with itself, another one or a constant."""
    a = g.pick(has_rank(1))
    axis = g.number(-a.array.ndim, a.array.ndim - 1)
    shape = list(a.array.shape)
    shape[axis] = g.number(1, 3)
    more = a if a.array.dtype == bool or g.number(0, 1) else like(g, a, tuple(shape))
    g.node("Concat", [a, more, a][: g.number(2, 3)], axis=axis)


def split(g: Graph) -> None:
    """Two parts of given sizes."""
    a = g.pick(has_rank(1))
    axis = g.number(0, a.array.ndim - 1)
    first = g.number(0, a.array.shape[axis])
    g.node("Split", [a, g.ints(first, a.array.shape[axis] - first)], 2, axis=axis)


def gather(g: Graph) -> None:
    """Elements by constant indices, negative ones too."""
    a = g.pick(has_rank(1))
    axis = g.number(-a.array.ndim, a.array.ndim - 1)
    size = a.array.shape[axis]
    if not size:
        raise Refused
    shape = g.choose([(), (2,), (1, 3)])
    g.node("Gather", [a, g.constant(g.whole(shape, -size, size - 1))], axis=axis)


def gather_elements(g: Graph) -> None:
    """One index for each element."""
    a = g.pick(has_rank(1))
    axis = g.number(0, a.array.ndim - 1)
    size = a.array.shape[axis]
    if not a.array.size:
        raise Refused
    g.node("GatherElements", [a, g.constant(g.whole(a.array.shape, -size, size - 1))], axis=axis)


def scatter(g: Graph) -> None:
    """Rows written over, or added to; elements of an axis."""
    a = g.pick(both(has_rank(1), is_number, has_elements))
    row = g.number(-a.array.shape[0], a.array.shape[0] - 1)
    how = g.choose(["none", "add", "max", "min", "mul"])
    if g.number(0, 1):
        g.node("ScatterND", [a, g.constant(np.array([[row]])), like(g, a, (1, *a.array.shape[1:]))], reduction=how)
    else:
        places = g.constant(np.full((1, *a.array.shape[1:]), row))
        g.node("ScatterElements", [a, places, like(g, a, places.array.shape)], axis=0, reduction=how)


def pad(g: Graph) -> None:
    """Every mode."""
    a = g.pick(both(has_rank(1), is_number))
    mode = g.choose(["constant", "edge", "reflect", "wrap"])
    most = 2 if mode == "constant" else min(a.array.shape) - 1
    if mode != "constant" and most < 1:
        raise Refused
    amounts = [g.number(-(mode == "constant"), min(most, 2)) for _ in range(2 * a.array.ndim)]
    g.node("Pad", [a, g.ints(*amounts)], mode=mode)


def repeat(g: Graph) -> None:
    """Tile and Expand."""
    a = g.pick(has_rank(1))
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
    a = g.pick(both(has_rank(1), lambda value: value.exact))
    if g.number(0, 1):
        g.node("NonZero", [a], exact=True)
    else:
        size = a.array.shape[0]
        g.node("Compress", [a, g.constant(g.whole((size,), 0, 1).astype(bool))], axis=0)


def order(g: Graph) -> None:
    """Largest elements and their places, of exact values without equal ones among them where places are asked for."""
    a = g.pick(both(has_rank(1), is_exact, lambda value: value.array.shape[-1] > 0))
    way = g.number(0, 2)
    if way == 2:
        g.node("Unique", [a], g.number(1, 4), exact=True)
    elif way:
        g.node("TopK", [a, g.ints(g.number(1, a.array.shape[-1]))], 2, axis=-1, largest=g.number(0, 1))
    else:
        g.node(g.choose(["ArgMax", "ArgMin"]), [a], axis=-1, keepdims=g.number(0, 1), exact=True)


def total(g: Graph) -> None:
    """Running sums."""
    a = g.pick(both(has_rank(1), is_number))
    axis = g.constant(np.array(g.number(-a.array.ndim, a.array.ndim - 1)))
    g.node("CumSum", [a, axis], reverse=g.number(0, 1), exclusive=g.number(0, 1))


def rearrange(g: Graph) -> None:
    """Triangles, diagonals and blocks."""
    a = g.pick(has_rank(2))
    op = g.choose(["Trilu", "EyeLike", "DepthToSpace", "SpaceToDepth"])
    if op == "Trilu":
        g.node(op, [a, g.constant(np.array(g.number(-2, 2)))], upper=g.number(0, 1))
    elif op == "EyeLike":
        g.node(op, [g.pick(has_rank(2, 2))], exact=True, k=g.number(-1, 1))
    else:
        fits = (lambda s: s[1] % 4 == 0) if op == "DepthToSpace" else (lambda s: s[2] % 2 == s[3] % 2 == 0)
        a = g.pick(both(has_rank(4, 4), has_elements, lambda value: fits(value.array.shape)))
        g.node(op, [a], blocksize=2, mode=g.choose(["DCR", "CRD"]) if op == "DepthToSpace" else None)


def remainder(g: Graph) -> None:
    """Both kinds of remainder, of integers."""
    a = g.pick(is_exact)
    b = g.constant(np.array(g.choose([2, 3, -2, -3] if is_signed(a) else [2, 3])).astype(a.array.dtype))
    g.node("Mod", [a, b], fmod=1 if a.is_float else g.number(0, 1))


def fill(g: Graph) -> None:
    """A constant of a shape that the graph computes, and one element in each row."""
    a = g.pick(has_rank(1))
    (shape,) = g.node("Shape", [a], exact=True)
    if g.number(0, 1):
        g.node("ConstantOfShape", [shape], exact=True)
    else:
        index = g.pick(both(is_exact, lambda value: value.array.dtype in WHOLE))
        values = g.constant(np.array([g.number(-1, 1), 2], np.float32))
        g.node("OneHot", [index, g.constant(np.array(g.number(1, 4))), values], axis=g.choose([-1, 0]))


def bits(g: Graph) -> None:
    """Bitwise arithmetic of integers, and shifts of unsigned ones."""
    a = g.pick(lambda value: value.is_integer)
    op = g.choose(["BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "BitShift"])
    more = [] if op == "BitwiseNot" else [g.constant(np.array(g.number(0, 3)).astype(a.array.dtype))]
    g.node(op, [a, *more], direction=g.choose(["LEFT", "RIGHT"]) if op == "BitShift" else None)


def several(g: Graph) -> None:
    """Operators of any number of inputs."""
    a = g.pick(is_number)
    op = g.choose(["Max", "Min", "Sum", "Mean"])
    g.node(op, [a, like(g, a), like(g, a)][: g.number(1, 3)], exact=False if op == "Mean" else None)


def gather_nd(g: Graph) -> None:
    """Elements or rows by tuples of indices."""
    a = g.pick(both(has_rank(1), has_elements))
    depth = g.number(1, min(2, a.array.ndim))
    columns = [g.whole((2, 1), -size, size - 1) for size in a.array.shape[:depth]]
    g.node("GatherND", [a, g.constant(np.concatenate(columns, axis=1))])


OPERATORS: tuple[Add, ...] = (
    unary, binary, transpose, reshape, steep, positive, steps, divide, power, compare, logical, where, clip, cast, axes,
    cut, concat, split, gather, gather_elements, scatter, pad, repeat, shape_of, nonzero, order, total, rearrange,
    remainder, fill, bits, several, gather_nd,
)  # fmt: skip
"""Simpler ones first: hypothesis shrinks towards them."""
