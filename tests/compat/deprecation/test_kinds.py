"""Each kind of object that can be deprecated: one warning, at the caller's line, with all facts; error mode raises."""

from __future__ import annotations

import datetime
import importlib
import pickle
import types
import warnings
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import enginewright as ew
from enginewright_compat.deprecation import controls
from enginewright_compat.deprecation.registry import KINDS, Deprecation, find_deprecation, read_deprecations
from enginewright_compat.deprecation.warning import DeprecationNotice
from tests.compat.deprecation.conftest import LIBRARY
from tests.compat.deprecation.examples import evaluate, problems, run

ENTRIES = read_deprecations(LIBRARY / "deprecations.toml")
RUNNABLE = [entry for entry in ENTRIES.values() if entry.kind != "c" and entry.stage != "removed"]


def run_command(command: click.Command, *arguments: str) -> str:
    """Run a command and return what it prints."""
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture
def names(library: Path, tmp_path: Path) -> dict[str, Any]:
    """Return what the examples of the library may use."""
    modules = {name: importlib.import_module(f"acme_lib.{name}") for name in ("hooks", "command", "operators")}
    plugins = types.SimpleNamespace(**_plugins(modules["hooks"]))
    paths = (f"{tmp_path}/{number}" for number in range(10, 99))
    return {
        "acme_lib": importlib.import_module("acme_lib"),
        "ew": ew,
        "importlib": importlib,
        "plugins": plugins,
        "run": run_command,
        "new_path": lambda: next(paths),
        **modules,
    }


def _plugins(hooks: Any) -> dict[str, type]:
    class Started:
        @hooks.hookimpl
        def acme_started(self, name: str) -> None:
            """Implement the hook that is leaving."""

    class Stopped:
        @hooks.hookimpl
        def acme_stopped(self, name: str, speed: int) -> None:
            """Take the argument that is leaving."""

    return {"Started": Started, "Stopped": Stopped}


@pytest.mark.parametrize("entry", RUNNABLE, ids=lambda entry: f"{entry.id}-{entry.kind}")
def test_one_warning_at_the_callers_line(entry: Deprecation, names: dict[str, Any]) -> None:
    assert problems(entry, names) == []


@pytest.mark.parametrize("entry", RUNNABLE, ids=lambda entry: f"{entry.id}-{entry.kind}")
def test_error_mode_raises(entry: Deprecation, names: dict[str, Any]) -> None:
    with controls.error(ids=[entry.id]), pytest.raises(DeprecationNotice, match=entry.id) as caught:
        evaluate(entry.before, names)
    assert caught.value.entry == entry


def test_every_kind_is_proven() -> None:
    assert {entry.kind for entry in ENTRIES.values()} == set(KINDS)


def test_all_fields_and_the_text(names: dict[str, Any]) -> None:
    (warning,) = run("acme_lib.old_total(1, 2)", names).caught
    message = warning.message
    assert isinstance(message, DeprecationNotice)
    assert isinstance(message, DeprecationWarning)
    assert (message.id, message.target, message.stage) == ("EW-D9001", "acme_lib.old_total", "warn")
    assert (message.since, message.removal_in) == ("1.4.0", "2.0.0")
    assert (message.since_date, message.not_before) == (datetime.date(2026, 2, 1), datetime.date(2027, 2, 1))
    assert (message.replacement, message.migration) == ("acme_lib.total", "Call total with the same arguments.")
    assert message.url.endswith("/migrate/2.0#ew-d9001")
    assert str(message) == (
        "EW-D9001: acme_lib.old_total is deprecated since 1.4.0 (2026-02-01); it stays until 2.0.0 and at least "
        f"2027-02-01.\nUse acme_lib.total: call total with the same arguments. {message.url}"
    )
    copied = pickle.loads(pickle.dumps(message))
    assert (type(copied), copied.entry) == (type(message), message.entry)


