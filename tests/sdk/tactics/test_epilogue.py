"""Tests of which fused programs are an epilogue that kernels have."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.graph.network import Network, Tensor
from enginewright.ops.matmul import MatMulInteger
from enginewright.ops.pointwise import Builder, Fused
from enginewright.optimize.fuse_epilogues import fuse_epilogues
from enginewright.optimize.fuse_pointwise import fuse_pointwise
from enginewright.tactics.epilogue import GELU_TANH, RELU, SILU, Epilogue, epilogue_of
from enginewright.tensors import TensorSpec, float16, float32, int8, int32

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


def product(net: Network) -> Tensor:
    x = net.input("x", float16, (5, 8))
    return net.matmul(x, net.constant(np.ones((8, 6), np.float16)))


def epilogue(net: Network, y: Tensor) -> Epilogue | str:
    net.output("y", y)
    fuse_pointwise(net)
    fuse_epilogues(net)
    layer = net.layers[-1]
    assert isinstance(layer.op, Fused)
    return epilogue_of(layer.op.program, [t.spec for t in layer.inputs[2:] if t is not None], layer.outputs[0].spec)


def test_a_bias_and_an_activation_that_is_computed_in_float() -> None:
    net = Network()
    y = net.swish(net.add(product(net), net.constant(np.ones(6, np.float16))))
    assert epilogue(net, y) == Epilogue(bias=0, activation=SILU)


def test_an_activation_then_a_residual() -> None:
    net = Network()
    y = net.add(net.gelu(product(net), approximate="tanh"), net.input("r", float16, (5, 6)))
    assert epilogue(net, y) == Epilogue(residual=0, activation=GELU_TANH, activate_first=True)


def test_whole_numbers_in_between_are_no_epilogue() -> None:
    net = Network()
    y = net.cast(net.cast(product(net), to=int32), to=float16)
    assert epilogue(net, y) == "the fused program has several types or outputs"


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("zeros", [(), ("a",), ("a", "b")])
def test_integer_products_without_some_zero_points_are_scaled(zeros: tuple[str, ...], constant: bool) -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (16, 6)).astype(np.int8)
    net = Network()
    x, scale, zero = net.dynamic_quantize_linear(net.input("x", float32, ("N", 16)))
    b = net.constant(weight) if constant else net.input("b", int8, weight.shape)
    given = {"a": zero, "b": net.constant(np.int8(3))}
    (product,) = net.add(MatMulInteger(), x, b, *(given[name] for name in zeros))
    columns = net.constant(np.linspace(0.01, 0.03, 6, dtype=np.float32))
    net.output("y", net.mul(net.cast(product, to=float32), net.mul(scale, columns)))
    plan = ew.build(net, ew.BuilderConfig(timing_cache=""))
    assert "Fused" in [layer.operator for layer in plan.report.layers]
    arrays = {"x": rng.standard_normal((5, 16)).astype(np.float32), "b": weight}
    arrays = {name: arrays[name] for name in ("x", "b")[: 2 - constant]}
    np.testing.assert_allclose(ew.load(plan).run(arrays)["y"], net.evaluate(arrays)["y"], rtol=1e-6)
