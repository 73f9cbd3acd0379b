"""Tests of the operators for tensors repeated."""

from __future__ import annotations

from enginewright.ops.tile import Tile
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (Tile,)
