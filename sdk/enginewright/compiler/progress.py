"""Tells a ProgressMonitor how far a build is, and stops the build when the monitor or Ctrl-C says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from enginewright.errors import BuildCancelled
from enginewright.progress import ProgressMonitor


@dataclass
class _Open:
    """A phase that is not over, and the names of those inside it that are."""

    name: str
    inner: set[str] = field(default_factory=set)


@dataclass
class Phases:
    """Reports the phases of one build, each inside the one that is open; `cancelled` is set from another thread."""

    monitor: ProgressMonitor | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    _open: list[_Open] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str, steps: int) -> Iterator[Callable[[int, int], None]]:
        """Start a phase; the block gets a function (done, total) to call after each step.

        Where phases are inside it, its steps are their names.
        """
        self._check(name)
        parent = self._open[-1] if self._open else None
        if self.monitor is not None:
            self.monitor.phase_started(name, parent.name if parent else None, steps)
        self._open.append(_Open(name))
        try:
            yield lambda done, total: self._step(name, done, at=name)
        finally:
            self._open.pop()
            if self.monitor is not None:
                self.monitor.phase_finished(name)
        if parent is not None and name not in parent.inner:
            parent.inner.add(name)
            self._step(parent.name, len(parent.inner), at=name)

    def _step(self, name: str, done: int, at: str) -> None:
        """Tell a step of the phase `name`; `at` is the innermost phase that runs, or that was just finished."""
        self._check(at)
        go_on: object = True if self.monitor is None else self.monitor.step(name, done)
        if go_on is not None and not go_on:  # None is a step that returns nothing; NumPy's False is one, too
            raise _cancelled(at)

    def _check(self, at: str) -> None:
        if self.cancelled.is_set():
            raise _cancelled(at)


def _cancelled(at: str) -> BuildCancelled:
    return BuildCancelled(f"the build was cancelled while it was at: {at}", hint="Start it again.")
