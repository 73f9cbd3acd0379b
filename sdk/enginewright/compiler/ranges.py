"""Finds which numbers an integer input may hold: indices must lie inside the tables that they look up."""

from __future__ import annotations

from collections.abc import Iterator

from enginewright.graph.network import Layer, Network, Tensor

TRANSPARENT = frozenset(
    {
        "Cast",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Transpose",
        "Expand",
        "Slice",
        "Split",
        "Concat",
        "Tile",
        "Clip",
        "Where",
    }
)
"""Operators behind which an index is still an index."""


def index_limits(network: Network) -> dict[str, int]:
    """For each input whose elements become indices of a Gather: the size of the smallest axis that they index."""
    names = {id(tensor): {tensor.name} for tensor in network.inputs}
    found: dict[str, int] = {}
    for layer in network.layers:
        reached = set().union(*(names.get(id(tensor), set()) for tensor in layer.inputs))
        if layer.kind in TRANSPARENT:
            names.update({id(output): reached for output in layer.outputs})
        for tensor, size in _looked_up(layer):
            for name in names.get(id(tensor), ()):
                found[name] = min(size, found.get(name, size))
    return found


def _looked_up(layer: Layer) -> Iterator[tuple[Tensor, int]]:
    """The indices that a layer reads, with the number of entries of its table."""
    if layer.kind in {"Gather", "GatherElements"}:
        table, indices = layer.inputs[:2]
        if table is not None and indices is not None:
            size = table.shape[layer.op.axis] if table.rank else 1
            if isinstance(size, int):
                yield indices, size
