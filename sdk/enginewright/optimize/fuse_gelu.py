"""Makes one layer of a GELU that an exporter wrote out with Erf or Tanh."""

from __future__ import annotations

from enginewright.graph.network import Network
from enginewright.graph.patterns import AnyTensor, Node, Number, find, node, replace_match, sources

X = AnyTensor("x")
ERF_TERMS = (
    node("Add", node("Erf", node("Div", X, Number(1.4142135))), Number(1)),
    node("Add", node("Erf", node("Mul", X, Number(0.70710677))), Number(1)),
)
CUBES = (node("Pow", X, Number(3)), node("Mul", node("Mul", X, X), X))
POLYNOMIALS = tuple(node("Add", X, node("Mul", cube, Number(0.044715))) for cube in CUBES)
TANH_TERMS = tuple(node("Add", node("Tanh", node("Mul", p, Number(0.7978846))), Number(1)) for p in POLYNOMIALS)


def _products(term: Node) -> tuple[Node, ...]:
    """x * term / 2, in each order in which it is written."""
    half = Number(0.5)
    return (
        node("Mul", node("Mul", X, term), half),
        node("Mul", node("Mul", X, half), term),
        node("Mul", X, node("Mul", term, half)),
    )


PATTERNS = [(pattern, "none") for term in ERF_TERMS for pattern in _products(term)]
PATTERNS += [(pattern, "tanh") for term in TANH_TERMS for pattern in _products(term)]


def fuse_gelu(network: Network) -> int:
    """Replace each written-out GELU; the number replaced. Formulas: Hendrycks and Gimpel, arXiv 1606.08415."""
    found = 0
    for pattern, approximate in PATTERNS:
        for match in find(network, pattern):
            with network.at(match.layers[0], sources=sources(match)):
                made = network.gelu(match.tensors["x"], approximate=approximate)
            replace_match(network, match, made)
            found += 1
    return found
