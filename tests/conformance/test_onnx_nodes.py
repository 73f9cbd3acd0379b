"""Every backend test of onnx passes, or is named with a reason in the list of skips."""

from __future__ import annotations

import onnx
import pytest

from tests.conformance.onnx_nodes import (
    listed_version,
    load_cases,
    load_native,
    load_passes,
    load_skips,
    run_case,
    try_case,
)

REQUIRED = 1984  # of the 2,024 tests of onnx 1.23: 98 %
UPDATE = "python -m tests.conformance.onnx_nodes --update"


@pytest.mark.parametrize("name", load_cases())
def test_node(name: str) -> None:
    """A listed test passes; one that is new in this onnx is tried, and reported."""
    if reason := load_skips().get(name):
        pytest.skip(reason)
    case = load_cases()[name]
    if name in load_passes():
        native = run_case(case)
        assert native or name not in load_native(), "a layer runs in Python, which had a native kernel"
    elif isinstance(failure := try_case(case), str):
        pytest.xfail(f"not in the list of passes: {failure}")
    else:
        pytest.skip(f"passes, but is in neither list: {UPDATE}")


def test_enough_pass() -> None:
    """The number of tests that must pass never falls below what was promised."""
    assert len(load_passes()) >= REQUIRED


def test_lists_are_complete() -> None:
    """With the onnx of the lists, each test is in exactly one of them."""
    both = load_passes() & set(load_skips())
    assert not both, f"must pass, and is skipped as well: {sorted(both)}"
    if onnx.__version__ == listed_version():
        unlisted = set(load_cases()) - load_passes() - set(load_skips())
        assert not unlisted, f"in neither list; run {UPDATE}, or name the reason in node_skips.toml: {sorted(unlisted)}"
        unknown = (load_passes() | set(load_skips())) - set(load_cases())
        assert not unknown, f"onnx has no such test: {sorted(unknown)}"
