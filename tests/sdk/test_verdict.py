"""`plan_info` answers before anything is loaded, for any release's file, with every reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enginewright import errors
from enginewright.verdict import plan_info
from enginewright_compat.passport import PluginUse, Target
from enginewright_compat.rules import Level
from enginewright_compat.version import running_version
from tests.compat.artifacts import example_cache, example_passport, example_plan, take_apart


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Return the path of a plan that loads here."""
    path = tmp_path / "tiny.plan"
    path.write_bytes(example_plan())
    return path


def test_ok(plan: Path) -> None:
    info = plan_info(plan)
    assert (info.path, info.kind, info.version) == (str(plan), "plan", running_version())
    assert (info.verdict, info.reasons) == (Level.OK, ())
    assert info.passport == example_passport()
    assert info.file_size == plan.stat().st_size
    assert not info.signed
    assert not info.has_code


def test_cache(tmp_path: Path) -> None:
    path = tmp_path / "a.timing"
    path.write_bytes(example_cache())
    assert plan_info(str(path)).kind == "timing cache"


def test_suboptimal(plan: Path) -> None:
    plan.write_bytes(example_plan(timings="heuristic"))
    assert plan_info(plan).verdict is Level.SUBOPTIMAL


def test_incompatible_with_every_reason(plan: Path) -> None:
    use = PluginUse("none::A@1", "none-ops", "1.0", "", "t", 1, "", "", needed=True)
    version = str(running_version()._replace(minor=77))
    plan.write_bytes(example_plan(enginewright=version, target=Target("other"), plugins=(use,)))
    info = plan_info(plan)
    assert info.verdict is Level.INCOMPATIBLE
    assert [reason.code for reason in info.reasons] == ["EW-P003", "EW-P006", "EW-G001"]


def test_newer_format(plan: Path) -> None:
    parts = take_apart(plan.read_bytes())
    parts.prefix.update(format_major=2, major=9)
    plan.write_bytes(parts.seal_frame())
    info = plan_info(plan)
    assert info.passport is None
    assert [reason.code for reason in info.reasons] == ["EW-P003", "EW-P004"]


def test_damaged_weights_are_not_noticed_but_a_damaged_header_is(plan: Path) -> None:
    data = bytearray(plan.read_bytes())
    data[-100] ^= 1
    plan.write_bytes(data)
    assert plan_info(plan).verdict is Level.OK
    data[100] ^= 1
    plan.write_bytes(data)
    with pytest.raises(errors.PlanCorrupt) as caught:
        plan_info(plan)
    assert caught.value.where == str(plan)


def test_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(errors.PlanNotRecognized):
        plan_info(tmp_path / "missing")


def test_needs_neither_numpy_nor_native_code(plan: Path) -> None:
    program = """import sys
from enginewright.verdict import plan_info
print(plan_info(sys.argv[1]).verdict.name)
print(*(m for m in sys.modules if m.split(".")[0] in {"numpy", "cffi", "msgspec", "blake3", "click", "rich", "onnx"}))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", program, str(plan)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == ["OK", ""]
