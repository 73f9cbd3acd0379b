"""Makes a release: python -m enginewright_release X.Y.Z (`make release VERSION=X.Y.Z`).

Fills the dates of new deprecations, keeps the public interface and golden artifacts, writes the changelog, runs the
gates, commits, tags, and begins the development of the next minor. What it changed is undone if a step fails.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys

from enginewright_compat.deprecation.c_header import header
from enginewright_compat.deprecation.registry import months_later, numbers
from enginewright_compat.layout import FORMAT
from enginewright_compat.version import Version, parse_version, write_version
from enginewright_release.c_interface import HEADER, abi_version
from enginewright_release.tree import Tree, source_tree

GATES = ("tests/repo/gates", "tests/compat/test_golden.py", "tests/compat/test_releases.py")


class ReleaseError(Exception):
    """Why a release cannot be made, and what to do."""


def release(tree: Tree, version: str, day: datetime.date) -> None:
    """Make a release of a clean tree, as two commits and a tag."""
    check(tree, version)
    build = int(git(tree, "rev-list", "--count", "HEAD")) + 1
    try:
        prepare(tree, parse_version(f"{version}+{build}"), day)
        run_gates(tree)
        commit(tree, f"Release {version}")
        git(tree, "tag", "-a", f"v{version}", "-m", f"Release {version}+{build}")
        major, minor, _ = numbers(version)
        following = f"{major}.{minor + 1}.0"
        tree.set_version(following)
        commit(tree, f"Development of {following} begins")
    except BaseException:
        git(tree, "reset", "-q", "--hard", git(tree, "rev-parse", "HEAD"))
        git(tree, "clean", "-qfd", "compat/api", "tests/golden")
        raise


def check(tree: Tree, version: str) -> None:
    """Refuse a tree that is not clean, a version that is no step, a release without news."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"{version!r} is no version: write X.Y.Z")
    if git(tree, "status", "--porcelain"):
        raise ReleaseError("the tree has changes: commit them first")
    newer = [known for known in tree.releases() if numbers(known) >= numbers(version)]
    if newer:
        raise ReleaseError(f"{version} is not above the release {newer[-1]}")
    if not list((tree.root / "docs/changelog.d").glob("+*.md")):
        raise ReleaseError("nothing has changed for users: docs/changelog.d has no fragment")


def prepare(tree: Tree, version: Version, day: datetime.date) -> None:
    """Write everything that a release is made of."""
    tree.set_version(version.public)
    fill_dates(tree, version.public, day)
    text = header(tree.deprecations().values())
    (tree.root / "native/include/enginewright_deprecated.h").write_text(text, encoding="utf-8")
    add_release(tree, version, day)
    python(tree, "enginewright_release.keep")
    built = tree.root / "compat/enginewright_compat/_version.py"
    write_version(built, version)
    try:
        python(tree, "enginewright_release.golden")
    finally:
        built.unlink()
    python(tree, "towncrier", "build", "--yes", f"--version={version.public}", f"--date={day}")


def fill_dates(tree: Tree, version: str, day: datetime.date) -> None:
    """Put version and dates where the registry says "next"; entries that do not warn yet keep it."""
    text = tree.registry.read_text(encoding="utf-8")
    waiting = {e.id for e in tree.deprecations().values() if e.since == "next" and e.stage in ("warn", "loud")}
    parts = re.split(r"(?m)^(?=\[)", text)
    dates = f'since = "{version}"\nsince_date = {day}\nnot_before = {months_later(day)}'
    for index, part in enumerate(parts):
        if re.match(r"\[([\w-]+)\]", part) and re.match(r"\[([\w-]+)\]", part)[1] in waiting:  # type: ignore[index]
            parts[index] = part.replace('since = "next"', dates)
    tree.registry.write_text("".join(parts), encoding="utf-8")


def add_release(tree: Tree, version: Version, day: datetime.date) -> None:
    """Append a release to the table."""
    from enginewright.plan.meta import SCHEMA

    abi = abi_version((tree.root / HEADER).read_text(encoding="utf-8"))
    text = tree.releases_file.read_text(encoding="utf-8").rstrip("\n")
    facts = f'build = {version.build}\ndate = {day}\nabi = "{abi}"\nformat = "{FORMAT[0]}.{FORMAT[1]}"'
    tree.releases_file.write_text(
        f'{text}\n\n["{version.public}"]\n{facts}\nrecipe_schema = {SCHEMA}\n', encoding="utf-8"
    )


def run_gates(tree: Tree) -> None:
    """Run the gates on the tree as it will be released."""
    python(tree, "pytest", "-q", "-m", "not long", "-p", "no:cacheprovider", *GATES)


# ---- other programs -------------------------------------------------------------------------------------------------


def git(tree: Tree, *arguments: str) -> str:
    """Run git in the tree; return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=tree.root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def python(tree: Tree, module: str, *arguments: str) -> None:
    """Run a module in the tree, with the tree's own packages."""
    rooms = [str(tree.root / room) for room in ("sdk", "compat", "plugins")] + [str(tree.root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(rooms)}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=tree.root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{module} failed:\n{(done.stdout + done.stderr)[-6000:]}")


def commit(tree: Tree, message: str) -> None:
    """Commit everything."""
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", message)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make release", description="Make a release.")
    parser.add_argument("version", help="X.Y.Z")
    parser.add_argument("--date", type=datetime.date.fromisoformat, default=datetime.date.today(), help="YYYY-MM-DD")
    given = parser.parse_args()
    try:
        release(source_tree(), given.version, given.date)
    except ReleaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
