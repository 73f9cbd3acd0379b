"""Makes one layer of attention that an exporter wrote out: two products with a softmax between them.

Queries and keys may be scaled before the product instead of the scores; a constant mask that hides exactly what comes
later is no input, but a property of the layer.
"""

from __future__ import annotations

import numpy as np

from enginewright.dims import Size
from enginewright.graph.network import Network, Tensor
from enginewright.graph.patterns import AnyTensor, Match, Number, find, node, replace_match, sources
from enginewright.ops.attention import Attention
from enginewright.tensors import float32

Q, KT, V, MASK = (AnyTensor(name) for name in ("q", "kt", "v", "mask"))
SCORES = node("MatMul", Q, KT)
SCALED = node("Mul", SCORES, Number(None, "scale"))
DIVIDED = node("Div", SCORES, Number(None, "divisor"))
HIDDEN = -1e30
"""A score that this is added to has a weight of exactly 0 beside any other."""
PATTERNS = tuple(
    node("MatMul", node("Softmax", masked, name="weights"), V)
    for scores in (SCALED, DIVIDED, SCORES)
    for masked in (node("Add", scores, MASK), scores)
)


def fuse_attention(network: Network) -> int:
    """Replace softmax(q k' * scale + mask) v over the last two of four axes; the number replaced."""
    found = 0
    for pattern in PATTERNS:
        for match in find(network, pattern):
            if _fits(match):
                _replace(network, match)
                found += 1
    return found


def _fits(match: Match) -> bool:
    q, kt, v = (match.tensors[name] for name in ("q", "kt", "v"))
    softmax = match.tensors["weights"].producer
    if softmax is None or softmax.op.axis not in (-1, 3):
        return False
    if any(tensor.rank != 4 or tensor.dtype is not float32 for tensor in (q, kt, v)):
        return False
    if not q.shape[:2] == kt.shape[:2] == v.shape[:2] or kt.shape[3] != v.shape[2]:
        return False
    mask = match.tensors.get("mask")
    return mask is None or _broadcasts(mask, (*q.shape[:3], kt.shape[3]))


def _broadcasts(mask: Tensor, shape: tuple[Size, ...]) -> bool:
    """Whether the mask has, counted from the last axis, the sizes of the scores or 1."""
    return mask.rank <= 4 and all(a in (1, b) for a, b in zip(mask.shape[::-1], shape[::-1], strict=False))


def _replace(network: Network, match: Match) -> None:
    scale = match.number("scale") if "scale" in match.tensors else 1.0
    if "divisor" in match.tensors:
        scale = 1.0 / match.number("divisor")
    q, q_scale = _unscaled(match.tensors["q"])
    kt, k_scale = _unscaled(match.tensors["kt"])
    mask = match.tensors.get("mask")
    causal = mask is not None and _is_causal(mask, q.shape[2], kt.shape[3])
    op = Attention(scale=scale * q_scale * k_scale, is_causal=causal)
    with network.at(match.layers[0], sources=sources(match)):
        k = network.transpose(kt, perm=(0, 1, 3, 2))
        (made,) = network.add(op, q, k, match.tensors["v"], None if causal else mask)
    replace_match(network, match, made)


def _unscaled(tensor: Tensor) -> tuple[Tensor, float]:
    """What a tensor is a multiple of, and the positive number that it is multiplied by."""
    layer = tensor.producer
    if layer is None or layer.kind != "Mul":
        return tensor, 1.0
    for x, factor in (layer.inputs, layer.inputs[::-1]):
        number = None if factor is None or factor.const is None or factor.const.size != 1 else factor.const.item()
        if x is not None and number is not None and number > 0 and x.shape == tensor.shape:
            return x, float(number)
    return tensor, 1.0


def _is_causal(mask: Tensor, queries: Size, keys: Size) -> bool:
    """Whether a constant mask hides all later keys, beyond what any score makes up for, and nothing else."""
    if mask.const is None or queries != keys or mask.shape[-2:] != (queries, keys) or mask.const.size != queries * keys:
        return False
    rows = mask.const.reshape(mask.const.shape[-2:])
    later = np.triu(np.ones(rows.shape, bool), 1)
    return bool((rows[later] <= HIDDEN).all() and (rows[~later] == 0).all())
