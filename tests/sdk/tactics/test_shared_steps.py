"""Steps that are one long loop are cut for threads: the reference's results, and the same bits with one thread."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import pytest

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.concat import Concat
from enginewright.ops.conv import Conv
from enginewright.ops.pad import Pad
from enginewright.ops.pointwise import Builder, Fused, PointwiseProgram
from enginewright.ops.reduction import REDUCTIONS
from enginewright.ops.rounded import Rounded
from enginewright.tensors import DataType, TensorSpec, float32, int64
from tests.sdk.tactics.one_step import OneLayer, arrays_of, assert_close, fused_examples


def check(op: Any, inputs: list[Any], constants: AbstractSet[int] = frozenset()) -> None:
    """Every tactic on every instruction set, with one thread and two."""
    layer = OneLayer(op, arrays_of(inputs), set(constants))
    choices, expected = layer.candidates().choices, layer.expected()
    assert choices
    for choice in choices:
        alone, shared = layer.run(choice, threads=1), layer.run(choice)
        for one, two, wanted in zip(alone, shared, expected, strict=True):
            assert one.tobytes() == two.tobytes(), choice.kernel
            assert_close(two, wanted, choice.kernel)


@pytest.mark.parametrize("dtype", [float32, DataType.UINT8, DataType.INT64])
def test_elements_of_parts_side_by_side(dtype: DataType) -> None:
    check(Concat(-1), [TensorSpec(dtype, (70_001, 1)), TensorSpec(dtype, (70_001, 2)), TensorSpec(dtype, (70_001, 1))])


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [(0, 0), (7, 0), (0, 9), (130, 255), (-3, 5), (6, -4), (-2, -8)])
def test_pads_of_a_signal(mode: str, pads: tuple[int, int]) -> None:
    """Places that are copies of their neighbours, and those at the ends."""
    for size in (1, 9, 40_001):
        if size + min(pads[0], 0) + min(pads[1], 0) >= 1:
            check(Pad(mode=mode), [TensorSpec(float32, (1, size)), np.array([0, pads[0], 0, pads[1]])], {1})


@pytest.mark.parametrize("taps", [1, 3, 9, 256])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_filter_of_one_signal(taps: int, step: int) -> None:
    for size in (taps, taps + 1, 1000, 20_011):
        op = Conv(stride=step, padding=(taps // 2, taps // 3), group=1)
        check(
            op,
            [TensorSpec(float32, (1, 1, size)), TensorSpec(float32, (1, 1, taps)), TensorSpec(float32, (1,))],
            {1, 2},
        )


def test_a_filter_of_one_signal_with_what_follows() -> None:
    specs = [TensorSpec(float32, (1, 1, 9_001)), TensorSpec(float32, (1, 1, 31)), TensorSpec(float32, (1,))]
    for fused, inputs in fused_examples(Conv(stride=2, padding=15), specs):
        layer = OneLayer(fused, arrays_of(inputs), {1, 2})
        assert layer.check()


@pytest.mark.parametrize("kind", [ChannelsLast, lambda conv: Rounded(ChannelsLast(conv))], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("step", "channels", "outputs"), [(1, 1, 8), (2, 4, 33), (3, 3, 1)])
def test_a_signal_with_channels_last(kind: Any, step: int, channels: int, outputs: int) -> None:
    weight, bias = TensorSpec(float32, (outputs, channels, 16)), TensorSpec(float32, (outputs,))
    for size in (16, 17, 200, 5_003):
        op = kind(Conv(stride=step, padding=(5, 2)))
        check(op, [TensorSpec(float32, (1, size, channels)), weight, bias], {1, 2})
        check(Fused(op, relu()), [TensorSpec(float32, (1, size, channels)), weight, bias], {1, 2})


def relu() -> PointwiseProgram:
    p = Builder(float32)
    return p.finish(p.max(p.inputs[0], p.constant(float32, 0)))


@pytest.mark.parametrize("operator", REDUCTIONS, ids=lambda operator: operator.__name__)
@pytest.mark.parametrize("dtype", [float32, DataType.FLOAT64, int64, DataType.FLOAT16])
def test_results_of_a_few_elements(operator: Any, dtype: DataType) -> None:
    """Rows around a block of 256, and around the length from which lanes are used; infinities and NaN."""
    if operator.__name__.startswith("ReduceLog") and not dtype.is_float:
        return
    rng = np.random.default_rng(0)
    for rows, line in ((1, 1), (255, 2), (257, 3), (9_001, 4), (300, 31), (300, 32), (20_000, 2)):
        x = rng.uniform(0.5, 2, (rows, line)).astype(dtype.numpy)
        if dtype.is_float and rows > 20:
            x[7], x[11, -1], x[13, 0] = np.inf, np.nan, -np.inf
        with np.errstate(all="ignore"):
            check(operator(), [x, np.array([1])], {1})
