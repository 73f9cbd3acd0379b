"""Quantized convolutions and products become one integer layer each, within one step of what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.optimize import pipeline
from enginewright.optimize.fuse_quantized_convs import fuse_quantized_convs
from tests.sdk.optimize.rewriting import operators, rewrite

RNG = np.random.default_rng(0)
STEP = 0.05
"""Of every output: what a result may be off by."""


class Model:
    """A network in the making: quantizes, dequantizes, and adds quantized weights."""

    def __init__(self, shape: tuple[int, ...], dtype: ew.DataType = ew.uint8) -> None:
        self.net, self.dtype = ew.Network(), dtype
        self.x = self.real(self.net.input("x", ew.float32, shape), 0.02)

    def point(self, zero: int) -> ew.Tensor:
        return self.net.constant(np.array(zero - 128 * (self.dtype is ew.int8), self.dtype.numpy))

    def real(self, x: ew.Tensor, step: float = STEP, zero: int = 120) -> ew.Tensor:
        """Quantized and dequantized again."""
        scale, point = self.net.constant(np.array(step, np.float32)), self.point(zero)
        return self.net.dequantize_linear(self.net.quantize_linear(x, scale, point), scale, point)

    def weight(self, shape: tuple[int, ...], axis: int = 0, zero: Any = None) -> ew.Tensor:
        w = self.net.constant(RNG.integers(-127, 128, shape).astype(np.int8 if zero is None else zero.dtype))
        steps = np.linspace(0.01, 0.02, shape[axis]).astype(np.float32)
        if zero is not None:
            return self.net.dequantize_linear(w, self.net.constant(steps[0]), self.net.constant(zero))
        return self.net.dequantize_linear(w, self.net.constant(steps), axis=axis)

    def bias(self, size: int) -> ew.Tensor:
        """In steps of the input times those of the weights, as exporters store it."""
        steps = (np.float32(0.02) * np.linspace(0.01, 0.02, size).astype(np.float32)).astype(np.float32)
        whole = self.net.constant(RNG.integers(-999, 999, size).astype(np.int32))
        return self.net.dequantize_linear(whole, self.net.constant(steps), axis=0)

    def check(self, y: ew.Tensor, tolerance: float = STEP) -> ew.Network:
        """The network after the pass, whose outputs differ by no more than one step."""
        self.net.output("y", y)
        return rewrite(self.net, fuse_quantized_convs, 1.01 * tolerance)[1]


def only_layers(net: ew.Network) -> set[str]:
    return set(operators(net)) - {"Transpose", "Squeeze", "Unsqueeze"}


DONE = {"QuantizeLinear", "QuantizedConv", "DequantizeLinear"}


@pytest.mark.parametrize("dtype", [ew.uint8, ew.int8])
@pytest.mark.parametrize("end", ["", "relu", "clip"])
def test_a_convolution_with_its_bias_and_activation(dtype: ew.DataType, end: str) -> None:
    m = Model((2, 5, 8, 9), dtype)
    y = m.net.conv(m.x, m.weight((6, 5, 3, 3)), m.bias(6), padding=1, stride=2)
    if end == "relu":
        y = m.net.relu(y)
    if end == "clip":
        y = m.net.clip(y, m.net.constant(np.array(-1, np.float32)), m.net.constant(np.array(2, np.float32)))
    after = m.check(m.real(y))
    assert only_layers(after) == DONE
    layer = next(layer for layer in after.layers if layer.kind == "QuantizedConv")
    assert (layer.op.low, layer.op.high) == {"": (0, 255), "relu": (120, 255), "clip": (100, 160)}[end]


@pytest.mark.parametrize("dtype", [ew.uint8, ew.int8])
def test_a_sum_with_another_tensor(dtype: ew.DataType) -> None:
    m = Model((1, 8, 6, 5), dtype)
    first = m.real(m.net.relu(m.net.conv(m.x, m.weight((8, 8, 1, 1)))))
    second = m.real(m.net.conv(first, m.weight((8, 8, 3, 3)), padding=1), 0.04)
    # What the first rounding of each is off by shows in the sum.
    after = m.check(m.real(m.net.relu(m.net.add(second, first)), 0.1, 0), 0.2)
    assert operators(after).count("QuantizedConv") == 2
    assert only_layers(after) == DONE


def test_a_real_bias_and_no_rounding_behind() -> None:
    m = Model((1, 4, 6, 5))
    bias = m.net.constant(RNG.standard_normal(7).astype(np.float32))
    after = m.check(m.net.sigmoid(m.net.conv(m.x, m.weight((7, 4, 2, 2)), bias)), 1e-4)
    assert only_layers(after) == {"QuantizeLinear", "QuantizedConv", "Sigmoid"} | {"DequantizeLinear"}


def test_depthwise() -> None:
    m = Model((1, 7, 6, 5))
    assert only_layers(m.check(m.real(m.net.conv(m.x, m.weight((7, 1, 3, 3)), group=7)))) == DONE


@pytest.mark.parametrize("shape", [(5, 24), (2, 5, 24)])
def test_products_by_a_constant(shape: tuple[int, ...]) -> None:
    m = Model(shape)
    assert only_layers(m.check(m.real(m.net.matmul(m.x, m.weight((24, 7), axis=1))))) == DONE


@pytest.mark.parametrize("trans_b", [False, True])
def test_gemm(trans_b: bool) -> None:
    m = Model((5, 24))
    w = m.weight((7, 24)) if trans_b else m.weight((24, 7), axis=1)
    assert only_layers(m.check(m.real(m.net.gemm(m.x, w, m.bias(7), trans_b=trans_b)))) == DONE


def test_weights_with_zero_points_become_int8() -> None:
    m = Model((1, 3, 5, 5))
    w = m.net.constant(RNG.integers(1, 256, (4, 3, 3, 3)).astype(np.uint8))
    real = m.net.dequantize_linear(w, m.net.constant(np.float32(0.01)), m.net.constant(np.array(128, np.uint8)))
    assert only_layers(m.check(m.real(m.net.conv(m.x, real)))) == DONE


def test_pools_and_views_work_on_bytes() -> None:
    m = Model((1, 8, 12, 12))
    pooled = m.real(m.net.max_pool(m.x, kernel_shape=(3, 3), stride=2, padding=1), 0.02)
    y = m.real(m.net.conv(pooled, m.weight((6, 8, 1, 1))))
    flat = m.real(m.net.reshape(y, m.net.constant(np.array([1, -1]))))
    after = m.check(m.real(m.net.matmul(flat, m.weight((216, 5), axis=1)), 0.5), 0.5)
    assert only_layers(after) == DONE | {"ChannelsLast", "Reshape"}
    assert operators(after).count("QuantizeLinear") == 1


def test_means_take_numbers_as_convolutions_leave_them() -> None:
    m = Model((1, 3, 9, 9))
    y = m.real(m.net.conv(m.x, m.weight((8, 3, 3, 3))))
    after = m.check(m.net.global_average_pool(y))
    assert operators(after).count("ChannelsLast") == 1


def unlike(m: Model, what: str) -> ew.Tensor:
    """A layer that must stay as it is."""
    if what == "real weights":
        return m.net.conv(m.x, m.net.constant(RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)))
    if what == "weights that do not fit int8":
        return m.net.conv(m.x, m.weight((4, 3, 3, 3), zero=np.array(100, np.int8)))
    if what == "scales by input channel":
        w = m.net.constant(RNG.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8))
        return m.net.conv(m.x, m.net.dequantize_linear(w, m.net.constant(np.ones(3, np.float32)), axis=1))
    if what == "groups of few channels":
        return m.net.conv(m.x, m.weight((6, 1, 3, 3)), group=3)
    assert what == "a bias that is computed"
    return m.net.conv(m.x, m.weight((4, 3, 3, 3)), m.net.relu(m.bias(4)))


UNLIKE = [
    "real weights", "weights that do not fit int8", "scales by input channel", "groups of few channels",
    "a bias that is computed",
]  # fmt: skip


@pytest.mark.parametrize("what", UNLIKE)
def test_other_layers_are_left(what: str) -> None:
    m = Model((1, 3, 6, 6))
    assert "QuantizedConv" not in operators(m.check(m.real(unlike(m, what))))


def test_what_others_read_stays() -> None:
    m = Model((1, 3, 6, 6))
    y = m.net.conv(m.x, m.weight((4, 3, 1, 1)))
    m.net.output("kept", y)
    after = m.check(m.real(y))
    assert next(layer for layer in after.layers if layer.kind == "QuantizedConv").op.real


def test_a_plan_of_two_layers_has_two_steps_between_its_borders() -> None:
    m = Model((1, 8, 16, 16), ew.int8)
    y = m.real(m.net.relu(m.net.conv(m.x, m.weight((16, 8, 3, 3)), m.bias(16), padding=1)))
    m.net.output("y", m.real(m.net.conv(y, m.weight((16, 16, 1, 1)))))
    x = RNG.standard_normal((1, 8, 16, 16)).astype(np.float32)
    wanted = m.net.evaluate({"x": x})["y"]
    plan = ew.build(m.net, ew.BuilderConfig(timing_cache=""))
    assert np.abs(ew.load(plan).run({"x": x})["y"] - wanted).max() <= 1.01 * STEP
    kernels = [step.kernel.partition("@")[0] for step in ew.inspect(plan).steps]
    assert kernels.count("cpu_quantized_conv_nhwc") == 2
    assert kernels.count("cpu_transpose") == 2


def test_only_cpus_have_it() -> None:
    assert fuse_quantized_convs in pipeline("cpu")
    assert fuse_quantized_convs not in pipeline("cuda", "fp16")
