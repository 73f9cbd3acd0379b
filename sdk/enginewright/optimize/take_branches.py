"""Puts the branch that an If always takes in the place of the If, where its condition is known while building."""

from __future__ import annotations

from dataclasses import replace

from enginewright.dims import Atom, Dim, Size
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.size_substitution import with_sizes


def take_branches(network: Network) -> int:
    """Replace Ifs with known conditions, as they become known when a profile fixes sizes; the number of Ifs."""
    taken = 0
    for layer in list(network.layers):
        known = layer.inputs[0].spec.constants() if layer.kind == "If" and layer.inputs[0] is not None else None
        if known is not None:
            _take(network, layer, layer.op.then_branch if known[0] else layer.op.else_branch)
            taken += 1
    return taken


def _take(network: Network, layer: Layer, branch: Network) -> None:
    """Add the layers of a branch to the network around it, and let them read what it captured."""
    captured = layer.inputs[1:] + [None] * (len(branch.inputs) + 1 - len(layer.inputs))
    outside: dict[Tensor, Tensor | None] = dict(zip(branch.inputs, captured, strict=True))
    uids = {inside.spec.uid: given.spec.uid for inside, given in outside.items() if given is not None}

    def renamed(atom: Atom) -> Size | None:
        """A read of a tensor inside as one of the tensor that stands for it outside."""
        uid = uids.get(atom.args[0]) if atom.kind in ("value", "data") and isinstance(atom.args[0], int) else None
        return None if uid is None else Dim.from_terms({(replace(atom, args=(uid, *atom.args[1:])),): 1})

    for inner in branch.layers:
        with network.at(layer, sources=inner.sources or layer.sources):
            inputs = [_outside(tensor, outside) for tensor in inner.inputs]
            made = network.add(with_sizes(inner.op, renamed), *inputs, name=inner.name)
        for tensor, new in zip(inner.outputs, made, strict=True):
            outside[tensor], uids[tensor.spec.uid] = new, new.spec.uid
            new.name = tensor.name
    for old, (_, tensor) in zip(layer.outputs, branch.outputs, strict=True):
        given = _outside(tensor, outside)
        assert given is not None  # the If gives it
        network.replace(old, given)
    network.remove([layer])


def _outside(tensor: Tensor | None, known: dict[Tensor, Tensor | None]) -> Tensor | None:
    """What a tensor of the branch is outside; a constant is copied, as its readers are other layers there."""
    if tensor is not None and tensor not in known:
        known[tensor] = Tensor(tensor.name, tensor.spec, None, tensor.const)
    return None if tensor is None else known[tensor]
