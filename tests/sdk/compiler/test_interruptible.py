"""Builds end when the user says so: from a monitor, by Ctrl-C, on the main thread and on others."""

from __future__ import annotations

import _thread
import threading
import time
from pathlib import Path

import pytest

import enginewright as ew
from enginewright.compiler import interruptible
from enginewright.compiler.interruptible import run_interruptibly
from tests.sdk.tools.small_models import chain

MAIN = threading.main_thread()


def test_result_and_error_come_back() -> None:
    assert run_interruptibly(lambda: 7, threading.Event()) == 7
    with pytest.raises(ZeroDivisionError):
        run_interruptibly(lambda: 1 // 0, threading.Event())


def test_the_main_thread_hands_the_work_to_another_one() -> None:
    assert run_interruptibly(threading.current_thread, threading.Event()) is not MAIN


def test_other_threads_do_it_themselves() -> None:
    found: list[bool] = []
    thread = threading.Thread(
        target=lambda: found.append(run_interruptibly(threading.current_thread, threading.Event()) is thread)
    )
    thread.start()
    thread.join()
    assert found == [True]


def test_interrupt_returns_at_once_and_the_next_call_waits() -> None:
    cancel, ended = threading.Event(), threading.Event()

    def work() -> None:
        time.sleep(0.6)  # a native call that does not look at `cancel`
        ended.set()

    threading.Timer(0.1, _thread.interrupt_main).start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run_interruptibly(work, cancel)
    assert time.perf_counter() - start < 0.1 + 0.25
    assert cancel.is_set()
    assert not ended.is_set()
    assert run_interruptibly(ended.is_set, threading.Event())
    assert interruptible._left_behind == []


class Monitor:
    """Cancels at a phase; notes what it is told."""

    def __init__(self, last: str = "") -> None:
        self.last = last
        self.started: list[str] = []
        self.finished: list[str] = []

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        self.started.append(phase)

    def step(self, phase: str, done: int) -> bool:
        return phase != self.last

    def phase_finished(self, phase: str) -> None:
        self.finished.append(phase)


def test_monitor_sees_every_phase() -> None:
    monitor = Monitor()
    ew.build(chain(), progress=monitor)
    assert monitor.started == ["build", "parse", "optimize", "time tactics", "write", "probe"]
    assert monitor.finished == [*monitor.started[1:], "build"]


def test_monitor_cancels() -> None:
    monitor = Monitor("time tactics")
    with pytest.raises(ew.BuildCancelled):
        ew.build(chain(), progress=monitor)
    assert monitor.started == ["build", "parse", "optimize", "time tactics"]
    assert monitor.finished == ["parse", "optimize", "time tactics", "build"]


def test_timings_are_kept_when_a_build_ends_early(tmp_path: Path) -> None:
    """The second layer is never timed; what the first one cost is in the cache for the next build."""
    cache = tmp_path / "cache.timing"

    class After(Monitor):
        def step(self, phase: str, done: int) -> bool:
            return phase != "time tactics" or done < 1

    # Level 4 times the kernels of every instruction set, so that each layer has several candidates.
    config = ew.BuilderConfig(timing_cache=str(cache), level=4)
    with pytest.raises(ew.BuildCancelled):
        ew.build(chain(), config, progress=After())
    report = ew.build(chain(), config).report
    assert report.timings_cached > 0
    assert cache.exists()
