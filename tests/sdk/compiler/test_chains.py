"""Chains of convolutions are cut where their parts take less time, and compute the same in parts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.chains import PASSING, best_cut, chain_of, cut_chain
from enginewright.graph.network import Layer, Network
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.conv_chain import ConvChain
from enginewright.ops.pointwise import Builder, Fused
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import TacticTime, TimingEntry
from enginewright.tensors import TensorSpec, float32


def chain() -> tuple[Network, Layer]:
    """Three convolutions with a residual behind them."""
    rng = np.random.default_rng(0)
    net = Network()
    x = net.input("x", float32, (1, 6, 5, 8))
    p = Builder(float32, float32)
    ops = (ChannelsLast(Conv()), ChannelsLast(Conv(group=16, padding=1)), ChannelsLast(Conv()))
    shapes = ((16, 8, 1, 1), (16,), (16, 1, 3, 3), (16,), (8, 16, 1, 1))
    weights = [net.constant(rng.standard_normal(shape).astype(np.float32)) for shape in shapes]
    whole = Fused(ConvChain(ops, (2, 2, 1)), p.finish(p.add(*p.inputs)))
    net.output("y", net.add(whole, x, *weights, x)[0])
    return net, net.layers[0]


@pytest.mark.parametrize("cut", [1, 2])
def test_parts_compute_the_same(cut: int) -> None:
    net, layer = chain()
    x = np.random.default_rng(1).standard_normal((1, 6, 5, 8)).astype(np.float32)
    wanted = net.evaluate({"x": x})["y"]
    parts = cut_chain(net, layer, cut)
    net.infer()
    np.testing.assert_array_equal(net.evaluate({"x": x})["y"], wanted)
    stages = [getattr(chain_of(part), "stages", (None,)) for part in parts]
    assert [len(found) for found in stages] == [cut, 3 - cut]
    assert isinstance(parts[1].op, Fused)


def time_of(times: dict[int, int], part: Layer) -> int:
    """That of layers with as many stages."""
    return times[stages_of(part)]


def stages_of(layer: Layer) -> int:
    """How many stages a layer has."""
    found = chain_of(layer)
    return 1 if found is None else len(found.stages)


PASSED = round(PASSING * 120 * 100 * 16 * 4)
"""What the images cost that lie between two parts."""


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ({1: 100, 2: 200, 3: 300}, None),  # as fast in parts: the whole
        ({1: 100, 2: 200, 3: 300 + PASSED + 1}, 1),
        ({1: 100, 2: 110, 3: 210 + PASSED - 1}, None),  # no large images lie between parts for nothing
        ({1: 100, 2: 100_000, 3: 201 + 2 * PASSED + 100}, 1),  # all three alone
        ({1: 100, 2: 200, 3: None}, None),  # not timed
    ],
)
def test_the_least_time_wins(times: dict[int, int | None], wanted: int | None) -> None:
    layer = chain()[1]
    assert best_cut(layer, specs_of(layer, 120, 100), lambda part: times[stages_of(part)]) == wanted


def specs_of(layer: Layer, height: int, width: int) -> list[TensorSpec | None]:
    """What the layer reads, its images of this size."""
    image = TensorSpec(float32, (1, height, width, 8))
    return [None if x is None else image if x.rank == 4 and x.const is None else x.spec for x in layer.inputs]


def test_small_images_cost_nothing_between_parts() -> None:
    layer = chain()[1]
    times = {1: 100, 2: 110, 3: 212}
    assert best_cut(layer, specs_of(layer, 6, 5), lambda part: times[stages_of(part)]) == 1


def test_many_weights_that_come_by_again_count_against_a_chain_of_two() -> None:
    """A depthwise convolution and a 1 x 1 one whose weights a small cache does not hold beside the rows."""
    specs: list[TensorSpec | None] = [TensorSpec(float32, (1, 9, 80, 480))]
    for channels, counted in ((480, True), (16, False)):
        net = Network()
        x = net.input("x", float32, (1, 9, 80, 480))
        ops = (ChannelsLast(Conv(group=480, padding=1)), ChannelsLast(Conv()))
        weights = [net.constant(np.ones(shape, np.float32)) for shape in ((480, 1, 3, 3), (channels, 480, 1, 1))]
        net.output("y", net.add(ConvChain(ops, (1, 1)), x, *weights)[0])
        passed = round(PASSING * 9 * 80 * 480 * 4)
        others = [weight.spec for weight in weights]
        times = {1: 100, 2: 200 + passed - 1}
        assert (best_cut(net.layers[0], [*specs, *others], partial(time_of, times)) == 1) is counted


def block() -> Network:
    """A mobile block of images that are worth a chain."""
    rng = np.random.default_rng(0)
    net = Network()
    x = net.input("x", float32, (2, 16, 28, 28))
    y = x
    for op, shape in ((Conv(), (96, 16, 1, 1)), (Conv(group=96, padding=1), (96, 1, 3, 3)), (Conv(), (16, 96, 1, 1))):
        weight = net.constant(rng.standard_normal(shape).astype(np.float32) * 0.1)
        y = net.relu(net.conv(y, weight, group=op.group, padding=op.padding))
    net.output("y", net.add(y, x))
    return net


def test_a_built_chain_gives_what_the_network_gives() -> None:
    """Whole or in parts, as time decides here."""
    array = np.random.default_rng(0).standard_normal((2, 16, 28, 28)).astype(np.float32)
    wanted = block().evaluate({"x": array})["y"]
    found = ew.load(ew.build(block(), ew.BuilderConfig(timing_cache=""))).run({"x": array})["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_pinned_chain_is_not_cut(tmp_path: Path) -> None:
    """Whatever the times of its parts are, and if no more is known of any layer than what is pinned."""
    path = tmp_path / "t.timing"
    ew.build(block(), ew.BuilderConfig(timing_cache=path, recipe="none"))
    pinned = TimingCache(tmp_path / "pinned.timing")
    for entry in TimingCache.load(path).values():
        name = min(entry.timings)
        time = TacticTime(1000 if "chain" in name else 1 if "nhwc" in name else 10**6, 1)
        pinned.merge({entry.key: TimingEntry(entry.key, entry.description, {name: time}, name)})
    pinned.save()
    config = ew.BuilderConfig(timing_cache=pinned.path, recipe="none", error_on_timing_cache_miss=True)
    assert any("chain" in layer.tactic for layer in ew.build(block(), config).report.layers)
