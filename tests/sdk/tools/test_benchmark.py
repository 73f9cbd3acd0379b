"""bench: our own times, peers beside us, the time of steps, streams, and advice."""

from __future__ import annotations

import sys

import pytest

import enginewright as ew
from enginewright.tools import benchmark, peers
from enginewright.tools.advice import Conditions, advise, clock_mhz
from enginewright.tools.statistics import Times
from tests.sdk.tools.small_models import chain

SHORT = ew.Effort(warmup=1, duration=0.01, iterations=5)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(benchmark, "REWARM_SECONDS", 0.0)


def test_own_times() -> None:
    found = ew.bench(chain(), effort=SHORT)
    assert found.latency.count >= 5
    assert found.latency.min <= found.latency.p25 <= found.latency.median <= found.latency.p99 <= found.latency.max
    assert found.throughput == pytest.approx(found.latency.count / found.walltime_seconds)
    assert found.compute_seconds <= found.walltime_seconds
    assert found.inputs == {"x": "float32 [1, 8]"}
    assert found.peak_memory_bytes > 2**20
    assert found.profile is None
    assert found.peers == ()


def test_plan_and_threads() -> None:
    plan = ew.build(chain(), ew.BuilderConfig(threads=1))
    found = ew.bench(plan, effort=SHORT, config=ew.BuilderConfig(threads=1), shapes={"x": (3, 8)})
    assert found.threads == 1
    assert found.build_seconds == 0.0
    assert found.inputs == {"x": "float32 [3, 8]"}


def test_peers_are_measured_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    measure = benchmark.call_for

    def noted(runner: peers.Peer, seconds: float, least: int) -> tuple[list[int], float]:
        order.append(runner.name)
        return measure(runner, seconds, least)

    monkeypatch.setattr(benchmark, "call_for", noted)
    found = ew.bench(chain(), peers=["onnxruntime"], effort=SHORT)
    (peer,) = found.peers
    assert peer.latency is not None
    assert peer.ours is not None
    assert peer.ratio == pytest.approx(peer.latency.median / peer.ours.median)
    assert order == ["enginewright", *["enginewright", "enginewright", "onnxruntime", "onnxruntime"] * benchmark.ROUNDS]


def test_peer_that_refuses_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    (peer,) = ew.bench(chain(), peers=["openvino"], effort=SHORT).peers
    assert peer.latency is None
    assert peer.error == "openvino is not installed"


def test_wrong_requests() -> None:
    with pytest.raises(ew.ConfigError, match="'tvm' is not known"):
        ew.bench(chain(), peers=["tvm"])
    with pytest.raises(ew.UsageError, match="needs the ONNX model"):
        ew.bench(ew.build(chain()), peers=["onnxruntime"], effort=SHORT)
    with pytest.raises(ew.ConfigError, match="nothing would be measured"):
        ew.Effort(iterations=0)


def test_profile_names_every_step() -> None:
    plan = ew.build(chain())
    found = ew.bench(plan, effort=SHORT, profile=True).profile
    assert found is not None
    assert [step.layer for step in found.steps] == [step.layer for step in plan.meta.programs[0].steps]
    assert sum(step.share for step in found.steps) == pytest.approx(1.0)
    assert 0 < found.sum <= found.total
    assert found.call > 0
    assert found.agrees  # of a model whose calls take longer than its steps
    assert found.slowest[0].milliseconds == max(step.milliseconds for step in found.steps)
    assert {source for step in found.steps for source in step.sources} == {"first", "middle", "second", "last"}


def test_streams() -> None:
    found = ew.bench(chain(), effort=ew.Effort(warmup=1, duration=0.02, iterations=5, streams=2))
    assert found.streams == 2
    assert found.latency.count >= 10


def times(median: float, *, p99: float | None = None, variation: float = 0.0) -> Times:
    return Times(9, median, median, median, median, median, median, median, median, p99 or median, variation)


def test_significance_is_by_quartiles() -> None:
    slow, fast = Times.of([10, 11, 12, 13, 14]), Times.of([1, 2, 3, 4, 5])
    assert slow.differs(fast)
    assert fast.differs(slow)
    assert not Times.of([1, 5, 9]).differs(Times.of([4, 6, 20]))


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        (Conditions(times(1), (2000, 2000), 10_000), "10000 threads on"),
        (Conditions(times(1, variation=0.2), (2000, 2000), 1), "vary by 20%"),
        (Conditions(times(1), (2000, 3000), 1), "from 2000 to 3000 MHz"),
        (Conditions(times(1, p99=3), (0, 0), 1), "p99 is 3.0 x"),
    ],
)
def test_advice(conditions: Conditions, text: str) -> None:
    assert text in advise(conditions)[0].text


def test_advice_on_steps_in_numpy() -> None:
    steps = ew.StepProfile(
        1, (ew.StepTime(0, "act3", "python", (), 1.0, 0.4), ew.StepTime(1, "conv", "cpu", (), 1.5, 0.6)), 2.5
    )
    assert "layer act3 runs in NumPy (40%" in advise(Conditions(times(2.5), (0, 0), 1, steps))[0].text
    assert steps.agrees
    assert not ew.StepProfile(1, steps.steps, 3.0).agrees
    assert ew.StepProfile(1, steps.steps, 3.0, call=0.5).agrees


def test_no_advice_without_a_reason() -> None:
    assert advise(Conditions(times(1), (2000, 2000), 1)) == ()
    assert clock_mhz() >= 0
