"""The steps of the architecture page for a new operator, followed on a copy of the tree: nothing else has to change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, text, tracked

FILE = re.compile(r"^```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHECKS = ["tests/sdk/ops/test_roll.py", "tests/sdk/tactics/test_conformance.py", "tests/repo"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree with the files of the page added."""
    for name in tracked():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    files = FILE.findall(text("docs/architecture.md"))
    assert len(files) == 4
    for name, content in files:
        assert not (tmp_path / name).exists(), f"{name} is there already"
        (tmp_path / name).write_text(content, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def compile_again(tree: Path) -> None:
    """`make native methods`, without the sources for CUDA; where ccache is installed, it knows all but the new ones."""
    known = os.environ | {"CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    configure = ["cmake", "-S", "native", "-B", "build/native", "-G", "Ninja", "-DEW_CUDA=OFF"]
    make = ["make", "native", "methods", f"PYTHON={sys.executable}"]
    for command in ([*configure, f"-DPython3_EXECUTABLE={sys.executable}"], make):
        done = subprocess.run(command, cwd=tree, env=known, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.long
def test_steps(tree: Path) -> None:
    compile_again(tree)
    run = [sys.executable, "-m", "pytest", "-v", "-m", "not long", "-k", "roll or Roll or methods or shown", *CHECKS]
    paths = ":".join(str(tree / folder) for folder in ("sdk", "compat", "plugins"))
    environment = {"PYTHONPATH": paths, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tree)}
    done = subprocess.run(run, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "test_tactics_agree_with_the_reference[Roll-3] PASSED" in done.stdout
