"""Layers of constants are computed while building, unless the result would be much larger than its sources."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from enginewright.graph.network import Network
from enginewright.optimize.fold_constants import copy_dense, fold_constants
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def test_folds_chains_of_constants() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 3))
    weight = net.transpose(net.exp(net.constant(np.ones((4, 3), np.float32))), perm=(1, 0))
    net.output("y", net.matmul(x, weight))
    changes, after = rewrite(net, fold_constants)
    assert changes == 2
    assert operators(after) == ["MatMul"]


def test_large_weights_are_turned_by_all_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.arange(12, dtype=np.float32).reshape(3, 4)
    monkeypatch.setattr(sys.modules[fold_constants.__module__], "LARGE", weight.nbytes)
    net = Network()
    net.output("y", net.transpose(net.constant(weight), perm=(1, 0)))
    changes, after = rewrite(net, fold_constants)
    (_, turned) = after.outputs[0]
    assert (changes, turned.const.flags.c_contiguous) == (1, True)
    np.testing.assert_array_equal(turned.const, weight.T)


@pytest.mark.parametrize("shape", [(1, 5), (2, 0), (7, 1), (300, 70)])
def test_copies_by_all_cpus(shape: tuple[int, int]) -> None:
    array = np.arange(shape[0] * shape[1]).reshape(shape)
    np.testing.assert_array_equal(copy_dense(array.T), array.T)


def test_does_not_blow_up_the_plan() -> None:
    net = Network()
    size = net.constant(np.array([1024, 1024], np.int64))
    net.output("y", net.expand(net.constant(np.zeros((1, 1), np.float32)), size))
    assert rewrite(net, fold_constants)[0] == 0
