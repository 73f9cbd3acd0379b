"""Written-out attention becomes one layer, with scale, divisor and mask; what does not fit is left."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.fuse_attention import fuse_attention
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def _attention(net: ew.Network, mask: str, scale: str, axis: int = -1) -> ew.Tensor:
    q, k, v = (net.input(name, FLOAT, ("B", 2, size, 8)) for name, size in (("q", 5), ("k", 7), ("v", 7)))
    scores = net.matmul(q, net.transpose(k, perm=(0, 1, 3, 2)))
    if scale:
        number = net.constant(np.float32(0.3 if scale == "mul" else 2.5))
        scores = net.mul(scores, number) if scale == "mul" else net.div(scores, number)
    if mask:
        shape = {"full": ("B", 2, 5, 7), "keys": (7,), "column": (5, 1)}[mask]
        scores = net.add(net.input("mask", FLOAT, shape), scores)
    return net.matmul(net.softmax(scores, axis=axis), v)


@pytest.mark.parametrize("mask", ["", "full", "keys", "column"])
@pytest.mark.parametrize("scale", ["", "mul", "div"])
def test_forms(mask: str, scale: str) -> None:
    net = ew.Network()
    net.output("y", _attention(net, mask, scale))
    changes, after = rewrite(net, lambda n: fuse_attention(n) + 0 * eliminate_dead(n))
    assert changes == 1
    assert operators(after)[-1] == "Attention"
    assert "Softmax" not in operators(after)


def test_another_softmax_axis_or_weights_that_others_read_are_left() -> None:
    net = ew.Network()
    net.output("y", _attention(net, "", "mul", axis=2))
    assert rewrite(net, fuse_attention)[0] == 0
    net = ew.Network()
    y = _attention(net, "", "mul")
    net.output("y", y)
    assert y.producer is not None
    assert y.producer.inputs[0] is not None
    net.output("weights", y.producer.inputs[0])
    assert rewrite(net, fuse_attention)[0] == 0


def _scaled_before(net: ew.Network, size: int = 7) -> tuple[ew.Tensor, ew.Tensor, ew.Tensor]:
    q, k, v = (net.input(name, FLOAT, (2, 2, size, 8)) for name in "qkv")
    factor = net.constant(np.full(1, 0.6, np.float32))
    return net.mul(q, factor), net.mul(net.transpose(k, perm=(0, 1, 3, 2)), factor), v


def test_scales_of_queries_and_keys_become_the_scale() -> None:
    net = ew.Network()
    q, kt, v = _scaled_before(net)
    net.output("y", net.matmul(net.softmax(net.matmul(q, kt)), v))
    changes, after = rewrite(net, lambda n: fuse_attention(n) + 0 * eliminate_dead(n))
    assert changes == 1
    assert "Mul" not in operators(after)
    assert after.layers[-1].op.scale == pytest.approx(0.36)


@pytest.mark.parametrize("hidden", [-np.inf, float(np.finfo(np.float32).min), -1e4])
def test_a_mask_of_what_comes_later(hidden: float) -> None:
    net = ew.Network()
    q, kt, v = _scaled_before(net)
    mask = np.triu(np.full((1, 1, 7, 7), hidden, np.float32), 1)
    net.output("y", net.matmul(net.softmax(net.add(net.matmul(q, kt), net.constant(mask))), v))
    _, after = rewrite(net, lambda n: fuse_attention(n) + 0 * eliminate_dead(n))
    made = after.layers[-1]
    assert made.op.is_causal == (hidden < -1e4)
    assert (len(made.inputs) == 3) == made.op.is_causal


def test_a_mask_that_hides_something_else() -> None:
    net = ew.Network()
    q, kt, v = _scaled_before(net)
    mask = np.triu(np.full((7, 7), -np.inf, np.float32), 2)
    net.output("y", net.matmul(net.softmax(net.add(net.matmul(q, kt), net.constant(mask))), v))
    _, after = rewrite(net, fuse_attention)
    assert not after.layers[-1].op.is_causal
