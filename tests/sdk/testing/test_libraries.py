"""Prebuilt libraries in the test kit: one for another C interface is a finding, copies of a good one are refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from enginewright.device.c_compiler import FLAGS, compiled
from enginewright.testing import check_plugin
from tests.sdk.testing.planted import ANSWER, operator

pytestmark = pytest.mark.needs_cc
SOURCE = """
#include "enginewright.h"
static int32_t twice(const ew_call *call) {
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    for (int64_t i = 0; i < call->params[0].i; ++i) y[i] = x[i] * (float)call->params[1].f;
    return EW_OK;
}
"""
RECORD = 'EW_PLUGIN("acme", "BUILD", EW_ENTRY(twice))'


def tactic_of(path: Path) -> str:
    """An operator with a tactic in this library."""
    declared = f'\n\n@ew.tactic(Op, kernel=ew.library("{path}")["twice"])\ndef op_library(op, x):\n    {ANSWER}\n'
    return operator() + declared


def build(folder: Path, record: str = RECORD) -> Path:
    """The library; its build id is new in each folder."""
    path = folder / "acme.so"
    source = SOURCE + record.replace("BUILD", f"{folder.name} {hash(folder)}")
    shutil.copy(compiled(source, FLAGS, "twice"), path)
    return path


def test_a_good_one(plugin: Any, tmp_path: Path) -> None:
    report = check_plugin(plugin(tactic_of(build(tmp_path))), only=["tactics", "memory/guards", "life/abi"])
    assert report.passed, report
    assert {line.name for line in report.lines if line.outcome == "skipped"} == set()


@pytest.mark.parametrize(("major", "minor"), [("EW_ABI_MAJOR + 1", "0"), ("EW_ABI_MAJOR", "EW_ABI_MINOR + 1")])
def test_one_for_another_interface(plugin: Any, tmp_path: Path, major: str, minor: str) -> None:
    record = (
        '#include "enginewright.h"\nstatic const ew_kernel kernels[] = {EW_ENTRY(twice)};\n'
        f"EW_EXPORT const ew_plugin ew_plugin_v1 = {{sizeof(ew_plugin), {major}, {minor}, 1, "
        '"acme", "BUILD", kernels};'
    )
    report = check_plugin(plugin(tactic_of(build(tmp_path, record))), only=["tactics/kernels", "life/abi"])
    (failed,) = report.failures
    assert failed.name == "tactics/kernels"
    assert "EW-G005" in failed.problems[0]
    assert "was built for the C interface" in failed.problems[0]


def test_one_that_is_not_there(plugin: Any, tmp_path: Path) -> None:
    report = check_plugin(plugin(tactic_of(tmp_path / "none.so")), only=["tactics/kernels"])
    assert "tactic op_library" in report.failures[0].problems[0]
