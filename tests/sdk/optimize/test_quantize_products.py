"""Weights stored as int8 are multiplied as integers; what is no such weight stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.optimize import pipeline
from enginewright.optimize.quantize_products import quantize_products
from tests.sdk.optimize.rewriting import operators, rewrite

RNG = np.random.default_rng(0)
WEIGHT = RNG.integers(-127, 128, (64, 24)).astype(np.int8)
SCALES = np.linspace(0.001, 0.003, 24, dtype=np.float32)


def stored(net: ew.Network, form: str) -> ew.Tensor:
    """The weight as models have it: cast and multiplied, or dequantized."""
    w = net.constant(WEIGHT)
    if form == "cast":
        return net.mul(net.cast(w, to=ew.float32), net.constant(SCALES[None]))
    if form == "factor first":
        return net.mul(net.constant(np.array(0.002, np.float32)), net.cast(w, to=ew.float32))
    if form == "dequantized":
        return net.dequantize_linear(w, net.constant(SCALES), axis=1)
    if form == "with zero point":
        return net.dequantize_linear(w, net.constant(np.array(0.002, np.float32)), net.constant(np.array(0, np.int8)))
    if form == "shifted":
        return net.dequantize_linear(w, net.constant(np.array(0.002, np.float32)), net.constant(np.array(3, np.int8)))
    assert form == "by row"
    return net.dequantize_linear(w, net.constant(np.linspace(0.001, 0.003, 64, dtype=np.float32)), axis=0)


def model(form: str) -> ew.Network:
    net = ew.Network()
    product = net.matmul(net.input("x", ew.float32, (2, 5, 64)), stored(net, form))
    net.output("y", net.relu(net.add(product, net.constant(np.ones(24, np.float32)))))
    return net


@pytest.mark.parametrize("form", ["cast", "factor first", "dequantized", "with zero point"])
def test_weights_by_column_or_as_a_whole(form: str) -> None:
    # Steps of 5 / 255 err by 0.006 (standard deviation), times 64 weights of 0.15: 0.007, of which this is six.
    changes, after = rewrite(model(form), quantize_products, 4e-2)
    assert changes == 1
    assert "RowQuantizedMatMul" in operators(after)


@pytest.mark.parametrize("form", ["shifted", "by row"])
def test_other_weights_are_left(form: str) -> None:
    assert rewrite(model(form), quantize_products)[0] == 0


def test_a_plan_in_int8_is_close_and_small() -> None:
    x = {"x": RNG.standard_normal((2, 5, 64)).astype(np.float32)}
    plans = [ew.build(model("cast"), ew.BuilderConfig(precision=p, timing_cache="")) for p in ("fp32", "int8")]
    wanted, found = (ew.load(plan).run(x)["y"] for plan in plans)
    assert 0 < np.linalg.norm(found - wanted) <= 1e-2 * np.linalg.norm(wanted)
    assert [step.kernel.partition("@")[0] for step in ew.inspect(plans[1]).steps] == ["cpu_row_quantized_matmul"]


def test_rows_are_quantized_each_by_its_own_range() -> None:
    x = RNG.standard_normal((2, 5, 64)).astype(np.float32) * np.array([1, 1e3], np.float32)[:, None, None]
    plans = [ew.build(model("cast"), ew.BuilderConfig(precision=p, timing_cache="")) for p in ("fp32", "int8")]
    wanted, found = (ew.load(plan).run({"x": x})["y"] for plan in plans)
    assert np.linalg.norm(found[0] - wanted[0]) <= 1e-2 * np.linalg.norm(wanted[0])


def test_pipeline_has_it_only_when_asked() -> None:
    assert quantize_products in pipeline("cpu", "int8")
    assert quantize_products not in pipeline("cpu", "bf16")
