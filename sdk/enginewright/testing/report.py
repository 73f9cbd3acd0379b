"""What the test kit found: one line for each check, with every problem and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from enginewright.errors import PluginError

MAX_SHOWN = 5
MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class Line:
    """One check: `name` is group/check, `outcome` is passed, failed or skipped (then `problems` says why)."""

    name: str
    title: str
    outcome: str
    problems: tuple[str, ...] = ()
    hint: str = ""

    @property
    def group(self) -> str:
        """The part of the kit that it belongs to: state, shapes, tactics, memory, behaviour or life."""
        return self.name.partition("/")[0]

    def __str__(self) -> str:
        text = f"{MARKS[self.outcome]:<8} {self.name:<22} {self.title}"
        if self.outcome == "skipped":
            return f"{text}: {'; '.join(self.problems)}"
        shown = [f"           {problem}" for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            shown.append(f"           and {len(self.problems) - MAX_SHOWN} more")
        if self.outcome == "failed":
            shown.append(f"           -> {self.hint}")
        return "\n".join([text, *shown])


@dataclass(frozen=True, slots=True)
class Report:
    """All lines for one operator; printed, it is readable. ``assert report.passed, report`` is a whole test."""

    key: str
    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        """Whether no line failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Line, ...]:
        """The lines that failed."""
        return tuple(line for line in self.lines if line.outcome == "failed")

    def raise_for_failures(self) -> None:
        """Raise a `PluginError` that holds the whole text if a line failed."""
        if not self.passed:
            names = ", ".join(line.name for line in self.failures)
            raise PluginError(f"{self.key} fails {names}\n{self}", hint="Each failed line says what to do.")

    def __str__(self) -> str:
        count = {outcome: sum(line.outcome == outcome for line in self.lines) for outcome in MARKS}
        total = ", ".join(f"{number} {outcome}" for outcome, number in count.items() if number)
        return "\n".join([self.key, *map(str, self.lines), total])
