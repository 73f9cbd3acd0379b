"""Every planted fault is found and named, by the lines that are meant for it and by no other; this process survives."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright.testing import check_plugin, line_names
from tests.sdk.testing.planted import CRASHES, GOOD, HOOKS, KERNELS, OPERATORS, Fault, kernel, operator

SLOW = {"behaviour/threads", "behaviour/growth", "life/new-process", "life/removed"}
"""Lines that run only for the faults that they are there for."""


def lines_for(fault: Fault) -> list[str]:
    """All lines but the slow ones of other faults."""
    return [name for name in line_names() if name not in SLOW or name in fault.lines]


@pytest.mark.parametrize("fault", OPERATORS, ids=str)
def test_in_an_operator(fault: Fault, plugin: Any) -> None:
    report = check_plugin(plugin(fault.source), only=lines_for(fault))
    assert tuple(line.name for line in report.failures) == fault.lines, report
    assert any(fault.words in str(line) for line in report.failures), report


@pytest.mark.needs_cc
@pytest.mark.parametrize("fault", KERNELS, ids=str)
def test_in_a_kernel(fault: Fault, plugin: Any) -> None:
    report = check_plugin(plugin(fault.source), only=lines_for(fault))
    assert tuple(line.name for line in report.failures) == fault.lines, report
    assert any(fault.words in str(line) for line in report.failures), report


@pytest.mark.needs_cc
@pytest.mark.parametrize("fault", CRASHES, ids=str)
def test_that_ends_the_process(fault: Fault, plugin: Any) -> None:
    seconds = 10 if "ran for" in fault.words else 120
    report = check_plugin(plugin(fault.source), subprocess=True, only=("state/refused", *fault.lines), seconds=seconds)
    assert fault.lines[0] in [line.name for line in report.failures], report
    assert any(fault.words in str(line) for line in report.failures), report
    assert len(report.lines) == 1 + len(fault.lines)


@pytest.mark.needs_cc
@pytest.mark.parametrize("name", GOOD)
def test_without_a_fault(name: str, plugin: Any) -> None:
    report = check_plugin(plugin(GOOD[name]))
    assert report.passed, report
    tactics = [
        line.outcome for line in report.lines if line.group in ("tactics", "memory") and line.name[-6:] != "shared"
    ]
    assert set(tactics) == {"passed"}


def test_the_number_of_faults() -> None:
    assert len({fault.name for fault in (*OPERATORS, *KERNELS, *CRASHES)}) >= 25 + len(HOOKS)
    assert operator() != kernel()
