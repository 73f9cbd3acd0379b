"""CUDA kernels that fetch tiles by bulk copies give what references give at sizes that fill no tile, or many."""

from __future__ import annotations

from typing import Any

import pytest

from enginewright.compiler.candidates import candidates
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.matmul import MatMul
from enginewright.ops.pointwise import Builder, Fused, PointwiseProgram
from enginewright.tensors import DataType, TensorSpec, bfloat16, float16, float32
from tests.sdk.tactics.one_step import OneLayer, arrays_of, assert_close
from tests.sdk.tactics.test_conformance_cuda import activated, check

pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("gpu")]
HALVES = [float16, bfloat16]


def finish(dtype: DataType, activation: str, *, residual: bool = False, wide: bool = False) -> PointwiseProgram:
    """A bias, where wanted a residual behind the activation, and the result as floats."""
    p = Builder(*[dtype] * (3 if residual else 2))
    x = activated(p, activation, p.add(p.inputs[0], p.inputs[1]))
    x = p.add(x, p.inputs[2]) if residual else x
    return p.finish(p.cast(x, float32) if wide else x)


def layer_of(op: Any, dtype: DataType, *shapes: tuple[int, ...]) -> OneLayer:
    """Weights and bias are constant, the rest is given at run time."""
    return OneLayer(op, arrays_of([TensorSpec(dtype, shape) for shape in shapes], spread=0.5), {1, 2})


def checked(op: Any, dtype: DataType, *shapes: tuple[int, ...]) -> None:
    assert check(layer_of(op, dtype, *shapes)) > 0


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("m", "k", "n"), [(130, 72, 200), (257, 768, 328), (64, 2048, 64), (700, 64, 1288), (3, 8, 8)])
def test_products(m: int, k: int, n: int, dtype: DataType) -> None:
    checked(Fused(MatMul(), finish(dtype, "gelu")), dtype, (m, k), (k, n), (n,))
    checked(Fused(MatMul(), finish(dtype, "relu", residual=True)), dtype, (m, k), (k, n), (n,), (m, n))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("n", [50, 321, 328])
def test_products_of_any_width_and_as_floats(n: int, dtype: DataType) -> None:
    checked(MatMul(), dtype, (140, 136), (136, n))
    checked(Fused(MatMul(), finish(dtype, "none")), dtype, (140, 136), (136, n), (n,))
    wide = layer_of(Fused(MatMul(), finish(dtype, "gelu_tanh", wide=True)), dtype, (140, 136), (136, n), (n,))
    choices = [c for c in candidates(wide.network.layers[0], device="cuda").choices if c.device]
    assert choices
    for choice in choices:  # the reference rounds before it widens
        found, wanted = wide.run(choice)[0], wide.expected()[0]
        assert found.dtype == wanted.dtype == float32.numpy
        assert_close(found.astype(dtype.numpy), wanted.astype(dtype.numpy), choice.tactic)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(
    ("conv", "x", "w"),
    [
        (Conv(padding=1), (2, 17, 19, 64), (72, 64, 3, 3)),
        (Conv(padding=1, stride=2), (1, 21, 14, 128), (136, 128, 3, 3)),
        (Conv(stride=2), (3, 9, 9, 64), (64, 64, 1, 1)),
        (Conv(padding=(2, 1, 0, 3), dilation=(2, 1)), (1, 12, 13, 64), (64, 64, 3, 5)),
        (Conv(), (5, 30, 30, 24), (144, 24, 1, 1)),
        (Conv(padding=(1, 1, 1, 2), stride=2), (2, 33, 36, 4), (24, 4, 3, 4)),
        (Conv(padding=(3, 3, 3, 4), stride=2), (1, 41, 30, 4), (64, 4, 7, 8)),
        (Conv(padding=1, group=96), (2, 30, 17, 96), (96, 1, 3, 3)),
        (Conv(padding=1, stride=2, group=24), (1, 31, 45, 24), (24, 1, 3, 3)),
        (Conv(padding=(0, 2, 1, 0), group=80), (2, 5, 16, 80), (80, 1, 3, 3)),
    ],
)
def test_convolutions(conv: Conv, x: tuple[int, ...], w: tuple[int, ...], dtype: DataType) -> None:
    op = ChannelsLast(conv)
    checked(Fused(op, finish(dtype, "clip")), dtype, x, w, w[:1])
    shape = op.infer(TensorSpec(dtype, x), TensorSpec(dtype, w)).shape
    sizes = tuple(size for size in shape if isinstance(size, int))
    check(layer_of(Fused(op, finish(dtype, "relu", residual=True)), dtype, x, w, w[:1], sizes))  # where one takes it
