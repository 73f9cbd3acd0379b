"""Tests of the operators for a tensor cut."""

from __future__ import annotations

from enginewright.ops.split import Split
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (Split,)
