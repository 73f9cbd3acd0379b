"""CUDA kernels start while the one before them runs, and yet read nothing that it makes before it is done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.compiler.candidates import candidates
from enginewright.compiler.choice import Choice
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.matmul import MatMul
from enginewright.ops.pointwise import Builder, Fused
from enginewright.tensors import DataType, TensorSpec, float16
from tests.sdk.tactics.one_step import OneLayer, arrays_of, assert_close

pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("gpu")]
LONG = 16384


class BehindAnother(OneLayer):
    """A layer whose last input comes from a product that takes a few times as long as the layer itself.

    Memory holds NaN before the run that counts, so that one number read too early shows.
    """

    def __init__(self, op: Any, *shapes: tuple[int, ...]) -> None:
        columns = shapes[-1][-1]
        sizes = [(1, LONG), (LONG, columns), *shapes[:-1]]
        self.op, self.network = op, Network()
        self.arrays = arrays_of([TensorSpec(float16, size) for size in sizes], spread=0.1)
        row, table, *own = [self._tensor(index) for index in range(len(sizes))]
        made = self.network.matmul(row, table)
        if shapes[-1] != (1, columns):
            made = self.network.reshape(made, self.network.constant(np.array(shapes[-1])))
        for index, tensor in enumerate(self.network.add(op, *own, made)):
            self.network.output(f"y{index}", tensor)

    def _tensor(self, index: int) -> Tensor:
        array = self.arrays[index]
        assert array is not None
        if index in (1, 3):  # weights
            return self.network.constant(array)
        return self.network.input(f"x{index}", DataType.of(array), array.shape)

    def choices(self, choice: Choice) -> dict[Layer, Choice]:
        first, last = self.network.layers[0], self.network.layers[-1]
        slow = [c for c in candidates(first, device="cuda").choices if c.tactic == "gemm_tile0_split1"]
        return {first: slow[0], last: choice}

    def expected(self) -> list[Any]:
        row, table, *own = self.arrays
        assert row is not None
        assert table is not None
        made = (row.astype(np.float32) @ table.astype(np.float32)).astype(row.dtype)
        shape = self.network.layers[-1].inputs[-1]
        assert shape is not None
        found = self.op.reference(*own, made.reshape(shape.shape))
        return list(found) if isinstance(found, tuple) else [found]


def product_and_row() -> Fused:
    p = Builder(float16, float16)
    return Fused(MatMul(), p.finish(p.add(p.inputs[0], p.inputs[1])))


@pytest.mark.parametrize(
    ("op", "shapes"),
    [
        pytest.param(product_and_row(), [(1, 64), (64, 256), (1, 256)], id="one row"),
        pytest.param(product_and_row(), [(40, 64), (64, 256), (256,)], id="bias"),
        pytest.param(Conv(padding=1), [(1, 9, 11, 16), (24, 16, 3, 3), (24,)], id="convolution"),
        pytest.param(Conv(stride=2, padding=(3, 3, 3, 4)), [(1, 32, 30, 4), (64, 4, 7, 8), (64,)], id="first one"),
        pytest.param(Conv(group=32, padding=1), [(1, 14, 13, 32), (32, 1, 3, 3), (32,)], id="depthwise"),
    ],
)
def test_what_the_kernel_before_makes_is_not_read_early(op: Any, shapes: list[tuple[int, ...]]) -> None:
    behind = BehindAnother(ChannelsLast(op) if isinstance(op, Conv) else op, *shapes)
    expected = behind.expected()
    choices = [c for c in candidates(behind.network.layers[-1], device="cuda").choices if c.device]
    assert choices
    for choice in choices:
        if "#" not in choice.tactic or choice.tactic.endswith("#0"):
            for found, wanted in zip(behind.run(choice), expected, strict=True):
                assert_close(found, wanted, f"{choice.tactic} {choice.kernel}")
