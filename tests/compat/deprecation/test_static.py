"""What is deprecated is flagged before it runs: by mypy, by pyright, and by the C compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from enginewright_compat.deprecation.c_header import header
from enginewright_compat.deprecation.registry import read_deprecations
from tests.compat.deprecation.conftest import LIBRARY
from tests.repo.sources import ROOT, text

SCRIPT = """\
import acme_lib

acme_lib.old_total(1, 2)
engine = acme_lib.Engine(4)
engine.begin()
acme_lib.Engine.make(1)
acme_lib.Engine.halve(1)
engine.velocity
engine.gear = 2
acme_lib.OldConfig(3)
acme_lib.load("a", colour="red")
acme_lib.load("a", fast=True)
acme_lib.sizes()
acme_lib.quiet_total(1, 2)
acme_lib.loud_total(1, 2)
acme_lib.total(1, 2)
engine.gear
"""
LINES = {3: 1, 5: 2, 6: 3, 7: 4, 8: 5, 9: 6, 10: 7, 11: 8, 12: 9, 13: 16, 14: 25, 15: 33}
ENTRIES = read_deprecations(LIBRARY / "deprecations.toml")
PATHS = os.pathsep.join([str(LIBRARY), *(str(ROOT / room) for room in ("sdk", "compat", "plugins"))])


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Write a user's script with one deprecated use a line."""
    path = tmp_path / "user.py"
    path.write_text(SCRIPT)
    return path


def test_mypy(script: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--enable-error-code=deprecated", "--follow-imports=silent", str(script)]
    options = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={ROOT / '.mypy_cache'}"]
    environment = {**os.environ, "MYPYPATH": PATHS}
    done = subprocess.run(
        [*command, *options], cwd=script.parent, env=environment, capture_output=True, text=True, check=False
    )
    found = {int(line.split(":")[1]): line for line in done.stdout.splitlines() if "[deprecated]" in line}
    assert found.keys() == LINES.keys(), done.stdout
    assert all(f"EW-D{9000 + number}: " in found[line] for line, number in LINES.items())


@pytest.mark.skipif(find_spec("basedpyright") is None or shutil.which("node") is None, reason="needs basedpyright")
def test_pyright(script: Path) -> None:
    settings = {"reportDeprecated": "error", "extraPaths": PATHS.split(os.pathsep), "typeCheckingMode": "off"}
    script.with_name("pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "-p", str(script.parent)]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=False)
    found = {
        item["range"]["start"]["line"] + 1: item["message"]
        for item in json.loads(done.stdout)["generalDiagnostics"]
        if item.get("rule") == "reportDeprecated"
    }
    assert found.keys() == LINES.keys(), found
    assert all(f"EW-D{9000 + number}: " in found[line] for line, number in LINES.items())


# ---- C --------------------------------------------------------------------------------------------------------------

USES = {
    "EW-D9030": 'int use(void) { return acme_open("a"); }',
    "EW-D9031": "int use(void) { return ACME_GREY; }",
    "EW-D9032": "int use(acme_options *o) { return o->fast; }",
}


def compile_c(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Compile a C file against the library's header and the macros of its registry."""
    (folder / "enginewright_deprecated.h").write_text(header(ENTRIES.values()))
    (folder / "use.c").write_text(f'#include "acme.h"\n{source}\n')
    command = [os.environ.get("CC", "cc"), "-fsyntax-only", "-Wall", "-Werror=deprecated-declarations"]
    command += [f"-I{LIBRARY}", f"-I{folder}", *options, str(folder / "use.c")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@needs_cc
@pytest.mark.needs_cc
@pytest.mark.parametrize("language", ["-xc", "-xc++"])
@pytest.mark.parametrize("identity", USES)
def test_a_use_in_c_fails_with_the_text(identity: str, language: str, tmp_path: Path) -> None:
    done = compile_c(tmp_path, USES[identity], language)
    assert done.returncode != 0
    assert f"{identity}: " in done.stderr
    assert ENTRIES[identity].migration[1:] in done.stderr


@needs_cc
@pytest.mark.needs_cc
@pytest.mark.parametrize("identity", USES)
def test_c_controls(identity: str, tmp_path: Path) -> None:
    """It can be silenced; hidden as the next major will hide it; and a plain include says nothing."""
    assert compile_c(tmp_path, USES[identity], "-DEW_NO_DEPRECATION_WARNINGS").returncode == 0
    assert compile_c(tmp_path, USES[identity], "-DEW_DISABLE_BEFORE=0x010900").stderr.count("deprecated") > 0
    hiding = ("-DEW_NO_DEPRECATION_WARNINGS", "-DEW_DISABLE_BEFORE=0x020000")
    hidden = compile_c(tmp_path, USES[identity], "-Werror=implicit-function-declaration", *hiding)
    assert hidden.returncode != 0
    assert "EW-D" not in hidden.stderr
    assert compile_c(tmp_path, "int use(void) { return ACME_BLUE; }", "-Wextra", "-Werror").stderr == ""


def test_every_c_symbol_is_tried() -> None:
    assert USES.keys() == {entry.id for entry in ENTRIES.values() if entry.kind == "c"}


def test_the_header_of_the_tree_is_the_registrys() -> None:
    entries = read_deprecations(ROOT / "compat/enginewright_compat/deprecations.toml").values()
    assert text("native/include/enginewright_deprecated.h") == header(entries), "run `make c-deprecations`"
