"""On GPUs image layers of 16 bits work with channels last; transposes stay at the ends only."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.ops.shape import ShapeValue
from enginewright.optimize.cancel_transposes import cancel_transposes
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.prefer_channels_last import prefer_channels_last
from enginewright.tensors import float16, float32
from tests.sdk.optimize.rewriting import rewrite, weights


def half_weights(*shape: int) -> np.ndarray:  # type: ignore[type-arg]
    return weights(*shape).astype(np.float16)


def run(net: Network, x: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    wanted = net.evaluate({"x": x})["y"]
    changes = prefer_channels_last(net)
    cancel_transposes(net)
    eliminate_dead(net)
    net.infer()
    return changes, net.evaluate({"x": x})["y"], wanted


def test_a_chain_with_a_residual_has_one_transpose_at_its_end() -> None:
    net = Network()
    x = net.input("x", float16, (2, 8, 6, 5))
    y = net.relu(net.conv(x, net.constant(half_weights(8, 8, 3, 3)), net.constant(half_weights(8)), padding=1))
    y = net.relu(net.add(net.conv(y, net.constant(half_weights(8, 8, 1, 1))), y))
    y = net.mul(y, net.constant(half_weights(8, 1, 1)))
    net.output("y", net.max_pool(y, kernel_shape=(2, 2)))
    changes, found, wanted = run(net, half_weights(2, 8, 6, 5))
    assert changes == 3
    np.testing.assert_array_equal(found, wanted)
    assert [layer.kind for layer in net.layers].count("Transpose") == 2  # of the input and of the output


def test_an_image_of_three_channels_is_padded_in_one_step() -> None:
    net = Network()
    x = net.input("x", float32, (1, 3, 12, 10))
    half = net.cast(x, to=float16)
    net.output("y", net.conv(half, net.constant(half_weights(8, 3, 7, 7)), stride=2, padding=3))
    changes, found, wanted = run(net, half_weights(1, 3, 12, 10).astype(np.float32))
    assert changes == 1
    np.testing.assert_allclose(found.astype(np.float32), wanted.astype(np.float32), rtol=2e-3, atol=2e-3)
    kinds = [layer.kind for layer in net.layers]
    assert kinds == ["ImageToChannelsLast", "ChannelsLast", "Transpose"]
    assert net.layers[1].inputs[1] is not None
    assert net.layers[1].inputs[1].shape == (8, 4, 7, 8)


def test_float32_stays_channels_first_on_gpus() -> None:
    net = Network()
    x = net.input("x", float32, (1, 8, 6, 5))
    net.output("y", net.conv(x, net.constant(half_weights(8, 8, 1, 1).astype(np.float32))))
    assert prefer_channels_last(net) == 0


def test_layers_without_inputs_are_left_alone() -> None:
    net = Network()
    x = net.input("x", float16, (2, 8, 6, 5))
    y = net.conv(x, net.constant(half_weights(8, 8, 3, 3)), padding=1)
    (shape,) = net.add(ShapeValue((2, 240), shape=(2,)))
    net.output("y", net.reshape(y, shape))
    changes, found, wanted = run(net, half_weights(2, 8, 6, 5))
    assert changes == 1
    np.testing.assert_array_equal(found, wanted)


def test_halves_for_devices_are_spread_before_they_are_turned() -> None:
    net = Network()
    y = net.conv(net.input("x", float16, (2, 8, 8, 8)), net.constant(half_weights(8, 8, 1, 1)))
    net.output("y", net.add(y, net.transpose(net.input("z", float16, (8, 8, 8)), perm=(0, 2, 1))))
    changes, changed = rewrite(net, prefer_channels_last, tolerance=2e-3)
    assert changes == 1
    assert [layer.kind for layer in changed.layers][-1] == "Transpose"  # the sum has its channels last, too


def test_few_channels_with_windows_of_their_own_are_not_padded() -> None:
    net = Network()
    x = net.input("x", float16, (2, 3, 7, 6))
    net.output("y", net.conv(x, net.constant(half_weights(3, 1, 3, 3)), group=3, padding=1))
    changes, changed = rewrite(net, prefer_channels_last, tolerance=2e-3)
    assert changes == 1
    assert [layer.kind for layer in changed.layers] == ["Transpose", "ChannelsLast", "Transpose"]
