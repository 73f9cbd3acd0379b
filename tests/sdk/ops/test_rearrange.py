"""Tests of the operators for data set out in other ways."""

from __future__ import annotations

from typing import ClassVar

from enginewright.ops.rearrange import CenterCropPad, Col2Im, DepthToSpace, ReverseSequence, SpaceToDepth, Trilu
from tests.sdk.ops.examples import ExampleTests


class TestExamples(ExampleTests):
    operators = (CenterCropPad, Col2Im, DepthToSpace, ReverseSequence, SpaceToDepth, Trilu)
    constants: ClassVar = {Col2Im: (2,)}
