"""The test kit on a GPU: tactics agree there, and work on another stream than the given one is found."""

from __future__ import annotations

from typing import Any

import pytest

import enginewright as ew
from enginewright.testing import check_plugin
from tests.sdk.runtime import swish_cuda

pytestmark = pytest.mark.usefixtures("swish_operators")
ON_GPU = ["tactics", "behaviour/streams"]


def test_without_tactics_for_gpus() -> None:
    cls = swish_cuda.operator("SwishPlain")
    (line,) = check_plugin(cls, only=["behaviour/streams"]).lines
    assert (line.outcome, line.problems) == ("skipped", ("no tactic runs on a GPU",))


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise ew.DeviceMissing("no driver", hint="")

    monkeypatch.setattr("enginewright.testing.gpu.use_cuda", none)
    (line,) = check_plugin(swish_cuda.OPERATORS["source"], only=["behaviour/streams"]).lines
    assert (line.outcome, line.problems) == ("skipped", ("no GPU can be used: no driver",))


@pytest.mark.cuda
@pytest.mark.parametrize("way", swish_cuda.WAYS)
def test_each_way_passes(swish_library: None, way: str) -> None:
    report = check_plugin(swish_cuda.OPERATORS[way], only=ON_GPU)
    assert report.passed, str(report)
    assert [line.outcome for line in report.lines] == ["passed"] * 4


@pytest.mark.cuda
def test_another_stream_is_found(swish_library: None) -> None:
    torch = pytest.importorskip("torch")
    cls, other = swish_cuda.operator("SwishElsewhere"), torch.cuda.Stream()

    @ew.device_function
    def elsewhere(x: Any, y: Any, scratch: Any, beta: float, *, stream: int) -> None:
        with torch.cuda.stream(other):
            swish_cuda.swish_torch(x, y, scratch, beta, stream=0)

    @ew.tactic(cls, kernel=elsewhere)
    def tactic(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(op.beta,), workspace=x.nbytes)

    report = check_plugin(cls, only=["behaviour/streams"])
    assert not report.passed
    assert "tactic tactic, case 0" in report.lines[0].problems[0]


@pytest.mark.cuda
def test_wrong_numbers_are_found(swish_library: None) -> None:
    cls = swish_cuda.operator("SwishWrong")

    @ew.tactic(cls, kernel=swish_cuda.source_of(ew.float32))
    def wrong(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
        launch = ew.Launch(params=(x.size, ew.f32(2 * op.beta)), grid=(ew.ceil_div(x.size, 256),))
        return launch if x.dtype is ew.float32 else "needs float32"

    report = check_plugin(cls, only=["tactics/agree"])
    assert "differs from the reference" in report.lines[0].problems[0]


def test_kernels_behind_one_that_needs_a_gpu_are_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise ew.DeviceMissing("no driver", hint="")

    monkeypatch.setattr("enginewright.testing.gpu.use_cuda", none)
    cls = swish_cuda.operator("SwishBehind")

    @ew.tactic(cls, kernel=ew.library("none.so", target="cuda")["k"])
    def on_a_gpu(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size,))

    @ew.tactic(cls, kernel=ew.library("none.so")["k"])
    def on_the_cpu(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size,))

    (line,) = check_plugin(cls, only=["tactics/kernels"]).lines
    assert line.outcome == "failed"
    assert "none.so can't be opened" in line.problems[0]
