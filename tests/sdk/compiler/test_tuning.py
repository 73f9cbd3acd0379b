"""Tuning: timings are cached, merged and reused; equal inputs and an equal cache give equal bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright import _native
from enginewright.compiler.candidates import broadcast_pattern, candidates, kernel_variants
from enginewright.compiler.tuning import default_sizes
from enginewright.errors import BuildCancelled, CacheMissDetails, ConfigError, PlanError, TimingCacheMiss
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import TacticTime, TimingEntry

RNG = np.random.default_rng(0)
N = ew.Dim("N")


def _network() -> ew.Network:
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 3, 16, 16))
    y = net.conv(x, net.constant(RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)), padding=1)
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
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "is not used" in caplog.text
    assert path.with_name(path.name + ".bad").read_bytes() == b"damaged"
    assert TimingCache.load(path)


def test_misses_of_all_profiles_are_named_at_once(tmp_path: Path) -> None:
    shapes = [((n, 3, 16, 16),) * 3 for n in (1, 2)]
    profiles = [ew.Profile({"x": shape}, name) for shape, name in zip(shapes, ("small", "large"), strict=True)]
    config = ew.BuilderConfig(timing_cache="", error_on_timing_cache_miss=True, profiles=profiles)
    with pytest.raises(TimingCacheMiss) as caught:
        ew.build(_network(), config)
    assert isinstance(caught.value.details, CacheMissDetails)
    layers = caught.value.details.layers
    assert [name.partition(" ")[2] for name in layers] == ["(small)", "(large)"]


def _filled(path: Path) -> tuple[ew.BuilderConfig, TimingCache]:
    """Fill a cache file; the config that uses it, and what is in it."""
    config = ew.BuilderConfig(timing_cache=str(path))
    ew.build(_network(), config)
    return config, TimingCache.load(path)


def _chosen(plan: ew.Plan) -> str:
    (layer,) = (item for item in plan.report.layers if len(item.candidates) > 1)
    return str(layer.tactic)


def test_the_pinned_tactic_is_taken(tmp_path: Path) -> None:
    config, cache = _filled(tmp_path / "t.timing")
    (key,) = cache
    for tactic in cache[key].timings:
        cache.pin(key, tactic)
        cache.save()
        plan = ew.build(_network(), replace(config, error_on_timing_cache_miss=True))
        assert _chosen(plan) == tactic


def _with_times(path: Path, times: dict[str, TacticTime], pinned: str | None = None) -> None:
    """Give the one entry of a cache file other times."""
    (entry,) = TimingCache.load(path).values()
    path.unlink()
    cache = TimingCache(path)
    cache.merge({entry.key: TimingEntry(entry.key, entry.description, times, pinned)})
    cache.save()


def test_the_fastest_tactic_is_taken_ties_by_name(tmp_path: Path) -> None:
    config, cache = _filled(tmp_path / "t.timing")
    names = sorted(cache[next(iter(cache))].timings)
    for times, fastest in ((dict.fromkeys(names, 7), names[0]), (dict.fromkeys(names, 7) | {names[-1]: 6}, names[-1])):
        _with_times(tmp_path / "t.timing", {name: TacticTime(time, 1) for name, time in times.items()})
        assert _chosen(ew.build(_network(), config)) == fastest


def test_a_pin_that_cannot_run_the_layer_is_a_miss(tmp_path: Path) -> None:
    config, cache = _filled(tmp_path / "t.timing")
    times = dict(cache[next(iter(cache))].timings) | {"magic": TacticTime(1, 1)}
    _with_times(tmp_path / "t.timing", times, "magic")
    plan = ew.build(_network(), config)
    assert any("pinned tactic magic cannot run it" in note for note in plan.report.notes)
    with pytest.raises(TimingCacheMiss):
        ew.build(_network(), replace(config, error_on_timing_cache_miss=True))


def test_a_tactic_that_cannot_be_timed_is_no_miss_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept without samples: nobody tries again, and a strict build has all it needs."""
    config = ew.BuilderConfig(timing_cache=str(tmp_path / "t.timing"))
    monkeypatch.setattr("enginewright.compiler.one_step._one_layer", lambda *_: None)
    net = _network()
    plan = ew.build(net, config)
    assert plan.passport.timings == "heuristic"
    assert any("chosen by rule" in note for note in plan.report.notes)
    again = ew.build(net, replace(config, error_on_timing_cache_miss=True))
    assert again.to_bytes() == plan.to_bytes()


