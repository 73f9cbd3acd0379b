"""The release command, in a clone: what it writes, what it refuses, and that a failure leaves the tree as it was."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from enginewright_compat.deprecation.registry import read_deprecations
from enginewright_release.__main__ import GATES, ReleaseError, check, fill_dates, release
from enginewright_release.tree import Tree
from tests.repo.sources import ROOT, tracked

DAY = datetime.date(2030, 1, 31)
ENTRY = """
[EW-D{number:04}]
target = "enginewright.old"
kind = "function"
stage = "{stage}"
since = "next"
removal_in = "2.0.0"
replacement = "enginewright.build"
migration = "Call build."
guide = "migrate/2.0#old"
autofix = "rename"
before = ""
after = ""
"""


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def small(tmp_path: Path) -> Tree:
    """Make a small tree with what the checks and dates look at, committed."""
    for name in ("compat/enginewright_compat/releases.toml", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    tree = Tree(tmp_path)
    tree.releases_file.write_text("# none\n")
    tree.registry.write_text("# Head.\n" + ENTRY.format(number=1, stage="warn") + ENTRY.format(number=2, stage="soft"))
    (tmp_path / "docs/changelog.d").mkdir(parents=True)
    (tmp_path / "docs/changelog.d/+new.added.md").write_text("New.\n")
    git(tmp_path, "init", "-q")
    identify(tmp_path)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "all")
    return tree


def identify(root: Path) -> None:
    git(root, "config", "user.name", "tests")
    git(root, "config", "user.email", "tests@localhost")


def test_dates_are_filled_where_it_warns(small: Tree) -> None:
    fill_dates(small, "1.4.0", datetime.date(2028, 2, 29))
    warns, soft = read_deprecations(small.registry).values()
    assert (warns.since, warns.since_date, warns.not_before) == (
        *("1.4.0", datetime.date(2028, 2, 29), datetime.date(2029, 3, 1)),
    )
    assert (soft.since, soft.since_date, soft.not_before) == ("next", None, None)
    assert small.registry.read_text().startswith("# Head.\n")


def test_refusals(small: Tree) -> None:
    check(small, "9.0.0")
    with pytest.raises(ReleaseError, match="no version"):
        check(small, "9.0")
    facts = 'build = 1\ndate = 2026-02-01\nabi = "1.0"\nformat = "1.0"\nrecipe_schema = 1\n'
    small.releases_file.write_text(f'["9.0.0"]\n{facts}')
    with pytest.raises(ReleaseError, match="has changes"):
        check(small, "9.1.0")
    git(small.root, "commit", "-qam", "released")
    for version in ("9.0.0", "8.9.9"):
        with pytest.raises(ReleaseError, match="not above the release 9.0.0"):
            check(small, version)
    (small.root / "docs/changelog.d/+new.added.md").unlink()
    git(small.root, "commit", "-qam", "no news")
    with pytest.raises(ReleaseError, match="no fragment"):
        check(small, "9.1.0")


def test_a_failure_leaves_the_tree_as_it_was(small: Tree) -> None:
    before = git(small.root, "rev-parse", "HEAD")
    with pytest.raises((ReleaseError, FileNotFoundError)):
        release(small, "9.0.0", DAY)  # this tree has no header
    assert git(small.root, "rev-parse", "HEAD") == before
    assert git(small.root, "status", "--porcelain") == ""


@pytest.fixture
def clone(tmp_path: Path) -> Tree:
    """Clone this tree as it stands, changes that are not committed included, with what `make native` built."""
    root = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--no-tags", str(ROOT), str(root))
    git(root, "rm", "-rq", ".")
    names = [*tracked(), "sdk/enginewright/_native/_abi.py", "sdk/enginewright/_native/libenginewright.so"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((ROOT / name).read_bytes())
    identify(root)
    (root / "docs/changelog.d/+clone.added.md").write_text("A clone.\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "as it stands")
    return Tree(root)


@pytest.mark.long
def test_release(clone: Tree) -> None:
    """A whole release of this tree, and the next one after it."""
    version, build = "77.0.0", int(git(clone.root, "rev-list", "--count", "HEAD")) + 1
    command = [sys.executable, "-m", "enginewright_release", version, f"--date={DAY}"]
    rooms = os.pathsep.join(str(clone.root / room) for room in ("sdk", "compat", "plugins"))
    environment = {**os.environ, "PYTHONPATH": rooms}
    subprocess.run(command, cwd=clone.root, env=environment, check=True)
    assert git(clone.root, "log", "-2", "--format=%s").splitlines() == [
        "Development of 77.1.0 begins", f"Release {version}",
    ]  # fmt: skip
    assert git(clone.root, "rev-list", "--count", f"v{version}") == str(build)
    assert git(clone.root, "status", "--porcelain") == ""
    facts = tomllib.loads(clone.releases_file.read_text())[version]
    assert (facts["build"], facts["date"]) == (build, DAY)
    assert (clone.version, list(clone.releases())[-1]) == ("77.1.0", version)
    snapshot = json.loads(clone.snapshot(version).read_text())
    assert (snapshot["version"], snapshot["facts"]["enginewright.build"]) == (version, "function")
    assert "def build(" in clone.snapshot(version, "pyi").read_text()
    assert f"## {version} ({DAY})" in (clone.root / "CHANGELOG.md").read_text()
    assert list((clone.root / "docs/changelog.d").glob("+*")) == []
    assert (clone.golden(version) / "mlp.plan").stat().st_size <= 8 << 10
    tests = [sys.executable, "-m", "pytest", "-q", "-m", "not long", "-p", "no:cacheprovider", *GATES]
    subprocess.run(tests, cwd=clone.root, env=environment, check=True)
