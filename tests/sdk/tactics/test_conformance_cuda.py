"""Every CUDA tactic gives what its operator's reference gives: float32 examples, and the same in 16 bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from enginewright.compiler.candidates import candidates
from enginewright.errors import EnginewrightError
from enginewright.ops.pointwise import Builder, Fused, PointwiseProgram
from enginewright.registry.registry import registry
from enginewright.tensors import DataType, TensorSpec, bfloat16, float16, float32
from tests.sdk.tactics.one_step import OneLayer, arrays_of, assert_close

pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("gpu")]


def examples() -> Iterator[Any]:
    """Each example of each operator that has a CUDA tactic, in each type of floats."""
    for key in sorted(registry.tactics):
        if not any(tactic.device == "cuda" for tactic in registry.tactics[key]):
            continue
        for number, (op, inputs) in enumerate(registry.operators[key].examples()):
            for dtype in (float32, float16, bfloat16):
                given = [narrowed(item, dtype) for item in inputs]
                if key.name != "Pointwise" or dtype is float32:
                    yield pytest.param(op, given, id=f"{key.name}-{number}-{dtype}")


def narrowed(item: Any, dtype: DataType) -> Any:
    return replace(item, dtype=dtype) if isinstance(item, TensorSpec) and item.dtype is float32 else item


def check(layer: OneLayer) -> int:
    """Run each CUDA choice twice, so that the second run is a graph; the number of choices."""
    expected = layer.expected()
    choices = [c for c in candidates(layer.network.layers[0], device="cuda").choices if c.device]
    for choice in choices:
        if "#" in choice.tactic and not choice.tactic.endswith(("#0", "#1")):
            continue
        try:
            outputs = layer.run(choice)
        except EnginewrightError as error:
            if "cuDNN has no engine" in str(error):
                continue  # for each size it has its own list; the tuner leaves out what fails
            raise
        for found, wanted in zip(outputs, expected, strict=True):
            assert_close(found, wanted, f"{choice.tactic} {choice.kernel}")
    return len(choices)


@pytest.mark.parametrize(("op", "inputs"), list(examples()))
def test_tactics_agree_with_the_reference(op: Any, inputs: list[Any]) -> None:
    try:
        known = {i for i, item in enumerate(inputs) if isinstance(item, np.ndarray) or getattr(item, "value", None)}
        layer = OneLayer(op, arrays_of(inputs), known)
    except (EnginewrightError, TypeError) as error:
        pytest.skip(f"no such types: {error}")
    check(layer)
    weights = {i for i, item in enumerate(inputs) if i > 0 and item is not None}
    if weights - known:
        check(OneLayer(op, arrays_of(inputs), weights | known))


def programs(dtype: DataType, shape: tuple[int, ...]) -> Iterator[tuple[PointwiseProgram, list[tuple[int, ...]]]]:
    """Bias, residual and activations in the orders that kernels have."""
    for activation in ("none", "relu", "gelu", "gelu_tanh", "silu", "sigmoid", "clip"):
        p = Builder(dtype, dtype)
        yield p.finish(activated(p, activation, p.add(p.inputs[0], p.inputs[1]))), [shape[-1:]]
        p = Builder(dtype, dtype, dtype)
        x = p.add(p.add(p.inputs[0], p.inputs[1]), p.inputs[2])
        yield p.finish(activated(p, activation, x)), [shape[-1:], shape]
        p = Builder(dtype, dtype, dtype)
        x = activated(p, activation, p.add(p.inputs[0], p.inputs[1]))
        yield p.finish(p.add(x, p.inputs[2])), [shape[-1:], shape]


def activated(p: Builder, name: str, x: Any) -> Any:
    if name == "relu":
        return p.max(x, p.constant(x.dtype, 0))
    if name == "clip":
        return p.min(p.max(x, p.constant(x.dtype, 0)), p.constant(x.dtype, 6))
    return x if name == "none" else p.apply(name, x)


@pytest.mark.parametrize("dtype", [float32, float16, bfloat16])
@pytest.mark.parametrize("name", ["MatMul", "Gemm"])
def test_fused_programs_agree_with_the_reference(name: str, dtype: DataType) -> None:
    key = next(key for key in registry.operators if key.name == name)
    op = registry.operators[key]()
    for a, b in (((64, 48), (48, 80)), ((3, 5), (5, 4)), ((1, 768), (768, 256))):
        arrays = arrays_of([TensorSpec(dtype, a), TensorSpec(dtype, b)], spread=0.5)
        for program, extras in programs(dtype, (a[0], b[1])):
            more = arrays_of([TensorSpec(dtype, shape) for shape in extras])
            check(OneLayer(Fused(op, program), [*arrays, *more], {1, 2}))
