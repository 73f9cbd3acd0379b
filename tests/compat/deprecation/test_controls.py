"""ENGINEWRIGHT_DEPRECATIONS, `ew.deprecations.error` and `report`: each in a process of its own where it is one's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import enginewright as ew
from enginewright_compat.deprecation.controls import Errors, Settings, parse_settings
from enginewright_compat.deprecation.warning import EnginewrightDeprecationWarning, EnginewrightRemovalWarning
from tests.compat.deprecation.conftest import LIBRARY
from tests.compat.deprecation.examples import evaluate
from tests.repo.sources import ROOT

SCRIPT = """\
import enginewright_compat.deprecation.registry as registry
from pathlib import Path
registry.REGISTRY = Path({library!r}, "deprecations.toml")
import acme_lib
def work():
    acme_lib.old_total(1, 2)
    acme_lib.old_total(1, 2)
    acme_lib.Engine(4).begin()
    print("done")
"""


def run_script(control: str | None, folder: Path, main: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a script that uses two deprecated names, as a module that a program imports, or as `__main__`."""
    source = SCRIPT.format(library=str(LIBRARY))
    (folder / "user.py").write_text(source + ("work()\n" if main else ""))
    paths = [str(LIBRARY), str(folder), *(str(ROOT / room) for room in ("sdk", "compat"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment |= {"ENGINEWRIGHT_DEPRECATIONS": control} if control is not None else {}
    command = [str(folder / "user.py")] if main else ["-c", "import user; user.work()"]
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)


def test_without_control_a_developer_sees_it_and_a_user_does_not(tmp_path: Path) -> None:
    imported = run_script(None, tmp_path)
    assert (imported.stdout, imported.stderr) == ("done\n", "")
    main = run_script(None, tmp_path, main=True)
    assert main.stdout == "done\n"
    assert [f"EW-D900{number}: " in main.stderr for number in (1, 2)] == [True, True]
    assert "user.py:6: " in main.stderr


def test_warn_shows_it_everywhere_and_ignore_nowhere(tmp_path: Path) -> None:
    shown = run_script("warn", tmp_path)
    assert shown.stdout == "done\n"
    assert shown.stderr.count("EW-D9001: ") == 2  # two lines use it
    assert run_script("ignore", tmp_path, main=True).stderr == ""


@pytest.mark.parametrize(
    ("control", "line"), [("error", 6), ("error:2.0", 6), ("error:1", 0), ("error:EW-D9002", 8), ("warn,error:2", 6)]
)
def test_errors(control: str, line: int, tmp_path: Path) -> None:
    done = run_script(control, tmp_path)
    assert done.returncode == (1 if line else 0)
    assert f'user.py", line {line}, in work' in done.stderr or not line


def test_json_appends_ids_with_count_and_first_place(tmp_path: Path) -> None:
    path = tmp_path / "uses.json"
    for _ in range(2):
        assert run_script(f"ignore,json:{path}", tmp_path).stderr == ""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    place = f"{tmp_path / 'user.py'}:"
    first, second = ({"id": "EW-D9001", "count": 2, "place": f"{place}6"}, {"id": "EW-D9002", "count": 1})
    assert lines == [first, second | {"place": f"{place}8"}] * 2


def test_unknown_words_are_refused(tmp_path: Path) -> None:
    for control in ("errors", "json:", "error:two", "warn:1"):
        with pytest.raises(ValueError, match="ENGINEWRIGHT_DEPRECATIONS has"):
            parse_settings(control)
    done = run_script("loud", tmp_path)
    assert done.returncode == 1
    assert "write ignore, warn, error" in done.stderr


def test_settings() -> None:
    assert parse_settings("") == Settings()
    found = parse_settings("warn, error:2.0,error:EW-D0012,json:a.json")
    assert found == Settings(
        show=True, errors=(Errors(2), Errors(ids=frozenset(["EW-D0012"]))), reports=(Path("a.json"),)
    )


@pytest.mark.usefixtures("library")
def test_error_block_ends_and_nests() -> None:
    import acme_lib

    names = {"acme_lib": acme_lib}
    with ew.deprecations.error(major=1), pytest.warns(EnginewrightDeprecationWarning):
        evaluate("acme_lib.old_total(1, 2)", names)
    with ew.deprecations.error(major=2):
        with ew.deprecations.error(ids=["EW-D9099"]), pytest.raises(EnginewrightDeprecationWarning):
            evaluate("acme_lib.old_total(1, 2)", names)
        with pytest.raises(EnginewrightRemovalWarning):
            evaluate("acme_lib.loud_total(1, 2)", names)
    with pytest.warns(EnginewrightRemovalWarning):
        evaluate("acme_lib.loud_total(1, 2)", names)
    assert [(use.id, use.count, use.place) for use in ew.deprecations.report()] == [
        ("EW-D9001", 2, "user.py:7"),
        ("EW-D9033", 2, "user.py:7"),
    ]


def test_known_and_find() -> None:
    for entry in ew.deprecations.known():
        assert ew.deprecations.find(entry.id) is entry
    with pytest.raises(ew.UsageError, match="EW-D0000 is no known deprecation"):
        ew.deprecations.find("EW-D0000")


PYTESTS = """\
import acme_lib

def test_old():
    acme_lib.old_total(1, 2)

def test_new():
    acme_lib.total(1, 2)
"""


@pytest.mark.parametrize(("control", "failed"), [("error", 1), ("error:2.0", 1), ("error:1.0", 0), ("ignore", 0)])
def test_pytest_option(control: str, failed: int, tmp_path: Path) -> None:
    (tmp_path / "test_user.py").write_text(PYTESTS)
    source = SCRIPT.format(library=str(LIBRARY)).partition("def work")[0]
    (tmp_path / "conftest.py").write_text(source)
    paths = [str(LIBRARY), *(str(ROOT / room) for room in ("sdk", "compat"))]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "enginewright.tools.pytest_plugin"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, f"--enginewright-deprecations={control}", str(tmp_path)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"{2 - failed} passed" in done.stdout, done.stdout + done.stderr
    assert ("1 failed" in done.stdout) == bool(failed)
