"""Lets Ctrl-C end a build at once: the work runs on a thread of its own while the main thread waits for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")
POLL_SECONDS, GRACE_SECONDS = 0.1, 0.05
"""How often the caller looks for an interruption that did not wake it (a signal that another thread received), and how
long it then waits for the work to notice; the promise is 0.25 s in all."""

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
    job = _Job(work)
    worker = threading.Thread(target=job.run, name="enginewright build", daemon=True)
    try:
        _start(worker)
        while not job.finished.acquire(timeout=POLL_SECONDS):
            pass
    except KeyboardInterrupt:
        cancel.set()
        if worker.ident is not None and not job.finished.acquire(timeout=GRACE_SECONDS):
            _left_behind.append(worker)
        raise
    worker.join()
    return job.result()


class _Job(Generic[Result]):
    """The work and what came of it.

    `finished` is a bare lock, which the worker releases: an exception from a signal handler can leave the locks inside
    Event, Condition and Future held for ever, because these are written in Python.
    """

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._found: list[Result] = []
        self._error: BaseException | None = None
        self.finished = threading.Lock()
        self.finished.acquire()

    def run(self) -> None:
        """Called on the worker."""
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
            self._error = error
        finally:
            self.finished.release()

    def result(self) -> Result:
        """What the work returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._found[0]


def _start(worker: threading.Thread) -> None:
    """Start a thread with signals held back until it runs; it inherits that, so that all go to the main thread."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def wait_for_left_behind() -> None:
    """Wait for the workers of interrupted builds, so that two builds never disturb each other's timings."""
    while _left_behind:
        _left_behind[0].join()
        _left_behind.pop(0)
