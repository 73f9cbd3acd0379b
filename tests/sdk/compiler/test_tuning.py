"""Tuning: timings are cached, merged and reused; equal inputs and an equal cache give equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.candidates import broadcast_pattern, candidates, kernel_variants
from enginewright.compiler.tuning import default_sizes
from enginewright.errors import BuildCancelled, ConfigError, PlanError, TimingCacheMiss
from enginewright.plan.timing_cache import TimingCache

RNG = np.random.default_rng(0)
N = ew.Dim("N")


def _network() -> ew.Network:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 3, 16, 16))
    y = net.conv(x, net.constant(RNG.standard_normal((16, 3, 3, 3)).astype(np.float32)), padding=1)
    net.output("y", net.relu(y))
    return net


def test_a_second_build_times_nothing_and_is_byte_identical(tmp_path: Path) -> None:
    net, cache = _network(), str(tmp_path / "t.timing")
    first = ew.build(net, ew.BuilderConfig(timing_cache=cache))
    second = ew.build(net, ew.BuilderConfig(timing_cache=cache, error_on_timing_cache_miss=True))
    assert first.report.timings_measured > 0
    assert second.report.timings_measured == 0
    assert second.meta == first.meta
    third = ew.build(net, ew.BuilderConfig(timing_cache=cache))
    assert third.to_bytes() == second.to_bytes()


def test_a_miss_names_all_layers_before_anything_is_timed(tmp_path: Path) -> None:
    config = ew.BuilderConfig(timing_cache=str(tmp_path / "t.timing"), error_on_timing_cache_miss=True)
    with pytest.raises(TimingCacheMiss, match="Conv"):
        ew.build(_network(), config)
    assert not (tmp_path / "t.timing").exists()


def test_a_named_cache_that_is_broken_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.timing"
    path.write_bytes(b"not a cache")
    with pytest.raises(PlanError):
        ew.build(_network(), ew.BuilderConfig(timing_cache=str(path)))
    assert path.read_bytes() == b"not a cache"


def test_the_default_cache_is_set_aside_if_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    ew.build(_network())
    (path,) = (tmp_path / "timing").glob("*.timing")
    path.write_bytes(b"damaged")
    assert ew.build(_network()).report.timings_measured > 0
    assert "is not used" in caplog.text
    assert TimingCache.open(path, explicit=True).entries


def test_saving_merges_with_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "t.timing"
    net = _network()
    layer, specs = net.layers[0], [net.inputs[0].spec]
    one, other = TimingCache.open(path, explicit=True), TimingCache.open(path, explicit=True)
    one.record("a" * 32, layer, specs, {"t": 1})
    other.record("b" * 32, layer, specs, {"t": 2})
    one.save()
    other.save()
    assert sorted(TimingCache.open(path, explicit=True).entries) == ["a" * 32, "b" * 32]
    assert "Conv" in one.entries["a" * 32].description


def test_candidates_and_reasons() -> None:
    net = _network()
    found = candidates(net.layers[0])
    assert {choice.kernel.partition("@")[0] for choice in found.choices} >= {"cpu_conv_gemm_f32"}
    assert all(item.reason for item in found.rejected)
    everything = candidates(net.layers[0], every_isa=True)
    assert len(everything.choices) >= len(found.choices)
    assert kernel_variants("cpu_nothing") == []


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 5, 4, 6), (10, 0)),
        ((5, 1, 1), (5, 1)),
        ((1, 5, 1, 1), (5, 1)),
        ((), (1, 1)),
        ((4, 6), (1, 0)),
        ((6,), None),
        ((2, 1, 4, 6), None),
        ((4, 1), None),
    ],
)
def test_how_an_extra_input_is_broadcast(shape: tuple[int, ...], expected: tuple[int, int] | None) -> None:
    assert broadcast_pattern(shape, (2, 5, 4, 6), 2) == expected


def test_symbolic_rows() -> None:
    assert broadcast_pattern((N, 5, 4, 6), (N, 5, 4, 6), 2) == (N * 5, 0)


def test_bad_configurations() -> None:
    for values in ({"target": "cuda"}, {"target": "tpu"}, {"level": 6}, {"threads": 0}):
        with pytest.raises(ConfigError):
            ew.BuilderConfig(**values)  # type: ignore[arg-type]


class _Stop:
    """A monitor that cancels at the first step."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        self.events.append(f"start {phase}")

    def step(self, phase: str, done: int) -> bool:
        return False

    def phase_finished(self, phase: str) -> None:
        self.events.append(f"finish {phase}")


def test_a_monitor_can_cancel() -> None:
    monitor = _Stop()
    with pytest.raises(BuildCancelled):
        ew.build(_network(), ew.BuilderConfig(timing_cache=""), progress=monitor)
    assert monitor.events[-1] == "finish time tactics"


def test_every_level_computes_the_same() -> None:
    net = _network()
    array = RNG.standard_normal((2, 3, 16, 16)).astype(np.float32)
    expected = net.evaluate({"x": array})["y"]
    for level in range(6):
        engine = ew.load(ew.build(net, ew.BuilderConfig(timing_cache="", level=level)))
        np.testing.assert_allclose(engine.run({"x": array})["y"], expected, rtol=1e-4, atol=1e-4)


def test_the_report_says_which_sizes_were_assumed() -> None:
    config = ew.BuilderConfig(timing_cache="")
    assert any("N = 1" in note for note in ew.build(_network(), config).report.notes)
    profile = ew.Profile({"x": ((1, 3, 16, 16), (4, 3, 16, 16), (8, 3, 16, 16))})
    fixed = ew.BuilderConfig(timing_cache="", profiles=[profile])
    assert ew.build(_network(), fixed).report.notes == ()


def test_sizes_without_a_profile_leave_each_layer_something_to_do() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 1, "S"))
    window = net.constant(RNG.standard_normal((8, 1, 300)).astype(np.float32))
    assert default_sizes(net) == {"N": 1, "S": 128}
    net.output("y", net.conv(x, window, stride=64))
    assert default_sizes(net) == {"N": 1, "S": 512}
