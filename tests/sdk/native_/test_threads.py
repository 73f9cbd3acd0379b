"""Threads: the same bits for any number, contexts on many threads, a busy context, a forked child."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import UsageError
from tests.sdk.native_.words import I64, Words, floats, run

ROOT = Path(__file__).parents[3]


def squares() -> _native.Model:
    """x to the power of 8, one task an element."""
    words = Words()
    program = words.program()
    x, dims = program.dynamic_input(1)
    a, b, y = program.arena(dims, last=1), program.arena(dims, last=2), program.output(dims)
    program.step("toy_square", [x], [a])
    program.step("toy_square", [a], [b])
    program.step("toy_square", [b], [y])
    return words.model()


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 0])
def test_any_number_of_threads(threads: int) -> None:
    context = _native.Context(squares(), threads=threads)
    for size in (0, 1, 2, 100, 1000):
        x = np.arange(size, dtype=np.float32) / 100
        assert np.allclose(run(context, x)[0], x.astype(np.float64) ** 8, rtol=1e-5)


def test_eight_threads_with_eight_contexts_of_one_model() -> None:
    model = squares()

    def work(number: int) -> bool:
        context = _native.Context(model, threads=3)
        x = np.full(300 + number, number, np.float32)
        return all(np.array_equal(run(context, x)[0], np.full_like(x, float(number) ** 8)) for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def bursts(repeats: int, tasks: int) -> _native.Model:
    words = Words()
    program = words.program()
    program.step("toy_bursts", [], [program.output([tasks], I64)], [repeats, tasks])
    return words.model()


def test_every_task_runs_once() -> None:
    """Many fork-joins in a row, on more threads than there are CPUs."""
    found = run(_native.Context(bursts(2000, 7), threads=6))[0]
    assert found.tolist() == [2000 * sum(range(200))] * 7


def test_two_tasks_meet() -> None:
    """Neither is done before the other has begun, at once or after a sleep of the second thread."""
    for apart in (0, 400_000):
        words = Words()
        program = words.program()
        program.step("toy_meetings", [], [program.output([50])], [apart])
        assert (run(_native.Context(words.model(), threads=2))[0] > 0).all()


def test_busy_pool_does_not_block_others() -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: run(_native.Context(bursts(300, 5), threads=4))[0].tolist(), range(4)))
    assert results == [[300 * sum(range(200))] * 5] * 4


def test_context_on_two_threads() -> None:
    words = Words()
    program = words.program()
    program.step("toy_sleep", [], [], [2000])
    context = _native.Context(words.model())
    errors: list[Exception] = []

    def target() -> None:
        try:
            context.run()
        except Exception as error:  # noqa: BLE001  looked at below
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    time.sleep(0.1)
    with pytest.raises(UsageError, match="in use on another thread"):
        context.run()
    context.cancel()
    thread.join()
    assert "cancelled" in str(errors[0])


def test_python_steps_on_many_threads() -> None:
    number = _native.add_python_step(lambda x: x + 1)
    words = Words()
    program = words.program()
    x, y = program.input([2]), program.output([2])
    program.step("python", [x], [y], [number])
    model = words.model()

    def work(value: int) -> bool:
        context = _native.Context(model)
        x = floats(value, -value)
        return all(run(context, x)[0].tolist() == [value + 1, 1 - value] for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    _native.remove_python_step(number)


FORK = """
import os, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore", DeprecationWarning)
import numpy as np
from tests.sdk.native_.toys import sign_in
sign_in(Path(sys.argv[1]))
from enginewright import _native
from tests.sdk.native_.test_threads import bursts, squares
from tests.sdk.native_.words import run
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
context = _native.Context(bursts(200, 8), threads=4)
expected = run(context)[0].tolist()
assert threads() == before + 3, threads()
pids = []
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        try:
            same = run(context)[0].tolist() == expected
            own = run(_native.Context(squares(), threads=3), np.full(50, 2, np.float32))[0].tolist() == [256] * 50
            os._exit(0 if same and own and threads() >= 4 else 1)
        finally:
            os._exit(2)
    pids.append(pid)
assert run(context)[0].tolist() == expected
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
print(codes)
sys.exit(any(codes))
"""


def in_subprocess(code: str, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(ROOT / part) for part in ("sdk", "compat", "plugins", "."))
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_forked_children_make_their_own_pool(toy_kernels: Path) -> None:
    done = in_subprocess(FORK, str(toy_kernels))
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_threads_for_one_thread(toy_kernels: Path) -> None:
    code = (
        FORK.partition("context =")[0] + "\nrun(_native.Context(bursts(10, 8), threads=1))\nassert threads() == before"
    )
    done = in_subprocess(code, str(toy_kernels))
    assert done.returncode == 0, done.stdout + done.stderr


def test_steady_state_does_not_grow() -> None:
    model = squares()
    contexts = [_native.Context(model, threads=2) for _ in range(4)]
    x = np.zeros(1000, np.float32)

    def rss() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    def work(rounds: int) -> None:
        for round_ in range(rounds):
            for context in contexts:
                context.bind_input(0, x[: 900 + round_ % 20])
                context.run()

    work(100)
    before = rss()
    work(1000)
    assert rss() - before < 256  # pages, that is 1 MiB
