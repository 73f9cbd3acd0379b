"""Of two networks with images laid out differently the faster one is kept, and the report says by how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler import layouts
from enginewright.compiler.tuning import Tuner
from enginewright.graph.network import Network
from enginewright.optimize import pipeline

RNG = np.random.default_rng(0)


def _network() -> ew.Network:
    net, rng = ew.Network(), np.random.default_rng(1)
    x = net.input("x", ew.float32, (1, 3, 12, 10))
    for channels in (3, 16):
        weight = net.constant(rng.standard_normal((16, channels, 3, 3)).astype(np.float32) * 0.2)
        x = net.relu(net.conv(x, weight, padding=1))
    net.output("y", net.global_average_pool(x))
    return net


def _tuner(total: int) -> Tuner:
    class Fixed(Tuner):
        total = property(lambda self: total)  # type: ignore[assignment]

    return Fixed(0, 1, Any)  # type: ignore[arg-type]


@pytest.mark.parametrize(("last", "first"), [(10, 20), (20, 10), (20, 19)])
def test_the_faster_layout_is_kept(monkeypatch: pytest.MonkeyPatch, last: int, first: int) -> None:
    net = _network()
    found = layouts.optimize_layouts(net, pipeline())
    assert [layout.name for layout in found] == ["channels last", "channels first"]
    tuned = [(layout, layout.network, _tuner(total)) for layout, total in zip(found, (last, first), strict=True)]
    best, network, tuner = layouts.choose_layout(tuned)
    assert best.name == ("channels first" if first < layouts.MARGIN * last else "channels last")
    assert network is best.network
    assert any("channels first" in note and "channels last" in note for note in tuner.notes)


def test_both_layouts_compute_the_same() -> None:
    net = _network()
    x = RNG.standard_normal((1, 3, 12, 10)).astype(np.float32)
    wanted = net.evaluate({"x": x})["y"]
    for layout in layouts.optimize_layouts(net, pipeline()):
        np.testing.assert_allclose(layout.network.evaluate({"x": x})["y"], wanted, rtol=1e-5, atol=1e-6)


def test_a_network_without_images_has_one_layout() -> None:
    net = Network()
    x = net.input("x", ew.float32, (4, 5))
    net.output("y", net.relu(net.matmul(x, net.constant(RNG.standard_normal((5, 6)).astype(np.float32)))))
    assert len(layouts.optimize_layouts(net, pipeline())) == 1


def test_the_choice_is_the_same_with_the_same_cache(tmp_path: Path) -> None:
    config = ew.BuilderConfig(timing_cache=str(tmp_path / "t.timing"), threads=1)
    net = _network()
    first = ew.build(net, config)
    assert any("in all" in note for note in first.report.notes)
    second = ew.build(net, config)
    assert second.report.timings_measured == 0
    assert second.meta == first.meta
    x = RNG.standard_normal((1, 3, 12, 10)).astype(np.float32)
    for level in (0, 1, 2):
        plan = ew.build(net, ew.BuilderConfig(level=level, timing_cache="", threads=1))
        np.testing.assert_allclose(ew.load(plan).run({"x": x})["y"], net.evaluate({"x": x})["y"], rtol=1e-4, atol=1e-5)


def test_in_bfloat16_both_types_of_tensors_are_compared() -> None:
    net = _network()
    found = layouts.optimize_layouts(net, pipeline("cpu", "bf16"))
    rounded = ["channels last, bfloat16", "channels last", "channels first"]
    assert [layout.name for layout in found if not layout.exact] == rounded
    types = [{str(t.dtype) for layer in layout.network.layers for t in layer.outputs} for layout in found]
    assert types == [{"bfloat16", "float32"}, *[{"float32"}] * 4]
    assert [record.name for record in found[0].records[-2:]] == [run.__name__ for run in found[0].passes[-2:]]
    x = RNG.standard_normal((1, 3, 12, 10)).astype(np.float32)
    wanted = found[2].network.evaluate({"x": x})["y"]
    for layout in found[:2]:
        np.testing.assert_allclose(layout.network.evaluate({"x": x})["y"], wanted, rtol=0, atol=2e-2 * wanted.max())


def test_matrices_have_both_types_of_tensors_too() -> None:
    net = Network()
    x = net.input("x", ew.float32, (16, 8))
    for _ in range(2):
        x = net.relu(net.matmul(x, net.constant(RNG.standard_normal((8, 8)).astype(np.float32))))
    net.output("y", x)
    names = [layout.name for layout in layouts.optimize_layouts(net, pipeline("cpu", "bf16"))]
    assert names == ["channels first, bfloat16", "channels first", "channels first, float32"]


def test_the_last_ways_in_bfloat16_are_those_in_float32() -> None:
    found = layouts.optimize_layouts(_network(), pipeline("cpu", "bf16"))
    exact = [layout for layout in found if layout.exact]
    assert [layout.name for layout in exact] == ["channels last, float32", "channels first, float32"]
    x = {"x": RNG.standard_normal((1, 3, 12, 10)).astype(np.float32)}
    for layout, plain in zip(exact, layouts.optimize_layouts(_network(), pipeline()), strict=True):
        assert layout.passes == plain.passes
        np.testing.assert_array_equal(layout.network.evaluate(x)["y"], plain.network.evaluate(x)["y"])


def test_without_products_there_is_nothing_to_choose_from() -> None:
    net = Network()
    net.output("y", net.relu(net.input("x", ew.float32, (4, 5))))
    assert len(layouts.optimize_layouts(net, pipeline("cpu", "bf16"))) == 1


@pytest.mark.parametrize(("exact", "kept"), [(90, "channels last, float32"), (99, "channels last, bfloat16")])
def test_float32_is_kept_where_it_takes_less_time(exact: int, kept: str) -> None:
    found = layouts.optimize_layouts(_network(), pipeline("cpu", "bf16"))
    totals = (100, 100, 100, exact, exact)
    tuned = [(layout, layout.network, _tuner(total)) for layout, total in zip(found, totals, strict=True)]
    assert layouts.choose_layout(tuned)[0].name == kept


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("precision", ["int8", "bf16", "fp32"])
def test_a_precision_that_finds_nothing_to_do_is_noted(precision: str, level: int) -> None:
    net = Network()
    net.output("y", net.relu(net.input("x", ew.float32, (4, 5))))
    notes = ew.build(net, ew.BuilderConfig(precision=precision, level=level)).report.notes
    found = [note for note in notes if note.startswith(f'precision="{precision}" changes nothing: ')]
    assert len(found) == (precision != "fp32")
    assert all(("level 0" in note) == (level == 0) for note in found)


def test_a_precision_that_is_used_is_not_noted() -> None:
    notes = ew.build(_network(), ew.BuilderConfig(precision="bf16", level=1)).report.notes
    assert not [note for note in notes if "changes nothing" in note]
