"""Imports If, Loop and Scan: branches that are known, or that only fix the rank, become part of the network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from enginewright.errors import ModelInvalid
from enginewright.ops.control import join_items, loop_size
from enginewright.ops.sequences import as_optional
from enginewright.registry.onnx_node import NotSupported, OnnxNode, Subgraph
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import DataType, TensorSpec, bool_, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


@onnx_rule("ai.onnx::If", since=1)
def if_(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """A branch that is always taken is put in place; see `_squeezes` for branches of different rank."""
    cond = node.input(0)
    branches = node.graph("then_branch"), node.graph("else_branch")
    _check_outputs(node, *(len(branch.outputs) for branch in branches))
    known = cond.spec.constants()
    if known is not None:
        return tuple(branches[0 if known[0] else 1].inline())
    captures = _together(*branches)
    then_net, else_net = (branch.parse((), captures) for branch in branches)
    pairs = zip(then_net.outputs, else_net.outputs, strict=True)
    if any(a.rank != b.rank for (_, a), (_, b) in pairs):
        return tuple(_specialised(cond, branches, (then_net, else_net)).inline())
    scalar = cond if cond.rank == 0 else net.reshape(cond, net.constant(np.zeros(0, np.int64)))
    return net.if_(scalar, *captures.values(), then_branch=then_net, else_branch=else_net)


def _check_outputs(node: OnnxNode, *counts: int) -> None:
    """Raise if a graph of the node has another number of outputs than the node."""
    for count in counts:
        if count != len(node.outputs):
            message = f"it has {len(node.outputs)} outputs, a graph of it {count}"
            raise ModelInvalid(message, hint="Export the model again.", where=node.where)


def _together(*branches: Subgraph) -> dict[str, Tensor]:
    return {name: tensor for branch in branches for name, tensor in branch.captures.items()}


def _specialised(cond: Tensor, branches: tuple[Subgraph, Subgraph], networks: tuple[Network, Network]) -> Subgraph:
    """The branch to take where the ranks differ.

    PyTorch exports `x.squeeze(axis)` as: if the size is 1 then Squeeze, else x itself. What follows fits one rank
    only. The branch with Squeeze is taken; its check of the size raises `ShapeError` at run time if it isn't 1.
    """
    kinds = [[layer.kind for layer in network.layers] for network in networks]
    for index, other in ((0, 1), (1, 0)):
        if kinds[index] == ["Squeeze"] and kinds[other] in ([], ["Identity"]) and cond.spec.value is not None:
            return branches[index]
    raise NotSupported("its branches give tensors with different numbers of axes")


@onnx_rule("ai.onnx::Loop", since=1)
def loop(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """Sizes of carried values that the body changes become named dimensions of the body."""
    body, carried = node.graph("body"), tuple(node.inputs[2:])
    _check_outputs(node, len(body.outputs) - 1)
    initial = [_given(tensor) for tensor in carried]
    network = _import_body(node, body, [tensor.spec for tensor in initial])
    n_scan = len(network.outputs) - 1 - len(carried)
    trip_count, cond = node.optional(0), node.optional(1)
    captures = body.captures.values()
    return net.loop(trip_count, cond, *initial, *captures, body=network, n_carried=len(carried), n_scan=n_scan)


def _given(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise NotSupported("a carried value has no initial value")
    return tensor


def _import_body(node: OnnxNode, body: Subgraph, carried: list[TensorSpec]) -> Network:
    """Import the body until no carried size changes inside that is not a named dimension of its own."""
    shapes = [list(spec.shape) for spec in carried]
    items = [spec.items for spec in carried]
    while True:
        formal = [
            TensorSpec(spec.dtype, tuple(shape), items=inner)
            for spec, shape, inner in zip(carried, shapes, items, strict=True)
        ]
        network = body.parse((TensorSpec(int64), TensorSpec(bool_), *formal), body.captures)
        _wrap_optionals(network, formal)
        held = [tensor.spec.items for _, tensor in network.outputs[1 : 1 + len(items)]]
        joined = list(map(join_items, items, held))
        changed, items = joined != items, joined
        for index, shape in enumerate(shapes):
            after = network.outputs[1 + index][1].spec
            if after.rank != len(shape):
                raise NotSupported(f"carried value {index} changes its number of axes")
            for axis, size in enumerate(after.shape):
                own = loop_size(node.name, index, axis)
                if size != shape[axis] and shape[axis] != own:
                    shape[axis], changed = own, True
        if not changed:
            return network


def _wrap_optionals(body: Network, carried: list[TensorSpec]) -> None:
    """Let a body that carries an optional give one, where it gives what that holds."""
    for index, spec in enumerate(carried, start=1):
        name, after = body.outputs[index]
        if spec.dtype is DataType.OPTIONAL and after.dtype is not DataType.OPTIONAL:
            body.outputs[index] = name, as_optional(body, after)


@onnx_rule("ai.onnx::Scan", since=9)
def scan(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """A loop over the size of the scanned axes, which takes element after element."""
    body, n_scanned = node.graph("body"), node.integer("num_scan_inputs")
    inputs = [_given(tensor) for tensor in node.inputs]
    states, scanned = inputs[: len(inputs) - n_scanned], inputs[len(inputs) - n_scanned :]
    axes = [axis % x.rank for axis, x in zip(node.integers("scan_input_axes", (0,) * n_scanned), scanned, strict=True)]
    elements = [
        TensorSpec(x.dtype, x.shape[:axis] + x.shape[axis + 1 :]) for x, axis in zip(scanned, axes, strict=True)
    ]
    formal = [TensorSpec(state.dtype, state.shape, items=state.spec.items) for state in states]
    network = body.parse((*formal, *elements), body.captures)
    count = net.gather(net.shape(scanned[0]), net.constant(np.array(axes[0])), axis=0)
    backward = node.integers("scan_input_directions", (0,) * n_scanned)
    _take_elements(
        network, len(states), [(x, axis, back) for x, axis, back in zip(scanned, axes, backward, strict=True)]
    )
    captures = (*body.captures.values(), *scanned, count)
    n_scan = len(network.outputs) - 1 - len(states)
    outputs = net.loop(count, None, *states, *captures, body=network, n_carried=len(states), n_scan=n_scan)
    return (*outputs[: len(states)], *_turned(net, node, outputs[len(states) :]))


def _take_elements(network: Network, n_states: int, scanned: list[tuple[Tensor, int, int]]) -> None:
    """Make a loop's body of a scan's: iteration and condition in front, elements gathered from whole tensors."""
    formal = network.inputs[n_states : n_states + len(scanned)]
    rest = network.inputs[n_states + len(scanned) :]
    states = network.inputs[:n_states]
    network.inputs.clear()
    iteration = network.input("iteration", int64, ())
    network.input("condition", bool_, ())
    network.inputs.extend([*states, *rest])
    wholes = [_capture(network, f"scanned:{index}", x) for index, (x, _, _) in enumerate(scanned)]
    count = network.input("count", int64, ())
    with network.at(network.layers[0] if network.layers else None):
        last = network.sub(network.sub(count, network.constant(np.array(1))), iteration)
        for whole, old, (_, axis, backward) in zip(wholes, formal, scanned, strict=True):
            network.replace(old, network.gather(whole, last if backward else iteration, axis=axis))
    network.outputs.insert(0, ("condition", network.constant(np.array(True))))
    network.infer()


def _capture(network: Network, name: str, tensor: Tensor) -> Tensor:
    made = network.input(name, tensor.dtype, tensor.shape)
    made.spec = replace(made.spec, items=tensor.spec.items)
    return made


def _turned(net: Network, node: OnnxNode, stacked: tuple[Tensor, ...]) -> list[Tensor]:
    """Stacked outputs in the direction and along the axis that the node asks for."""
    count = len(stacked)
    axes, backward = (
        node.integers("scan_output_axes", (0,) * count),
        node.integers("scan_output_directions", (0,) * count),
    )
    found = []
    for tensor, axis, back in zip(stacked, axes, backward, strict=True):
        turned = tensor
        if back:
            ends = [net.constant(np.array([end])) for end in (-1, np.iinfo(np.int64).min, 0, -1)]
            turned = net.slice(tensor, *ends)
        at = axis % tensor.rank
        order = (*range(1, at + 1), 0, *range(at + 1, tensor.rank))
        found.append(net.transpose(turned, perm=order) if at else turned)
    return found
