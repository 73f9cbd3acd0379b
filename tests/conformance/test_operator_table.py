"""The table of operators says what is true now."""

from __future__ import annotations

import json
from typing import Any

import onnx
import pytest

from tests.conformance.onnx_nodes import listed_version
from tests.conformance.operator_table import TABLE, row_of, single_nodes

UPDATE = "write it again: python -m tests.conformance.operator_table"
QUICK = ("ai.onnx::Add", "ai.onnx::Hardmax", "ai.onnx::StringConcat", "ai.onnx::Squeeze")


def check(names: Any) -> None:
    table, cases = json.loads(TABLE.read_text()), single_nodes()
    stale = [name for name in names if json.loads(json.dumps(vars(row_of(cases[name])))) != table[name]]
    assert not stale, UPDATE


@pytest.mark.skipif(onnx.__version__ != listed_version(), reason="the table is of another onnx")
def test_some_operators() -> None:
    assert json.loads(TABLE.read_text()).keys() == single_nodes().keys(), UPDATE
    check(QUICK)


@pytest.mark.long
@pytest.mark.skipif(onnx.__version__ != listed_version(), reason="the table is of another onnx")
def test_all_operators() -> None:
    check(single_nodes())
