"""Makes one layer of a channel shuffle that exporters write as a reshape, a transpose and a reshape back."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network
from enginewright.ops.channel_shuffle import ChannelShuffle


def find_shuffles(network: Network) -> int:
    """Replace reshapes of [N, C, ...] to [N, groups, C / groups, ...], the two axes swapped, and back; the number."""
    found = 0
    for layer in list(network.layers):
        chain = _shuffle(network, layer)
        if chain is None:
            continue
        first, _, last = chain
        groups = first.outputs[0].shape[1]
        assert isinstance(groups, int)
        sources = dict.fromkeys(source for part in chain for source in part.sources)
        with network.at(last, sources=sources):
            made = network.add(ChannelShuffle(groups), first.inputs[0])[0]
        made.name = last.outputs[0].name
        network.replace(last.outputs[0], made)
        network.remove(reversed(chain))
        found += 1
    return found


def _shuffle(network: Network, last: Layer) -> tuple[Layer, Layer, Layer] | None:
    """The three layers, if each is read by the next one alone and nothing but the channels is moved."""
    turn = last.inputs[0].producer if last.kind == "Reshape" and last.inputs[0] is not None else None
    first = turn.inputs[0].producer if turn is not None and turn.inputs[0] is not None else None
    if turn is None or first is None or turn.kind != "Transpose" or first.kind != "Reshape":
        return None
    if network.sole_reader(first.outputs[0]) is not turn or network.sole_reader(turn.outputs[0]) is not last:
        return None
    x, seen = first.inputs[0], first.outputs[0].shape
    if x is None or x.rank < 3 or x.shape != last.outputs[0].shape or len(seen) != x.rank + 1:
        return None
    swapped = (0, 2, 1, *range(3, len(seen)))
    if turn.op.perm is None or tuple(axis % len(seen) for axis in turn.op.perm) != swapped:
        return None
    known = all(isinstance(size, int) for size in (*seen[1:3], x.shape[1]))
    return (first, turn, last) if known and seen[0] == x.shape[0] and seen[3:] == x.shape[2:] else None
