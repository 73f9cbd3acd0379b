"""The operators of random graphs with graphs inside or steps in time: If, Loop, Scan, LSTM, GRU, RNN; and all."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from tests.conformance import random_layers, random_operators
from tests.conformance.random_graphs import Graph, Refused, Value
from tests.conformance.random_operators import Add, below, both, has_elements, has_rank, is_exact, is_float, is_number

MAX_CARRIED = 3
DEEPEST = 2


def choice(g: Graph) -> None:
    """If: two branches that read values from outside and give tensors of one type, one perhaps twice as long."""
    a = g.pick(is_number)
    (total,) = g.node("ReduceSum", [g.pick(both(is_exact, is_float))], keepdims=0)
    (flag,) = g.node("Greater", [total, g.constant(np.zeros(()).astype(total.array.dtype))], exact=True)
    branches, exact = [], True
    for side in ("then", "else"):
        inner = _nested(g, side)
        inner.node(g.choose(["Relu", "Neg", "Abs", "Identity"]), [a])
        _grow(inner, g.number(0, 2))
        (result,) = inner.node("Mul", [a, inner.constant(np.array(2).astype(a.array.dtype))])
        if side == "else" and a.array.ndim and g.number(0, 1):
            (result,) = inner.node("Concat", [result, a], axis=0)
        exact &= result.exact
        branches.append(_graph(inner, [], [result]))
    g.node("If", [flag], exact=exact, then_branch=branches[0], else_branch=branches[1])


def loop(g: Graph) -> None:
    """Loop: a carried tensor that may grow, a value from outside, an end that the body finds, one stacked output."""
    a = g.pick(both(is_number, lambda value: value.largest <= 10 and value.array.ndim <= MAX_CARRIED))
    inner = _nested(g, "body")
    names = [f"{inner.prefix}{name}" for name in ("i", "cond", "state")]
    arrays = np.array(0), np.array(True), a.array
    index, cond, carried = map(Value, names, arrays, (True, True, a.exact))
    inner.values += [index, cond, carried]
    grows = bool(a.array.ndim and g.number(0, 1))
    if grows:
        (after,) = inner.node("Concat", [carried, a], axis=g.number(0, a.array.ndim - 1))
    else:
        (after,) = inner.node(g.choose(["Add", "Sub", "Max"]), [carried, a])
    _grow(inner, g.number(0, 2))
    (again,) = inner.node("Less", [index, inner.constant(np.array(g.number(0, 3)))], exact=True)
    (row,) = inner.node("ReduceMax" if grows else "Identity", [after], **({"keepdims": 0} if grows else {}))
    trips = g.choose([None, g.constant(np.array(g.number(1, 3)))])
    body = _graph(inner, _infos(inner.values[:3]), [again, after, row])
    g.node("Loop", [trips, g.choose([None, g.constant(np.array(True))]), a], 2, exact=a.exact, body=body)


def scan(g: Graph) -> None:
    """Scan: along an axis of a value, forwards or backwards, with a state and a stacked output."""
    a = g.pick(both(is_number, has_rank(1, 4), has_elements, lambda value: value.largest <= 10))
    axis = g.number(0, a.array.ndim - 1)
    first = g.constant(g.numbers(a.array.dtype, np.delete(a.array.shape, axis), exact=True))
    inner = _nested(g, "scan")
    state = Value(f"{inner.prefix}state", first.array, True)
    element = Value(f"{inner.prefix}element", np.take(a.array, 0, axis), a.exact)
    inner.values += [state, element]
    (after,) = inner.node(g.choose(["Add", "Sub", "Max"]), [state, element])
    _grow(inner, g.number(0, 2))
    (row,) = inner.node(g.choose(["Identity", "Neg", "Abs"]), [after])
    body = _graph(inner, _infos(inner.values[:2]), [after, row])
    g.node("Scan", [first, a], 2, exact=a.exact, num_scan_inputs=1, scan_input_axes=[axis], body=body,
           scan_input_directions=[g.number(0, 1)], scan_output_directions=[g.number(0, 1)],
           scan_output_axes=[g.number(0, a.array.ndim - 1)])  # fmt: skip


def recurrent(g: Graph) -> None:
    """LSTM, GRU and RNN: any direction, with or without bias, lengths, states and peepholes."""
    a = g.pick(both(has_rank(3, 3), below(20), has_elements))
    op = g.choose(["LSTM", "GRU", "RNN"])
    gates, hidden = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], g.number(1, 4)
    direction = g.choose(["forward", "reverse", "bidirectional"])
    count, (steps, batch, width) = 1 + (direction == "bidirectional"), a.array.shape

    def weights(*shape: int) -> Value:
        return g.constant((g.real((count, *shape)) * 0.3).astype(a.array.dtype), exact=False)

    lengths = g.constant(g.whole((batch,), 1, steps).astype(np.int32))
    optional = [weights(2 * gates * hidden), lengths, weights(batch, hidden)]
    if op == "LSTM":
        optional += [weights(batch, hidden), weights(3 * hidden)]
    inputs = [a, weights(gates * hidden, width), weights(gates * hidden, hidden)]
    inputs += [item if g.number(0, 1) else None for item in optional]
    more = {"linear_before_reset": g.number(0, 1)} if op == "GRU" else {}
    g.node(op, inputs, 3 if op == "LSTM" else 2, exact=False, hidden_size=hidden, direction=direction, **more)


def _nested(g: Graph, side: str) -> Graph:
    if g.depth >= DEEPEST:
        raise Refused
    return Graph(g.draw, g.opset, f"{g.name()}_{side}_", (*g.outer, *g.values), g.depth + 1)


def _infos(values: list[Value]) -> list[onnx.ValueInfoProto]:
    """The inputs of a nested graph; a tensor with axes may change its shape from step to step."""
    return [
        helper.make_tensor_value_info(
            value.name, helper.np_dtype_to_tensor_dtype(value.array.dtype), None if value.array.ndim else []
        )
        for value in values
    ]


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
    *random_operators.OPERATORS, *random_layers.OPERATORS, choice, loop, scan, recurrent,
)  # fmt: skip
"""Simpler ones first: hypothesis shrinks towards them."""
