"""Follows a build: what a progress monitor is told, and how it cancels."""

from __future__ import annotations

from typing import Protocol


class ProgressMonitor(Protocol):
    """Receives the phases of a build as a tree: one phase, "build", holds the others, and is over last.

    Phases that are open at the same time have different names. One may come again, as the timing of tactics does for
    each profile and each way to lay out images; it is one step of the build all the same.

    `step` comes before each step of a phase, with the number of those that are finished; of "build" it comes after each
    phase inside, so that only "build" tells its last step. A phase of one piece, as "parse", tells no steps.
    """

    def phase_started(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of at most `steps` steps begins inside `parent`, which is open; None for the outermost phase."""
        ...

    def step(self, phase: str, done: int) -> bool:
        """`done` steps of the phase are finished; return False to cancel the build; None lets it go on."""
        ...

    def phase_finished(self, phase: str) -> None:
        """The phase is over, also after an error."""
        ...
