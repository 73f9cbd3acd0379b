"""Makes one layer of a layer norm or RMS norm that an exporter wrote out with means, powers and roots."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.patterns import AnyTensor, Match, Node, Number, find, node, replace_match, sources
from enginewright.tensors import normalize_axis

X, AXES, AXES2, SCALE, SHIFT = (
    AnyTensor("x"),
    AnyTensor("axes"),
    AnyTensor("axes2"),
    AnyTensor("scale"),
    AnyTensor("shift"),
)
EPSILON = Number(None, "epsilon")


def _roots(mean: Node) -> tuple[Node, ...]:
    """1 / sqrt(mean + epsilon), and what x is divided by, in the ways in which it is written."""
    root = node("Sqrt", node("Add", mean, EPSILON))
    return (node("Reciprocal", root), node("Div", Number(1), root))


def _normalized(x: Node | AnyTensor) -> list[Node]:
    """x / sqrt(mean(x^2) + epsilon)."""
    found: list[Node] = []
    for square in (node("Pow", x, Number(2)), node("Mul", x, x)):
        mean = node("ReduceMean", square, AXES, name="mean")
        found += [node("Mul", x, inverse) for inverse in _roots(mean)]
        found.append(node("Div", x, node("Sqrt", node("Add", mean, EPSILON))))
    return found


CENTERED = node("Sub", X, node("ReduceMean", X, AXES2, name="center"))
LAYER_NORMS = [node("Add", node("Mul", plain, SCALE), SHIFT) for plain in _normalized(CENTERED)]
RMS_NORMS = [node("Mul", plain, SCALE) for plain in _normalized(X)]


def fuse_layer_norm(network: Network) -> int:
    """Replace written-out norms over the last axes; the number replaced. Layer norm: Ba et al., arXiv 1607.06450."""
    found = 0
    for pattern in (*LAYER_NORMS, *RMS_NORMS):
        for match in find(network, pattern):
            axis = _axis(match)
            if axis is not None and _fits(match, axis):
                _replace(network, match, axis)
                found += 1
    return found


def _axis(match: Match) -> int | None:
    """The first of the reduced axes, if they are the last ones and the same in both means."""
    rank = match.tensors["x"].rank
    starts = set()
    for mean, axes in (("mean", "axes"), ("center", "axes2")):
        if mean not in match.tensors:
            continue
        values = match.tensors[axes].spec.constants()
        layer = match.tensors[mean].producer
        if values is None or layer is None or not _keeps(layer):
            return None
        reduced = sorted(normalize_axis(axis, rank) for axis in values)
        if not reduced or reduced != list(range(reduced[0], rank)):
            return None
        starts.add(reduced[0])
    return starts.pop() if len(starts) == 1 else None


def _keeps(layer: Layer) -> bool:
    return bool(layer.op.keepdims)


def _fits(match: Match, axis: int) -> bool:
    """Scale and shift have exactly the shape of the normalized axes."""
    shape = match.tensors["x"].shape[axis:]
    given = [match.tensors[name] for name in ("scale", "shift") if name in match.tensors]
    return all(tensor.const is not None and tensor.shape == shape for tensor in given)


def _replace(network: Network, match: Match, axis: int) -> None:
    x, scale = match.tensors["x"], match.tensors["scale"]
    with network.at(match.layers[0], sources=sources(match)):
        made: Tensor
        if "shift" in match.tensors:
            made = network.layer_normalization(
                x, scale, match.tensors["shift"], axis=axis - x.rank, epsilon=match.number("epsilon")
            )[0]
        else:
            made = network.rms_normalization(x, scale, axis=axis - x.rank, epsilon=match.number("epsilon"))
    replace_match(network, match, made)