def test_pythons_own_filters_show_it_once_a_line(names: dict[str, Any]) -> None:
    """Three uses in a loop at one line are one warning under the "default" action."""
    code = compile("for _ in range(3): acme_lib.old_total(1, 2)", "user.py", "exec")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        exec(code, {"__name__": "user_of_acme", **names})
    assert len(caught) == 1
    assert controls.report()[0].count == 3


def test_subclassing_warns_and_subclasses_do_not(names: dict[str, Any]) -> None:
    made = run("type('Mine', (acme_lib.OldConfig,), {})", names)
    assert [str(warning.message)[:8] for warning in made.caught] == ["EW-D9007"]
    assert run("made(3).level", {"made": made.value}).caught == []


def test_enum_member_is_the_identical_object(names: dict[str, Any]) -> None:
    color = names["acme_lib"].Color
    assert run("Color.GREY is Color.GRAY", {"Color": color}).value
    assert len(run("Color['GREY']", {"Color": color}).caught) == 1
    assert run("list(Color), Color(1), Color.BLUE", {"Color": color}).caught == []


def test_a_file_format_warns_once_for_each_file(names: dict[str, Any]) -> None:
    found = run("[acme_lib.read_file(name) for name in ('a', 'a', 'b')]", names)
    assert len(found.caught) == 2


def test_moved_names_are_listed_and_others_are_unknown(names: dict[str, Any]) -> None:
    assert {"LIMIT", "Failure", "total"} <= set(dir(names["acme_lib"]))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        run("acme_lib.nothing", names)
    with pytest.raises(AttributeError, match="no attribute"):
        run("importlib.import_module('acme_lib.old_shapes').nothing", names)


def test_what_is_removed_says_what_to_do(names: dict[str, Any]) -> None:
    with pytest.raises(AttributeError, match=r"EW-D9023: .* was removed in 2.0.0.\nUse acme_lib.MAX_SIZE"):
        run("acme_lib.GONE", names)
    with pytest.raises(TypeError, match=r"EW-D9024: acme_lib.scale\(ratio=\) was removed in 2.0.0.\nMultiply before"):
        run("acme_lib.scale(2, ratio=3)", names)


def test_old_and_new_parameter_together(names: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="both 'colour' and 'color'"), controls.error(ids=["EW-D9999"]):
        run("acme_lib.load('a', colour='red', color='blue')", names)
    with pytest.raises(TypeError, match="'form'.*twice"):
        run("acme_lib.save('a', 'zip', form='tar')", names)
    with pytest.raises(TypeError, match="positional"):
        run("acme_lib.save('a', 'zip', 'more')", names)


def test_option_that_is_not_given_is_silent(names: dict[str, Any]) -> None:
    assert run("run(command.build)", names).caught == []
    assert "deprecated" in run_command(names["command"].build, "--help").lower()


def test_old_exception_type_still_catches(names: dict[str, Any]) -> None:
    failure = run("acme_lib.Failure", names).value
    with pytest.raises(failure):
        raise names["acme_lib"].EngineFailure("new")


def test_soft_ones_are_counted_but_silent(names: dict[str, Any]) -> None:
    assert run("acme_lib.quiet_total(1, 2)", names).caught == []
    assert [use.id for use in controls.report()] == ["EW-D9025"]
    with controls.error(), controls.error(major=2):
        run("acme_lib.quiet_total(1, 2)", names)


def test_plan_notes_a_deprecated_operator(names: dict[str, Any]) -> None:
    plan = run("ew.build(operators.network(operators.Swish1), operators.CONFIG)", names).value
    assert plan.passport.deprecations == ("EW-D9029",)


def test_deprecated_command(library: Path) -> None:
    from enginewright.cli._deprecated import DeprecatedCommand

    entry = find_deprecation("EW-D9001")
    command = DeprecatedCommand("old", callback=lambda: click.echo("done"), deprecated=entry.label)
    found = run("run(command)", {"run": run_command, "command": command})
    assert found.value == "done\n"
    assert len(found.caught) == 1
