"""Starts Python processes for the kit, each with a job of its own, and says how they ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from enginewright.registry.registry import registry
from enginewright.testing.checks import Skipped

CODE = "from enginewright.testing.child import main; main()"
SECONDS = 120


@dataclass(frozen=True, slots=True)
class Job:
    """What a process shall do: the name of a function of the `child` module, and its arguments."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def command(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-X", "faulthandler", "-c", CODE, self.name, json.dumps(self.arguments)]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it said."""

    returncode: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """What happened, in words, with the last line that it said."""
        return f"{ending(self.returncode)}{last_words(self.errors)}"


def ending(returncode: int) -> str:
    """An exit status in words."""
    if returncode >= 0:
        return f"the process ended with exit code {returncode}"
    try:
        return f"the process was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"the process was killed by signal {-returncode}"


def last_words(errors: str) -> str:
    """Of what a process wrote to stderr, the line that tells most; with a colon before it."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("Fatal Python error", "terminate called"))]
    frames = [line for line in lines if line.startswith("File ") and "enginewright" not in line]
    told = [*fatal[:1], *frames[:1]] if fatal else lines[-1:]
    return f": {', '.join(told)}" if told else ""


def environment_of(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment with this process's module path."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "PYTHONPATH": path, **changes}


def python(job: Job, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a job to its end."""
    try:
        done = subprocess.run(
            job.command(), env=environment_of(environment or {}), capture_output=True, text=True, errors="replace",
            timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Ended(-signal.SIGKILL, "", f"it ran for more than {SECONDS} s")
    return Ended(done.returncode, done.stdout, done.stderr)


def importable_modules(cls: type[Any]) -> list[str]:
    """What a new process imports to know the class, nothing if an entry point leads there; else `Skipped`."""
    if registry.source_of(cls.__module__) is not None:
        return []
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise Skipped(f"{cls.__qualname__} of {cls.__module__} can't be imported in a new process: use a module")
    return [cls.__module__]
