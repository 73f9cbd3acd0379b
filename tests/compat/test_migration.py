"""A script written for 0.1.0 is brought to this release with the warnings, `scan`, `fix` and the guide alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enginewright_release.tree import source_tree
from tests.repo.sources import ROOT

SCRIPT = """\
import numpy as np

import enginewright as ew
from enginewright import coverage

net = ew.Network("tiny")
net.output("y", net.relu(net.input("x", ew.float32, (2,))))
unsupported = [*ew.coverage(net).unsupported, *coverage(net).unsupported]
with ew.load(ew.build(net, ew.BuilderConfig(threads=1, timing_cache=""))) as engine:
    context = engine.create_context()
    context.bind_input("x", np.float32([-1, 2]))
    context.run()
    print(unsupported, context.output("y"), context.profile)
"""
ANSWER = "[] [0. 2.] 0\n"
PLACES = [("EW-D0001", 4), ("EW-D0001", 8), ("EW-D0001", 8), ("EW-D0002", 13)]


def run(*arguments: str, controls: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with this tree."""
    paths = os.pathsep.join(str(ROOT / room) for room in ("sdk", "compat", "plugins"))
    environment = {**os.environ, "PYTHONPATH": paths} | ({"ENGINEWRIGHT_DEPRECATIONS": controls} if controls else {})
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `enginewright deprecations`."""
    return run("-c", "from enginewright.cli import main; main()", "deprecations", *arguments)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Write the script as its author did."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_from_the_first_release_to_this(script: Path) -> None:
    warned = run(str(script))
    assert warned.stdout == ANSWER
    for identity, line in PLACES[1:]:
        assert f"{script}:{line}: EnginewrightDeprecationWarning: {identity}: " in warned.stderr
    found = command("scan", str(script))
    assert found.returncode == 1
    assert [f"{script}:{line}:" in found.stdout for _, line in PLACES] == [True] * len(PLACES)
    fixed = command("fix", "--write", str(script))
    assert (fixed.returncode, fixed.stderr) == (0, "1 files changed; 0 uses are left to do by hand\n")
    assert command("scan", str(script)).returncode == 0
    clean = run(str(script), controls="error")
    assert (clean.stdout, clean.returncode) == (ANSWER, 0), clean.stderr


@pytest.mark.parametrize("identity", sorted({identity for identity, _ in PLACES}))
def test_what_the_warning_leads_to(identity: str) -> None:
    """`show` names the guide, whose page is made of the same entry."""
    entry = source_tree().deprecations()[identity]
    shown = command("show", identity).stdout
    assert entry.url in shown
    assert entry.after in shown
    assert entry.guide.startswith("migrate/1.0#")
