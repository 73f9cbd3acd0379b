"""Tactics of CUDA matrix products refuse what their kernels refuse, which needs no GPU."""

from __future__ import annotations

import pytest

from enginewright import tactics
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.registry.registry import registry
from enginewright.tensors import TensorSpec, float16


def taken(op: Gemm | MatMul, *shapes: tuple[int, ...]) -> set[str]:
    """The tactics by bulk copies that take a product of constant weights."""
    tactics.load()
    a, b = (TensorSpec(float16, shape) for shape in shapes)
    weights = TensorSpec(float16, b.shape, constant=True)
    found = {item.name: item.plan(op, a, weights) for item in registry.tactics_of(type(op)) if "bulk" in item.name}
    return {name for name, launch in found.items() if not isinstance(launch, str)}


@pytest.mark.parametrize(("op", "right"), [(Gemm(trans_b=True), (100, 128)), (MatMul(), (128, 100))])
def test_sums_are_shared_in_rows_of_whole_vectors_only(op: Gemm | MatMul, right: tuple[int, ...]) -> None:
    def sharing(names: set[str]) -> set[str]:
        return {name for name in names if name.startswith(("gemm_bulk6", "gemm_bulk7"))}

    narrow = taken(op, (100, 128), right)
    assert narrow
    assert not sharing(narrow)
    assert sharing(taken(op, (100, 128), tuple(104 if size == 100 else size for size in right)))
