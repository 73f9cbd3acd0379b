"""Tests of the operators for axes in another order."""

from __future__ import annotations

from enginewright.ops.transpose import Transpose
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (Transpose,)
