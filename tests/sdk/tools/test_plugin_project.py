"""`plugin new`: the project it writes is installed, its tests pass, and a model is built with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import enginewright as ew
from enginewright.tools.plugin_project import new_plugin

# Where the SDK is installed in place, its own module stands in the distribution with the pytest plugin.
EDITABLE = "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"


def python(folder: Path, site: Path, *arguments: str) -> str:
    """Run Python with the project's distribution on the path, as after an installation."""
    path = os.pathsep.join([str(site), *(entry for entry in sys.path if entry)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(project: Path, site: Path) -> None:
    """Install a project into a folder, with the build tools of this environment."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
    done = subprocess.run([*pip, str(project)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("level", "replaces"),
    [
        (0, False),
        (2, False),
        pytest.param(1, True, marks=pytest.mark.needs_cc),
        pytest.param(3, False, marks=pytest.mark.needs_cc),
    ],
)
def test_written_installed_tested(tmp_path: Path, level: int, replaces: bool) -> None:
    new_plugin(tmp_path, "acme-plugins", level=level, replaces=replaces)
    project, site = tmp_path / "acme-plugins", tmp_path / "site"
    install(project, site)
    out = python(project, site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-W", EDITABLE)
    assert "passed" in out
    assert "failed" not in out
    rows = python(project, site, "-c", "from enginewright.cli import main; main(['plugin', 'list', '--load'])")
    assert "acme::Swish@1" in rows
    assert "acme-plugins" in rows


def test_style_of_what_is_written(tmp_path: Path) -> None:
    for level in (0, 1, 2, 3):
        files = new_plugin(tmp_path, f"acme-{level}-plugins", level=level, replaces=True)
        assert all(not re.search("@[A-Z_]+@", file.read_text()) for file in files)
        project_folder = tmp_path / f"acme-{level}-plugins"
        for words in (["check"], ["format", "--check", "--line-length=120"]):
            subprocess.run(
                [sys.executable, "-m", "ruff", *words, "-q", "--no-cache", "."], check=True, cwd=project_folder
            )
        with (project_folder / "pyproject.toml").open("rb") as file:
            project: dict[str, Any] = tomllib.load(file)
        points = project["project"]["entry-points"]
        assert set(points) == {"enginewright.plugins", "enginewright.extensions"}
        assert points["enginewright.plugins"] == {f"acme_{level}": f"acme_{level}_plugins"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Acme", {}, "no name of a distribution"),
        ("../acme", {}, "no name of a distribution"),
        ("acme", {"namespace": "Acme"}, "no namespace of yours"),
        ("acme", {"namespace": "ai.onnx"}, "no namespace of yours"),
    ],
)
def test_names_that_cannot_be_used(tmp_path: Path, name: str, options: Any, message: str) -> None:
    with pytest.raises(ew.UsageError, match=message):
        new_plugin(tmp_path, name, **options)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new_plugin(tmp_path, "acme")
    with pytest.raises(ew.UsageError, match="exists already"):
        new_plugin(tmp_path, "acme")
