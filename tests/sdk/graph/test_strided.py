"""Tensors seen as elements of another at fixed distances."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.graph.network import Network, Tensor
from enginewright.graph.strided import Strided, alike, dense, reshaped, strided
from enginewright.tensors import float32

SHAPE = (2, 6, 4)


def picture(seen: Strided, shape: tuple[int, ...], array: np.ndarray) -> np.ndarray:
    """The elements of `array` that the view reaches."""
    flat = np.ascontiguousarray(array).reshape(-1)[int(seen.offset) :]  # type: ignore[arg-type]
    return np.lib.stride_tricks.as_strided(flat, shape, [int(s) * flat.itemsize for s in seen.strides])  # type: ignore[arg-type]


def chains(net: Network, x: Tensor) -> dict[str, Tensor]:
    cut = net.split(net.reshape(x, net.constant([2, 6, 2, 2])), axis=2, num_outputs=2)[1]
    return {
        "transposed": net.transpose(x, perm=(1, 0, 2)),
        "heads": net.transpose(net.reshape(x, net.constant([2, 6, 2, 2])), perm=(0, 2, 1, 3)),
        "joined and cut": net.reshape(
            net.reshape(net.transpose(x, perm=(1, 0, 2)), net.constant([6, 8])), net.constant([6, 2, 2, 2])
        ),
        "cut": net.squeeze(cut, net.constant([2])),
        "picked": net.gather(net.transpose(x, perm=(2, 0, 1)), net.constant(-1)),
        "reversed": net.transpose(net.unsqueeze(x, net.constant([1]))),
    }


@pytest.mark.parametrize("name", ["transposed", "heads", "joined and cut", "cut", "picked", "reversed"])
def test_reaches_the_elements(name: str) -> None:
    net = Network()
    x = net.input("x", float32, SHAPE)
    tensor = chains(net, x)[name]
    net.output("y", tensor)
    array = np.arange(48, dtype=np.float32).reshape(SHAPE)
    seen = strided(tensor)
    assert seen.base is x
    shape = tuple(int(size) for size in tensor.shape)  # type: ignore[arg-type]
    np.testing.assert_array_equal(picture(seen, shape, array), net.evaluate({"x": array})["y"])


def test_stops_where_an_axis_has_no_single_stride() -> None:
    net = Network()
    x = net.input("x", float32, SHAPE)
    turned = net.transpose(x, perm=(0, 2, 1))
    flat = net.reshape(turned, net.constant([2, 24]))
    assert strided(flat) == Strided(turned, 0, (24, 1))
    assert strided(net.reshape(flat, net.constant([48]))) == Strided(turned, 0, (1,))
    assert strided(net.relu(turned)).strides == dense((2, 4, 6))


def test_named_sizes() -> None:
    net = Network()
    x = net.input("x", float32, ("N", "S", 12))
    heads = net.transpose(net.reshape(x, net.constant([0, 0, 3, 4])), perm=(0, 2, 1, 3))
    batch, rows = x.shape[:2]
    assert alike(heads.shape, strided(heads).strides, (rows * 12, 4, 12, 1))
    assert batch == heads.shape[0]
    made = reshaped(net, x, (batch, rows, 4, 3))
    assert made.shape == (batch, rows, 4, 3)
    assert reshaped(net, x, x.shape) is x
    net.output("y", made)
    array = np.arange(72, dtype=np.float32).reshape(2, 3, 12)
    plan = ew.build(net, ew.BuilderConfig(level=1))
    np.testing.assert_array_equal(ew.load(plan).run({"x": array})["y"], array.reshape(2, 3, 4, 3))


def test_as_if_the_base_lay_otherwise() -> None:
    net = Network()
    x = net.input("x", float32, (1, 2, 3, 4))
    y = net.transpose(x, perm=(0, 2, 1, 3))
    assert alike(y.shape, strided(y, {x: (24, 4, 8, 1)}).strides, (24, 8, 4, 1))


@pytest.mark.parametrize(("shape", "other"), [((0, 4, 6), (6, 0, 2, 2)), ((3, 0), (0, 5)), ((2, 3), (2, 3, 1))])
def test_nothing_at_all(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    net = Network()
    x = net.input("x", float32, shape)
    turned = net.transpose(x)
    tensor = net.reshape(turned, net.constant(list(reversed(other))), allowzero=True)
    assert alike(tensor.shape, strided(tensor).strides, dense(tensor.shape)) or strided(tensor).base is x
