"""Every way in which exporters write GELU becomes one layer; a wrong constant does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.fuse_gelu import fuse_gelu
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def _c(net: Network, value: float) -> Tensor:
    return net.constant(np.float32(value))


def _erf(net: Network, x: Tensor, root: float = 2**0.5) -> Tensor:
    return net.add(net.erf(net.div(x, _c(net, root))), _c(net, 1))


def _tanh(net: Network, x: Tensor) -> Tensor:
    inner = net.add(x, net.mul(_c(net, 0.044715), net.pow(x, _c(net, 3))))
    return net.add(_c(net, 1), net.tanh(net.mul(inner, _c(net, (2 / np.pi) ** 0.5))))


FORMS: dict[str, tuple[str, Callable[[Network, Tensor], Tensor]]] = {
    "bert": ("none", lambda net, x: net.mul(net.mul(x, _erf(net, x)), _c(net, 0.5))),
    "half first": ("none", lambda net, x: net.mul(net.mul(_c(net, 0.5), x), _erf(net, x))),
    "half last": ("none", lambda net, x: net.mul(net.mul(_erf(net, x), _c(net, 0.5)), x)),
    "gpt2": ("tanh", lambda net, x: net.mul(net.mul(x, _c(net, 0.5)), _tanh(net, x))),
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_forms(form: str) -> None:
    approximate, write = FORMS[form]
    net = Network()
    x = net.input("x", FLOAT, ("N", 16))
    net.output("y", write(net, x))
    changes, after = rewrite(net, fuse_gelu)
    assert changes == 1
    assert operators(after) == ["Gelu"]
    assert after.layers[0].op.approximate == approximate


def test_other_constants_and_shared_results_are_left() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 16))
    net.output("y", net.mul(net.mul(x, _erf(net, x, 1.5)), _c(net, 0.5)))
    term = _erf(net, x)
    net.output("z", net.mul(net.mul(x, term), _c(net, 0.5)))
    net.output("term", term)
    assert rewrite(net, fuse_gelu)[0] == 0
