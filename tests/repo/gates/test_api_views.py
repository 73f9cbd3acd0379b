"""Gate 10: the public interface is compared as griffe reads the sources, too, and its types are complete."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from enginewright_release.changes import change_problems, removal_problems
from enginewright_release.static import griffe_changes
from enginewright_release.stub import write_stub
from tests.repo.gates.registry import TREE, example, facts, step, this_step
from tests.repo.sources import ROOT

OLD = "class C:\n    def run(self, x: int, level: int = 3) -> int: ...\ndef f(a: int) -> int: ...\n"


def test_this_tree() -> None:
    last = TREE.last_release()
    if last is not None:
        changes = griffe_changes(TREE.snapshot(last, "pyi").read_text(encoding="utf-8"), write_stub())
        assert removal_problems(changes, this_step(last)) + change_problems(changes, this_step(last)) == []


def test_both_views_see_the_same_names() -> None:
    stub = write_stub()
    names = {subject.split(".")[1] for subject, what in facts().items() if what in ("function", "class", "enum")}
    missing = {name for name in names if not re.search(rf"^(class |def )?{name}\b", stub, re.MULTILINE)}
    assert missing == {"deprecations"}  # a module; its names come from the run-time walk


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (OLD.replace("def f(a: int) -> int: ...\n", ""), "enginewright.f is gone"),
        (OLD.replace("level: int = 3", "level: int = 2"), "enginewright.C.run#level"),
        (OLD.replace("level: int", "depth: int"), "enginewright.C.run#level is gone"),
        (OLD.replace("run(self, x: int,", "run(self, x: int, y: int,"), "enginewright.C.run#y"),
        (OLD.replace("    def run", "    def walk"), "enginewright.C.run is gone"),
    ],
)
def test_broken(new: str, problem: str) -> None:
    changes = griffe_changes(OLD, new)
    assert problem.partition(" ")[0] in {change.subject for change in changes}
    assert removal_problems(changes, step("1.10.0")) + change_problems(changes, step("1.10.0")) != []
    assert griffe_changes(OLD, OLD) == []
    assert griffe_changes(OLD, OLD + "def g() -> None: ...\n") == []


def test_a_renamed_parameter_with_an_entry() -> None:
    changes = griffe_changes(OLD, OLD.replace("level: int = 3", "depth: int = 3"))
    entry = example(target="param:enginewright.C.run#level", kind="parameter")
    assert removal_problems(changes, step("1.10.0", entry)) + change_problems(changes, step("1.10.0", entry)) == []


@pytest.mark.long
@pytest.mark.skipif(find_spec("basedpyright") is None or shutil.which("node") is None, reason="needs basedpyright")
def test_types_are_complete() -> None:
    """pyright can tell the type of everything; what is "partially unknown" is so by msgspec, which is C."""
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--verifytypes", "enginewright"]
    paths = os.pathsep.join(str(ROOT / room) for room in ("sdk", "compat"))
    done = subprocess.run(
        [*command, "--ignoreexternal", "--outputjson"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)["typeCompleteness"]
    messages = {f"{s['name']}: {d['message']}" for s in report["symbols"] if s["isExported"] for d in s["diagnostics"]}
    unknown = {m for m in messages if re.search(r"unknown|annotation is missing|missing type annotation for", m)}
    assert {m for m in unknown if not re.search(r"partially|class unknown", m)} == set()
    missing = ("missingFunctionDocStringCount", "missingClassDocStringCount", "missingDefaultParamCount")
    assert [report[name] for name in missing] == [0, 0, 0]
    assert len(report["symbols"]) > 1000
