"""Follows a build: what a progress monitor is told, and how it cancels."""

from __future__ import annotations

from typing import Protocol


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
