"""Tests of the operators for elements picked by index."""

from __future__ import annotations

from enginewright.ops.gather import Gather, GatherElements, GatherND
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (Gather, GatherElements, GatherND)
