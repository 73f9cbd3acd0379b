"""Every bundled operator passes the test kit, has a native tactic that a build times, and a place in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
import enginewright_plugins
from enginewright.registry.registry import registry
from enginewright.testing import check_plugin
from tests.plugins.operators import QUIET
from tests.repo.sources import text

FOLDER = Path(str(enginewright_plugins.__file__)).parent
OPERATORS = sorted(
    (cls for key, cls in registry.operators.items() if key.namespace == "ew_plugins"), key=lambda cls: str(cls.KEY)
)
each = pytest.mark.parametrize("cls", OPERATORS, ids=lambda cls: cls.KEY.name)


def test_the_package_names_them_all() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")}
    assert {name for name in modules if not name.startswith("_")} == set(enginewright_plugins.__all__)
    assert len(OPERATORS) == 10


@each
def test_kit(cls: Any) -> None:
    """Shapes, tactics and memory."""
    report = check_plugin(str(cls.KEY.base), only=["shapes", "tactics", "memory"])
    assert report.passed, report


@pytest.mark.long
@each
def test_whole_kit(cls: Any) -> None:
    report = check_plugin(str(cls.KEY.base))
    assert report.passed, report


@each
def test_a_build_times_kernel_and_reference(cls: Any) -> None:
    """Also where sizes depend on data."""
    op, inputs = next(iter(cls.examples()))
    net = ew.Network()
    specs = [ew.TensorSpec(ew.DataType.of(i), i.shape) if isinstance(i, np.ndarray) else i for i in inputs]
    tensors = [None if s is None else net.input(f"x{i}", s.dtype, s.shape) for i, s in enumerate(specs)]
    for index, tensor in enumerate(net.add(op, *tensors)):
        net.output(f"y{index}", tensor)
    (layer,) = ew.build(net, QUIET).report.layers
    (kernel,) = (tactic for tactic in registry.tactics_of(cls) if tactic.device == "cpu")
    assert {timing.tactic for timing in layer.candidates} == {kernel.name, "reference"}
    assert {item.reason for item in layer.rejected} <= {"runs on cuda, and this plan is for the CPU"}


@each
def test_documented(cls: Any) -> None:
    headings = [line for line in text("docs/bundled-plugins.md").splitlines() if line.startswith("## ")]
    assert sum(cls.KEY.name in line.replace(",", "").split() for line in headings) == 1
