"""Tiny plans that tests damage in every way: a perceptron, a convolution with a Python step, a dynamic shape, texts.

They are built by the tree that tests them, because a plan of any other build is refused. Each has at most 8 KiB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

import enginewright as ew
from enginewright.graph.network import Tensor
from enginewright.plan.plan import Plan

LARGEST = 8 << 10
QUICK = ew.BuilderConfig(threads=1, level=0, timing_cache="")


def _values(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return numbers that are the same everywhere."""
    return (np.arange(np.prod(shape), dtype=np.float32) % 7 - 3).reshape(shape) / 4


def _mlp(net: ew.Network) -> None:
    x = net.input("x", ew.float32, (2, 4))
    hidden = net.relu(net.add(net.matmul(x, net.constant(_values(4, 6))), net.constant(_values(6))))
    net.output("y", net.softmax(net.matmul(hidden, net.constant(_values(6, 3)))))


def _conv(net: ew.Network) -> None:
    x = net.input("x", ew.float32, (1, 2, 5, 5))
    made = net.conv(x, net.constant(_values(3, 2, 3, 3)), net.constant(_values(3)))
    net.output("y", net.det(made))  # runs in NumPy: a Python step


def _dynamic(net: ew.Network) -> None:
    x = net.input("x", ew.float32, ("N", "M"))
    rows = net.input("rows", ew.int64, (2,))
    product = net.matmul(net.reshape(x, rows), net.constant(_values(4, 3)))
    net.output("y", net.reduce_sum(product, net.constant(np.array([1], np.int64))))
    net.output("n", net.shape(product))


def _branches(net: ew.Network) -> None:
    flag, x = net.input("flag", ew.bool_, ()), net.input("x", ew.float32, (3,))

    def branch(scale: float) -> ew.Network:
        inner = ew.Network()
        inner.output("out", inner.mul(inner.input("x", ew.float32, (3,)), inner.constant(np.float32(scale))))
        return inner

    outputs = net.if_(flag, x, then_branch=branch(2), else_branch=branch(3))
    net.output("y", outputs if isinstance(outputs, Tensor) else outputs[0])


def _texts(net: ew.Network) -> None:
    x = net.input("x", ew.string, ("N",))
    words, _ = net.string_split(net.string_concat(x, net.constant(np.array(" !"))))
    net.output("words", net.transpose(words))  # of a size that only the texts tell


NETWORKS: dict[str, Callable[[ew.Network], None]] = {"mlp": _mlp, "conv": _conv, "dynamic": _dynamic}
MORE: dict[str, Callable[[ew.Network], None]] = {"branches": _branches}
OBJECTS: dict[str, Callable[[ew.Network], None]] = {"texts": _texts}


@cache
def golden_plan(name: str) -> Plan:
    """Build one of the plans."""
    net = ew.Network(name)
    (NETWORKS | MORE | OBJECTS)[name](net)
    return ew.build(net, QUICK)


@cache
def golden(name: str) -> bytes:
    """Return one of the plans as bytes; "safe": the perceptron as a safe plan."""
    if name == "safe":
        return golden_safe()
    data = golden_plan(name).to_bytes()
    assert len(data) <= LARGEST, f"{name} has {len(data):,} bytes"
    return data


@cache
def golden_safe() -> bytes:
    """Return the perceptron as a safe plan."""
    net = ew.Network("mlp")
    _mlp(net)
    data = ew.build(net, replace(QUICK, runtime="safety")).to_bytes()
    assert len(data) <= LARGEST
    return data
