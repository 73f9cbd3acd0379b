"""Windows with all rows of an image become windows along one axis, with the same results."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.graph.network import Network
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.optimize.flatten_windows import flatten_windows
from enginewright.tensors import float32
from tests.sdk.optimize.rewriting import rewrite

RNG = np.random.default_rng(0)


def network(conv: Conv, rows: int, columns: int) -> Network:
    net = Network()
    x = net.input("x", float32, ("N", 6, "W", 4))
    w, b = (net.constant(RNG.standard_normal(shape).astype(np.float32)) for shape in ((9, 4, rows, columns), (9,)))
    net.output("y", net.add(ChannelsLast(conv), x, w, b)[0])
    return net


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("conv", [Conv(), Conv(padding=(0, 1, 0, 3))])
def test_all_rows_at_once(conv: Conv, batch: int) -> None:
    net = network(conv, 6, 3)
    x = RNG.standard_normal((batch, 6, 11, 4)).astype(np.float32)
    wanted = net.evaluate({"x": x})["y"]
    assert flatten_windows(net) == 1
    net.infer()
    assert [layer.kind for layer in net.layers] == ["Transpose", "Reshape", "Unsqueeze", "ChannelsLast"]
    found = net.evaluate({"x": x})["y"]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("conv", "rows", "columns"),
    [(Conv(), 5, 3), (Conv(), 6, 1), (Conv(stride=2), 6, 3), (Conv(padding=1), 6, 3), (Conv(dilation=(1, 2)), 6, 3)],
)
def test_others_are_left(conv: Conv, rows: int, columns: int) -> None:
    assert flatten_windows(network(conv, rows, columns)) == 0


def test_batches_known_to_be_empty() -> None:
    net = Network()
    w = net.constant(RNG.standard_normal((9, 4, 6, 3)).astype(np.float32))
    net.output("y", net.add(ChannelsLast(Conv()), net.input("x", float32, (0, 6, 11, 4)), w)[0])
    changes, changed = rewrite(net, flatten_windows)
    assert changes == 1
    assert changed.outputs[0][1].shape == (0, 1, 9, 9)
