"""What reaches the user when things go wrong: our errors, bugs, interruptions, closed pipes; and what is imported."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from enginewright.cli import _running
from enginewright.cli._group import group
from enginewright.cli._progress import Bars, watching
from enginewright.cli._running import run
from enginewright.cli._state import State
from tests.sdk.tools.small_models import chain, save

PROGRAM = [sys.executable, "-c", "from enginewright.cli import main; main()"]


def failing(error: BaseException) -> click.Group:
    """A group with one command, which raises."""

    @click.group
    def made() -> None:
        pass

    @made.command
    def fail() -> None:
        raise error

    return made


def test_a_bug_says_so_and_keeps_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(failing(KeyError("oops")), ["fail"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("KeyError [EW-X000]: this is a bug: 'oops'")
    assert "enginewright doctor" in message
    found = re.search(r"traceback +(\S+)", message)
    assert found is not None
    path = Path(found[1])
    assert "KeyError: 'oops'" in path.read_text()
    path.unlink()


def test_interruption_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(failing(KeyboardInterrupt()), ["fail"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_sigterm_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    @click.group
    def made() -> None:
        pass

    @made.command
    def wait() -> None:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        threading.Event().wait(10)

    try:
        assert run(made, ["wait"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(group, ["run", "missing.plan", "--json"]) == 7
    found = json.loads(capsys.readouterr().out)
    assert found["command"] == "run"
    assert found["error"]["code"] == "EW-M002"
    assert found["error"]["hint"]


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    model = save(chain(), tmp_path)
    command = " ".join([sys.executable, "-c", "'from enginewright.cli import main; main()'", "inspect", str(model)])
    done = subprocess.run(f"{command} --json | head -c 1", shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


def test_output_to_a_pipe_has_no_colours(tmp_path: Path) -> None:
    model = save(chain(), tmp_path)
    done = subprocess.run([*PROGRAM, "verify", str(model)], capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout + done.stderr


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command imports, by their first name."""
    code = (
        "import sys\nfrom enginewright.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("build", "--help")])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    found = loaded_by(*arguments)
    assert not {"numpy", "onnx", "rich", "cffi", "msgspec", "enginewright.errors"} & found


def test_commands_are_loaded_by_name() -> None:
    found = loaded_by("build", "--help")
    assert "enginewright.cli.build" in found
    assert "enginewright.cli.bench" not in found


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with watching(State()) as monitor:
        assert isinstance(monitor, Bars)
        monitor.phase_started("time tactics", None, 4)
        assert monitor.step("time tactics", 2)
        monitor.phase_started("inner", "time tactics", 1)
        monitor.phase_finished("inner")
        monitor.phase_finished("time tactics")
        assert [task.completed for task in monitor._progress.tasks] == [4, 1]


def test_quiet_has_no_monitor() -> None:
    with watching(State(verbosity=-1)) as monitor:
        assert monitor is None


def test_exit_code_of_main(monkeypatch: pytest.MonkeyPatch) -> None:
    from enginewright.cli import main

    monkeypatch.setattr(_running, "run", lambda group, arguments: 5 if arguments == ["x"] else 1)
    with pytest.raises(SystemExit) as raised:
        main(["x"])
    assert raised.value.code == 5


def test_the_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "enginewright", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: enginewright " in done.stdout
    wrong = subprocess.run([sys.executable, "-m", "enginewright", "nothing"], capture_output=True, check=False)
    assert wrong.returncode == subprocess.run([*PROGRAM, "nothing"], capture_output=True, check=False).returncode != 0
