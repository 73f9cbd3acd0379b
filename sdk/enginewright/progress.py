"""Follows a build: what a progress monitor is told, and how it cancels."""

from __future__ import annotations

from typing import Protocol

from enginewright.errors import BuildCancelled


class ProgressMonitor(Protocol):
    """Receives the phases of a build, nested by name; phases of one build have different names."""

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins inside `parent` (None: the build itself)."""
        ...

    def step(self, phase: str, done: int) -> bool:
        """`done` steps of the phase are finished; return False to cancel the build."""
        ...

    def phase_finished(self, phase: str) -> None:
        """The phase is over, also after an error."""
        ...


class NoProgress:
    """The monitor of a build that nobody watches."""

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        """Do nothing."""

    def step(self, phase: str, done: int) -> bool:
        """Go on."""
        return True

    def phase_finished(self, phase: str) -> None:
        """Do nothing."""


def report_step(monitor: ProgressMonitor, phase: str, done: int) -> None:
    """Tell the monitor that `done` steps are finished; raise BuildCancelled if it wants no more."""
    if not monitor.step(phase, done):
        raise BuildCancelled(
            f"the progress monitor cancelled the build in phase {phase} after {done} steps",
            hint="build again; timings measured so far are kept in the timing cache",
            where=phase,
        )