def _pin_the_slowest(path: Path) -> None:
    cache = TimingCache.load(path)
    (key,) = cache
    cache.pin(key, max(cache[key].timings, key=lambda name: cache[key].timings[name].nanoseconds))
    cache.save()


def test_the_passport_says_what_the_choices_rest_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that builds took are measured, wherever they are kept; people may have edited texts, and pinned tactics."""
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    assert [ew.build(_network()).passport.timings for _ in range(2)] == ["measured", "measured"]
    named = ew.BuilderConfig(timing_cache=str(tmp_path / "t.timing"))
    assert [ew.build(_network(), named).passport.timings for _ in range(2)] == ["measured", "measured"]
    cache = TimingCache.load(tmp_path / "t.timing")
    TimingCache.from_text(cache.to_text()).save(tmp_path / "text.timing")
    text = ew.BuilderConfig(timing_cache=str(tmp_path / "text.timing"))
    assert [ew.build(_network(), text).passport.timings for _ in range(2)] == ["imported", "imported"]
    (default,) = (tmp_path / "timing").glob("*.timing")
    for path, config in ((default, None), (tmp_path / "t.timing", named)):
        _pin_the_slowest(path)
        assert ew.build(_network(), config).passport.timings == "imported"
    assert ew.build(_network(), ew.BuilderConfig(level=1)).passport.timings == "heuristic"
    single = ew.Network()
    single.output("y", single.relu(single.input("x", ew.float32, (3,))))
    assert ew.build(single, ew.BuilderConfig(level=0)).passport.timings == "heuristic"
    assert ew.build(single).passport.timings == "measured", "there is nothing to choose"


def test_two_equal_layers_are_timed_once() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (1, 3, 16, 16))
    for name in ("a", "b"):
        net.output(name, net.conv(x, net.constant(RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)), padding=1))
    plan = ew.build(net, ew.BuilderConfig(timing_cache=""))
    assert plan.passport.timings == "measured"
    assert plan.report.timings_cached == 1


def test_imported_times_make_a_plan_suboptimal(tmp_path: Path) -> None:
    config, cache = _filled(tmp_path / "t.timing")
    TimingCache.from_text(cache.to_text()).save(tmp_path / "t.timing", replace=True)
    for given, expected in ((config, ["timings"]), (ew.BuilderConfig(timing_cache=""), [])):
        ew.build(_network(), given).save(tmp_path / "a.plan")
        info = ew.plan_info(tmp_path / "a.plan")
        assert [reason.field for reason in info.reasons] == expected
        assert info.exit_code(strict=True) == (4 if expected else 0)


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
    for values in ({"target": "cuda:"}, {"target": "tpu"}, {"level": 6}, {"threads": 0}):
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
    assert monitor.events[-2:] == ["finish parse", "finish build"]  # the first step is that of the build


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


def test_a_first_axis_that_is_no_batch_is_timed_as_others_are() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("sequence_length", 2, 8))
    y = net.input("y", ew.float32, ("frames", 1 << 16))
    net.output("a", net.relu(x))
    net.output("b", net.relu(y))
    assert default_sizes(net) == {"sequence_length": 128, "frames": 1}  # the other one would have 8 million elements


def test_a_plan_of_kernels_for_several_instruction_sets_names_each_feature_once(tmp_path: Path) -> None:
    """The highest level times them all, and the fastest for one layer may be for another set than that of the next."""
    net = ew.Network()
    net.output("y", net.softmax(net.cumsum(net.input("x", ew.float32, (64, 64)), net.constant(np.int64(0)))))
    config = ew.BuilderConfig(timing_cache=str(tmp_path / "t.timing"), level=5)
    ew.build(net, config)
    cache = TimingCache.load(tmp_path / "t.timing")
    for key, isa in zip(cache, _native.isas(), strict=False):
        cache.pin(key, next(name for name in cache[key].timings if name.endswith(f"@{isa}")))
    cache.save()
    plan = ew.build(net, config)
    sets = [layer.kernel.partition("@")[2] for layer in plan.report.layers]
    target = ew.Plan.load(plan.to_bytes()).passport.target
    assert target is not None
    assert set(target.needs) == {feature for isa in sets for feature in _native.isa_features(isa)}
    assert len(set(sets)) == min(2, len(_native.isas()))
