"""Layers on halves run in float32 and round once; their numbers stay what the references say."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.optimize.widen_halves import widen_halves
from tests.sdk.optimize.rewriting import operators, rewrite

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [ew.float16, ew.bfloat16])
def test_products_and_convolutions(dtype: ew.DataType) -> None:
    net = ew.Network()
    x = net.input("x", dtype, (2, 4, 6))
    weight = net.constant(RNG.standard_normal((6, 6)).astype(dtype.numpy))
    kernel = net.constant(RNG.standard_normal((3, 4, 3)).astype(dtype.numpy))
    net.output("y", net.conv(net.matmul(x, weight), kernel))
    changes, after = rewrite(net, widen_halves, 1e-2)
    assert changes == 2
    assert operators(after).count("Cast") == 6
    assert all(layer.outputs[0].dtype is ew.float32 for layer in after.layers if layer.key.name in ("Conv", "MatMul"))


def test_float32_layers_are_left() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (2, 4))
    net.output("y", net.matmul(x, net.constant(np.eye(4, dtype=np.float32))))
    assert rewrite(net, widen_halves)[0] == 0
