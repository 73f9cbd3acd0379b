"""Tests of which fused programs are an epilogue that kernels have."""

from __future__ import annotations

import pytest

from enginewright.ops.pointwise import Builder
from enginewright.tactics.epilogue import RELU, Epilogue, epilogue_of
from enginewright.tensors import TensorSpec, float16

OUTPUT = TensorSpec(float16, (4, 8))


def test_bias_relu_residual() -> None:
    p = Builder(float16, float16, float16)
    x = p.max(p.add(p.inputs[0], p.inputs[1]), p.constant(float16, 0))
    found = epilogue_of(p.finish(p.add(x, p.inputs[2])), [TensorSpec(float16, (8,)), OUTPUT], OUTPUT)
    assert isinstance(found, Epilogue)
    assert (found.activation, found.inputs, found.activate_first) == (RELU, (0, 1), True)


@pytest.mark.parametrize("name", ["neg", "exp", "abs"])
def test_a_function_that_kernels_lack_has_a_reason(name: str) -> None:
    p = Builder(float16)
    found = epilogue_of(p.finish(p.apply(name, p.inputs[0])), [], OUTPUT)
    assert found == f"the kernel has no epilogue with {name} here"
