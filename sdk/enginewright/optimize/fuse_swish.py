"""Makes one layer of a Swish (SiLU) that an exporter wrote out with Sigmoid."""

from __future__ import annotations

from enginewright.graph.network import Network
from enginewright.graph.patterns import AnyTensor, find, node, replace_match, sources

X = AnyTensor("x")
PATTERN = node("Mul", X, node("Sigmoid", X))


def fuse_swish(network: Network) -> int:
    """Replace x * sigmoid(x); the number replaced."""
    found = 0
    for match in find(network, PATTERN):
        with network.at(match.layers[0], sources=sources(match)):
            made = network.swish(match.tensors["x"])
        replace_match(network, match, made)
        found += 1
    return found
