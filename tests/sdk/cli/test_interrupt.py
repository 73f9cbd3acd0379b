"""Ctrl-C during a build returns within a quarter of a second and leaves no half-written file."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import enginewright as ew
from enginewright.compiler.interruptible import wait_for_left_behind
from tests.sdk.tools.small_models import chain, save

# An interruption between two instructions of Python leaves what was open, say an iterator over a folder, to the garbage
# collector, whose warning is no fault of the build.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

LIMIT_SECONDS = 0.25
MODELS = ("ppocrv4_det", "silero_vad_16k_sequence", "light_squeezenet")
MOMENTS = 20


def interrupt(path: Path, delay: float, cache: Path) -> float | None:
    """Build and press Ctrl-C after `delay` seconds: how long it took to return, None if the build was over before."""
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    over = False
    timer = threading.Timer(delay, press)
    timer.start()
    try:
        ew.build(path, ew.BuilderConfig(timing_cache=str(cache))).save(path.with_suffix(".plan"))
        over = True
        timer.join()
        time.sleep(0.05)
    except KeyboardInterrupt:
        return None if over else time.perf_counter() - pressed[0]
    return None


def check(path: Path, moments: int, cache: Path) -> int:
    """Interrupt builds of one model at random moments of its build time; how many were really interrupted."""
    start = time.perf_counter()
    ew.build(path, ew.BuilderConfig(timing_cache=""))
    whole = time.perf_counter() - start
    delays = random.Random(0)
    found = []
    for _ in range(moments):
        wait_for_left_behind()
        cache.unlink(missing_ok=True)
        path.with_suffix(".plan").unlink(missing_ok=True)
        found.append(interrupt(path, delays.uniform(0, whole), cache))
        assert [item.name for item in path.parent.iterdir() if ".plan" in item.name] in ([], [path.stem + ".plan"])
        if cache.exists():
            ew.build(path, ew.BuilderConfig(timing_cache=str(cache), level=0))  # what was kept can be read
    taken = [seconds for seconds in found if seconds is not None]
    assert max(taken, default=0.0) < LIMIT_SECONDS
    return len(taken)


def test_small_model(tmp_path: Path) -> None:
    check(save(chain(), tmp_path), 5, tmp_path / "cache.timing")


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_real_models(name: str, tmp_path: Path) -> None:
    from tests.models import load_model

    path = tmp_path / "model.onnx"
    path.symlink_to(load_model(name).path)
    assert check(path, MOMENTS, tmp_path / "cache.timing") >= MOMENTS // 2


def open_when_read(pipe: Path, child: subprocess.Popen[str]) -> int:
    """Open the pipe for writing as soon as the child reads it."""
    while child.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads it yet
            time.sleep(0.02)
    raise AssertionError(f"the command ended with {child.returncode} before it read its model")


def test_command_exits_with_130(tmp_path: Path) -> None:
    """The command is interrupted while the reader of its model waits for more: a pipe that nobody closes."""
    model, plan = tmp_path / "model.onnx", tmp_path / "model.plan"
    os.mkfifo(model)
    program = "from enginewright.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", program, "build", str(model), "-o", str(plan)], stderr=subprocess.PIPE, text=True
    )
    writer = open_when_read(model, child)
    time.sleep(0.1)
    start = time.perf_counter()
    child.send_signal(signal.SIGINT)
    _, message = child.communicate(timeout=10)
    os.close(writer)
    assert child.returncode == 130
    assert "interrupted" in message
    assert "Traceback" not in message
    assert time.perf_counter() - start < 2
    assert not plan.exists()
