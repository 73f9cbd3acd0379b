"""A monitor that returns False cancels the build."""

from __future__ import annotations

import pytest

from enginewright.errors import BuildCancelled
from enginewright.progress import NoProgress, ProgressMonitor, report_step


class Stubborn(NoProgress):
    """Cancels at the third step."""

    def step(self, phase: str, done: int) -> bool:
        return done < 3


def test_nobody_watches() -> None:
    monitor: ProgressMonitor = NoProgress()
    monitor.phase_started("parse", None, 10)
    report_step(monitor, "parse", 10)
    monitor.phase_finished("parse")


def test_cancel() -> None:
    monitor = Stubborn()
    report_step(monitor, "time tactics", 2)
    with pytest.raises(BuildCancelled, match="time tactics after 3 steps"):
        report_step(monitor, "time tactics", 3)
