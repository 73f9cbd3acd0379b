"""Tests of the operators for axes repeated."""

from __future__ import annotations

from enginewright.ops.expand import Expand
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (Expand,)
