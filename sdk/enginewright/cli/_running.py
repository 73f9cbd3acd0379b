"""Runs a command and turns whatever happens into a message on stderr and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

import click

from enginewright.cli._state import State

if TYPE_CHECKING:
    from enginewright.errors import EnginewrightError

INTERRUPTED = 130
BUG = "EW-X000"


def run(group: click.Group, arguments: list[str]) -> int:
    """Run the group with the arguments; returns the exit code."""
    state = State()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _code(group.main(arguments, prog_name="enginewright", standalone_mode=False, obj=state))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone; nothing more may be written when Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort, where every bug is reported
        return _failed(error, state)
    finally:
        for action in state.cleanup:
            action()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _code(value: object) -> int:
    return value if isinstance(value, int) else 0


def _failed(error: Exception, state: State) -> int:
    from enginewright.errors import EnginewrightError

    if not isinstance(error, EnginewrightError):
        return _bug(error, state)
    if state.json:
        from enginewright.cli._output import print_json

        print_json(state.command, {"error": _facts(error)})
    click.echo(_message(error), err=True)
    if state.verbosity > 0:
        click.echo(_traceback(error), err=True)
    return error.exit_code


def _message(error: EnginewrightError) -> str:
    """The error as section "errors" of the documentation shows it."""
    head, _, rest = str(error).partition("\n")
    code, _, message = head.partition("] ")
    return f"{click.style(type(error).__name__ + ' ' + code + ']', fg='red', bold=True)}: {message}\n{rest}"


def _facts(error: EnginewrightError) -> dict[str, object]:
    return {
        "class": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "where": error.where,
        "hint": error.hint,
        "details": error.details,
        "url": error.url,
    }


def _traceback(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _bug(error: Exception, state: State) -> int:
    """Say that it is not the user's fault, and where the traceback is."""
    import tempfile  # 30 ms that only a bug may cost

    text = _traceback(error)
    with tempfile.NamedTemporaryFile(
        "w", prefix="enginewright-", suffix=".traceback", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    click.echo(
        f"{click.style(f'{type(error).__name__} [{BUG}]', fg='red', bold=True)}: this is a bug: {error}\n"
        f"  traceback   {file.name}\n"
        f"  hint        report it with the traceback and the output of: enginewright doctor",
        err=True,
    )
    if state.verbosity > 0:
        click.echo(text, err=True)
    return 1
