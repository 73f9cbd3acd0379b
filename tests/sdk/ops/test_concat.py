"""Tests of the operators for tensors one after another."""

from __future__ import annotations

from enginewright.ops.concat import Concat
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (Concat,)
