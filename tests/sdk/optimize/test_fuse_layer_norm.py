"""Written-out layer norms and RMS norms become one layer; other axes and shapes do not."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.optimize.fuse_layer_norm import fuse_layer_norm
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

RNG = np.random.default_rng(0)


def _norm(net: ew.Network, *, centered: bool, form: str, axis: int = -1, keepdims: bool = True) -> ew.Tensor:
    x = net.input("x", FLOAT, ("N", 6, 6))
    axes = net.constant(np.array([axis]))
    d = net.sub(x, net.reduce_mean(x, axes)) if centered else x
    square = net.mul(d, d) if form == "product" else net.pow(d, net.constant(np.float32(2)))
    mean = net.reduce_mean(square, axes, keepdims=keepdims)
    root = net.sqrt(net.add(mean, net.constant(np.float32(1e-5))))
    plain = net.mul(d, net.reciprocal(root)) if form == "reciprocal" else net.div(d, root)
    scaled = net.mul(plain, net.constant(RNG.standard_normal(6).astype(np.float32)))
    return net.add(scaled, net.constant(RNG.standard_normal(6).astype(np.float32))) if centered else scaled


@pytest.mark.parametrize("form", ["power", "product", "reciprocal"])
@pytest.mark.parametrize("centered", [True, False])
def test_forms(centered: bool, form: str) -> None:
    net = ew.Network()
    net.output("y", _norm(net, centered=centered, form=form))
    changes, after = rewrite(net, fuse_layer_norm)
    assert changes == 1
    assert operators(after) == ["LayerNormalization" if centered else "RMSNormalization"]


def test_other_axes_are_left() -> None:
    net = ew.Network()
    net.output("y", _norm(net, centered=True, form="power", axis=1))
    assert rewrite(net, fuse_layer_norm)[0] == 0
