"""Layers compute in 16 bits where the rules allow it; what the caller sees keeps its type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.graph.network import Network
from enginewright.ops.element_types import check_type
from enginewright.ops.matmul import MatMulInteger
from enginewright.optimize import autocast
from enginewright.optimize.autocast import KEPT, autocast_bf16, autocast_fp16
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.registry.registry import operator, registry
from enginewright.tensors import DataType, TensorSpec, bfloat16, float16, float32


def mlp() -> Network:
    """A product, a bias, an exponential that must stay wide, a product."""
    rng = np.random.default_rng(0)
    net = Network()
    x = net.input("x", float32, (3, 8))
    h = net.add(net.matmul(x, net.constant(rng.standard_normal((8, 16)).astype(np.float32))), x_bias(net, rng))
    net.output("y", net.matmul(net.exp(net.tanh(h)), net.constant(rng.standard_normal((16, 4)).astype(np.float32))))
    return net


def x_bias(net: Network, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    return net.constant(rng.standard_normal(16).astype(np.float32))


@pytest.mark.parametrize(("run", "dtype", "error"), [(autocast_fp16, float16, 3e-3), (autocast_bf16, bfloat16, 3e-2)])
def test_same_result_within_the_rounding(run, dtype: DataType, error: float) -> None:  # type: ignore[no-untyped-def]
    net = mlp()
    x = {"x": np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)}
    wanted = net.evaluate(x)["y"]
    assert run(net) == 4
    eliminate_dead(net)
    net.infer()
    found = net.evaluate(x)["y"]
    assert found.dtype == np.float32
    assert 0 < np.linalg.norm(found - wanted) <= error * np.linalg.norm(wanted)
    types = {layer.kind: layer.outputs[0].dtype for layer in net.layers}
    assert types["MatMul"] is dtype
    assert types["Exp"] is float32


def test_a_model_in_16_bits_stays_as_it_is() -> None:
    net = Network()
    x = net.input("x", float16, (3, 8))
    net.output("y", net.relu(x))
    assert autocast_fp16(net) == 0


def test_every_rule_has_a_reason() -> None:
    assert all(KEPT.values())


def reasons(net: Network) -> dict[str, str]:
    """Why what stays in float32 does, by operator."""
    return {item.operator: item.reason for item in net.wide}


def test_what_stays_is_named_with_its_reason() -> None:
    net = mlp()
    autocast_bf16(net)
    (item,) = net.wide
    assert (item.operator, item.reason) == ("Exp", KEPT["Exp"])
    assert item.layer in {layer.name for layer in net.layers}


def test_reasons_tell_what_lies_behind_and_before() -> None:
    net = Network()
    x = net.input("x", float32, (3, 8))
    weight = net.constant(np.eye(8, dtype=np.float32))
    net.output("probability", net.softmax(net.matmul(net.relu(x), weight)))
    net.output("level", net.abs(net.log(net.matmul(net.tanh(x), weight))))
    net.output("square", net.neg(net.mul(x, x)))
    net.output("place", net.argmax(x))
    autocast_fp16(net)
    assert reasons(net) == {
        "Softmax": autocast.FOR_ENDS,
        "MatMul": autocast.LOGS,
        "Log": autocast.LOGS,
        "Abs": autocast.FOLLOWS,
        "Mul": autocast.SQUARE,
        "Neg": autocast.FOLLOWS,
    }
    autocast_bf16(net)  # to which it is 16 bits wide already
    assert "Softmax" not in reasons(net)


def test_an_operator_that_takes_no_halves_is_named() -> None:
    with registry.isolated():

        @operator("acme::Exact")
        class Exact:
            """Takes float32 only."""

            def infer(self, x: TensorSpec) -> TensorSpec:
                check_type(x, (float32,), "input x")
                return x

            def reference(self, x: Any) -> Any:
                return x

        net = Network()
        net.output("y", net.add(Exact(), net.input("x", float32, (3, 3)))[0])
        assert autocast_fp16(net) == 0
    assert reasons(net) == {"acme::Exact@1": autocast.UNTAKEN}


@pytest.mark.parametrize(("run", "largest"), [(autocast_fp16, 65504.0), (autocast_bf16, 3.3895314e38)])
def test_a_mask_stays_finite(run, largest: float) -> None:  # type: ignore[no-untyped-def]
    net = Network()
    x = net.input("x", float32, (2, 3))
    mask = np.array([np.finfo(np.float32).min, -np.inf, 1], np.float32)
    net.output("y", net.mul(x, net.constant(mask)))
    assert run(net) == 1
    found = net.evaluate({"x": np.array([[1, 1, 1], [0, 1, 2]], np.float32)})["y"]
    np.testing.assert_array_equal(found, np.array([[-largest, -np.inf, 1], [0, -np.inf, 2]], np.float32))


def test_squares_and_what_is_made_of_them_alone_stay() -> None:
    net = Network()
    x = net.input("x", float32, (2, 3))
    y = net.relu(x)
    square = net.mul(y, y)
    scaled = net.mul(square, net.constant(np.float32(0.5)))
    net.output("y", net.add(scaled, y))
    autocast_fp16(net)
    net.infer()
    types = [(layer.kind, layer.outputs[0].dtype) for layer in net.layers if layer.kind != "Cast"]
    assert types == [("Relu", float16), ("Mul", float32), ("Mul", float32), ("Add", float16)]
    found = net.evaluate({"x": np.full((2, 3), 300, np.float32)})["y"]
    np.testing.assert_allclose(found, 45300, rtol=1e-3)


def test_products_whose_logarithm_is_taken_stay() -> None:
    net = Network()
    x = net.input("x", float32, (2, 8))
    w = np.full((8, 8), 1e-5, np.float32)
    y = net.matmul(net.relu(net.matmul(x, net.constant(np.eye(8, dtype=np.float32)))), net.constant(w))
    net.output("y", net.log(net.transpose(y)))
    assert autocast_fp16(net) == 2  # the first product, and its activation
    net.infer()
    found = net.evaluate({"x": np.ones((2, 8), np.float32)})["y"]
    np.testing.assert_allclose(found, np.log(8e-5), rtol=1e-5)


def test_filters_before_a_logarithm_stay_but_not_what_an_activation_hides() -> None:
    net = Network()
    eye = net.constant(np.eye(8, dtype=np.float32))
    hidden = net.relu(net.matmul(net.input("x", float32, (2, 8)), eye))
    filtered = net.matmul(net.transpose(net.matmul(hidden, eye)), net.constant(np.ones((2, 2), np.float32)))
    net.output("y", net.log(net.mul(filtered, filtered)))
    assert autocast_fp16(net) == 2


def test_counts_and_their_scales_stay() -> None:
    """A sum of bytes leaves the range of float16, its product with the scale does not."""
    net = Network()
    x, scale, zero = net.dynamic_quantize_linear(net.input("x", float32, (2, 1024)))
    (counted,) = net.add(MatMulInteger(), x, net.constant(np.full((1024, 4), 127, np.int8)), zero)
    scaled = net.mul(net.cast(counted, to=float32), net.mul(scale, net.constant(np.float32(1 / 127))))
    net.output("y", net.matmul(scaled, net.constant(np.eye(4, dtype=np.float32) / 1024)))
    assert autocast_fp16(net) == 1
    net.infer()
    found = net.evaluate({"x": np.linspace(0, 1, 2048, dtype=np.float32).reshape(2, 1024)})["y"]
    np.testing.assert_allclose(found, np.repeat([[0.25], [0.75]], 4, axis=1), rtol=5e-3)


def test_what_scores_become_at_an_output_stays() -> None:
    net = Network()
    scores = net.matmul(net.input("x", float32, (2, 8)), net.constant(np.eye(8, dtype=np.float32)))
    inner = net.softmax(scores)
    chosen = net.matmul(inner, net.constant(np.eye(8, dtype=np.float32)))
    net.output("y", net.reshape(net.softmax(net.add(chosen, net.constant(np.ones(8, np.float32)))), net.constant([16])))
    autocast_fp16(net)
    net.infer()
    types = [(layer.kind, layer.outputs[0].dtype) for layer in net.layers if layer.kind in ("MatMul", "Softmax")]
    assert types == [("MatMul", float16), ("Softmax", float16), ("MatMul", float16), ("Softmax", float32)]


def test_nothing_is_rounded_between_recurrent_layers() -> None:
    net = Network()
    x = net.input("x", float32, (5, 1, 8))
    w, r = (net.constant(np.ones((1, 32, 8), np.float32)) for _ in range(2))
    made = net.lstm(x, w, r)[0]
    net.output("y", net.transpose(made, perm=(1, 0, 2, 3)))
    assert autocast_bf16(net) == 0


def test_layers_by_name_stay() -> None:
    net = mlp()
    name = next(layer.name for layer in net.layers if layer.kind == "MatMul")
    assert autocast_bf16(net, {name}) == 1  # what lies between two wide layers stays wide, the last product does not
    net.infer()
    assert [layer.outputs[0].dtype for layer in net.layers if layer.kind == "MatMul"] == [float32, bfloat16]


def test_single_numbers_are_exact_in_bfloat16() -> None:
    """0.1 in bfloat16 is 0.1001: wrong for all elements alike."""
    net = Network()
    x = net.input("x", float32, (64,))
    tenths = net.mul(x, net.constant(np.array([0.1], np.float32)))
    net.output("y", net.mul(tenths, net.constant(np.float32(2))))
    assert autocast_bf16(net) == 2
    net.infer()
    factors = [layer.inputs[1] for layer in net.layers if layer.kind == "Mul"]
    assert [factor and factor.dtype for factor in factors] == [float32, bfloat16]  # 2 is exact in both
    given = np.arange(1, 65, dtype=np.float32)
    found = net.evaluate({"x": given})["y"].astype(np.float64)
    assert abs(np.mean(found / (given * 0.2) - 1)) < 3e-4
