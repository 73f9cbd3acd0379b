"""Lets Ctrl-C end a build at once: the work runs on a thread of its own while the main thread waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

Result = TypeVar("Result")
POLL_SECONDS, GRACE_SECONDS = 0.1, 0.05
"""How often the caller looks for an interruption that did not wake it (a signal that another thread received), and how
long it then waits for the work to notice; the promise is 0.25 s in all."""

_lock = threading.Lock()
_left_behind: list[threading.Thread] = []


def run_interruptibly(work: Callable[[], Result], cancel: threading.Event) -> Result:
    """Return what `work` returns, or raise what it raises.

    On the main thread the work goes to a worker: native code delays Python's handling of signals until it ends, but a
    thread that waits for another one can be interrupted. KeyboardInterrupt sets `cancel`, which the work must look at,
    and returns to the caller even if a kernel still runs; the next call waits for that worker first.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    wait_for_left_behind()
    future: Future[Result] = Future()
    worker = threading.Thread(target=_fulfil, args=(work, future), name="enginewright build", daemon=True)
    worker.start()
    try:
        while not wait([future], POLL_SECONDS).done:
            pass
    except KeyboardInterrupt:
        cancel.set()
        worker.join(GRACE_SECONDS)
        if worker.is_alive():
            with _lock:
                _left_behind.append(worker)
        raise
    worker.join()
    return future.result()


def wait_for_left_behind() -> None:
    """Wait for the workers of interrupted builds, so that two builds never disturb each other's timings."""
    while _left_behind:
        _left_behind[0].join()
        with _lock:
            _left_behind[:] = [worker for worker in _left_behind if worker.is_alive()]


def _fulfil(work: Callable[[], Result], future: Future[Result]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
        future.set_exception(error)
