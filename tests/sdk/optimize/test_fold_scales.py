"""Products and sums by channel go into the weights of the convolution before them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.graph.network import Network
from enginewright.optimize.fold_scales import fold_scales
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

RNG = np.random.default_rng(0)


def _array(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("transposed", [False, True])
def test_folds_scale_and_shift(transposed: bool) -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4, 5, 5))
    y = (
        net.conv_transpose(x, net.constant(_array(4, 6, 3, 3)))
        if transposed
        else net.conv(x, net.constant(_array(6, 4, 3, 3)))
    )
    y = net.add(net.mul(y, net.constant(_array(6, 1, 1))), net.constant(_array(1, 6, 1, 1)))
    net.output("y", net.sub(y, net.constant(np.float32(0.5))))
    changes, after = rewrite(net, fold_scales, 1e-4)
    assert changes == 3
    assert operators(after) == ["ConvTranspose" if transposed else "Conv"]


def test_keeps_what_is_not_by_channel() -> None:
    net = Network()
    x = net.input("x", FLOAT, (1, 4, 5, 5))
    y = net.conv(x, net.constant(_array(6, 4, 3, 3)))
    net.output("y", net.mul(y, net.constant(_array(3, 3))))
    z = net.conv(x, net.constant(_array(6, 4, 1, 1)))
    net.output("z", net.sub(net.constant(_array(6, 1, 1)), z))
    assert rewrite(net, fold_scales)[0] == 0
