"""Shows how far a build is: bars with the time left on a terminal, one line for each phase elsewhere, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from enginewright.cli._state import State

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from enginewright.progress import ProgressMonitor


@contextmanager
def watching(state: State) -> Iterator[ProgressMonitor | None]:
    """A monitor for one build: none with -q, bars on a terminal, lines elsewhere."""
    if state.verbosity < 0:
        yield None
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        with Bars() as bars:
            yield bars


class Lines:
    """One line when a phase is over, with its time."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._done: dict[str, int] = {}

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        """Note the time."""
        self._started[phase] = time.perf_counter()
        self._done[phase] = steps

    def step(self, phase: str, done: int) -> bool:
        """Go on."""
        return True

    def phase_finished(self, phase: str) -> None:
        """Print the phase."""
        seconds, steps = time.perf_counter() - self._started[phase], self._done[phase]
        count = f" ({steps:,} steps)" if steps > 1 else ""
        click.echo(f"{phase}{count}: {seconds:.2f} s", err=True)


class Bars:
    """Bars with counts and the time left, which vanish when the build is over."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TextColumn("ETA"))
        self._progress: Progress = Progress(
            *columns, TimeRemainingColumn(elapsed_when_finished=True), console=Console(stderr=True), transient=True
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        """Add a bar; a phase inside another one is indented."""
        indent = "  " if parent else ""
        self._tasks[phase] = self._progress.add_task(indent + phase, total=max(steps, 1))

    def step(self, phase: str, done: int) -> bool:
        """Move the bar."""
        self._progress.update(self._tasks[phase], completed=done)
        return True

    def phase_finished(self, phase: str) -> None:
        """Fill the bar."""
        task = next(task for task in self._progress.tasks if task.id == self._tasks[phase])
        self._progress.update(task.id, completed=task.total)
