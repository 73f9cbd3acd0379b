"""Products of float32 are rounded to bfloat16 where a CPU gains from it; the network says so."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.optimize import NARROWING, optimize, pipeline
from enginewright.optimize.autocast import MEASURED
from enginewright.optimize.round_products import round_products
from tests.sdk.optimize.rewriting import operators, rewrite

RNG = np.random.default_rng(0)


def weight(*shape: int) -> np.ndarray:
    """Numbers that keep outputs near 1: a sum of products of which each may be off by 2 ** -8."""
    return (RNG.standard_normal(shape) / np.sqrt(shape[-2])).astype(np.float32)


def mlp() -> ew.Network:
    """Two products and what lies between them."""
    net = ew.Network()
    h = net.gemm(net.input("x", ew.float32, (4, 64)), net.constant(weight(32, 64)), None, trans_b=True)
    net.output("y", net.matmul(net.relu(h), net.constant(weight(32, 8))))
    return net


def test_products_are_rounded_and_stay_float32_outside() -> None:
    changes, after = rewrite(mlp(), round_products, 2e-2)
    assert changes == 2
    assert operators(after) == ["Rounded", "Relu", "Rounded"]
    assert all(tensor.dtype is ew.float32 for layer in after.layers for tensor in layer.outputs)


def test_few_rows_do_not_pay_for_packing_a_side_that_changes() -> None:
    net = ew.Network()
    q = net.input("q", ew.float32, (2, 1, 64))
    k = net.input("k", ew.float32, (2, 64, 100))
    net.output("y", net.matmul(q, k))
    net.output("z", net.matmul(net.input("rows", ew.float32, (2, 30, 64)), k))
    # 64 products of which each is off by 2 ** -8.5: 0.022, of which this is five.
    assert rewrite(net, round_products, 0.11)[0] == 1


def test_convolutions_with_channels_last_are_rounded_and_depthwise_ones_are_not() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (1, 6, 9, 9))
    h = net.relu(net.conv(x, net.constant(weight(32, 6, 3, 3) / 6)))
    h = net.conv(h, net.constant(weight(32, 1, 3, 3) / 3), group=32)
    net.output("y", net.conv(h, net.constant(weight(32, 16, 1, 1) / 4), group=2))
    optimize(net, [run for run in pipeline("cpu", "bf16") if run not in NARROWING])
    kinds = [layer.op.anchor if layer.kind == "Fused" else layer.op for layer in net.layers]
    assert [op.KEY.name for op in kinds if op.KEY.name != "Transpose"] == ["Rounded", "ChannelsLast", "Rounded"]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("usual", [True, False])
def test_recurrent_layers_of_the_usual_activations_are_rounded(kind: str, usual: bool) -> None:
    net, gates = ew.Network(), 4 if kind == "lstm" else 3
    x = net.input("x", ew.float32, (5, 1, 32))
    weights = [net.constant(np.swapaxes(weight(1, 32, gates * 32), 1, 2)) for _ in range(2)]
    if kind == "lstm":
        layer = net.lstm(x, *weights, input_forget=not usual)
    else:
        layer = net.gru(x, *weights, linear_before_reset=usual)
    for name, output in zip(("y", "h", "c"), layer, strict=False):
        net.output(name, output)
    changes, after = rewrite(net, round_products, 2e-2)
    assert changes == int(usual)
    assert (operators(after) == ["Rounded"]) == usual


def test_other_types_are_left() -> None:
    net = ew.Network()
    net.output("y", net.matmul(net.input("x", ew.float64, (4, 4)), net.constant(np.eye(4))))
    assert rewrite(net, round_products)[0] == 0


def test_a_plan_in_bfloat16_is_close_and_tells_its_kernels() -> None:
    x, net = {"x": weight(4, 64)}, mlp()
    wanted = ew.load(ew.build(net, ew.BuilderConfig(timing_cache=""))).run(x)["y"]
    plan = ew.build(net, ew.BuilderConfig(level=1, precision="bf16", timing_cache=""))
    found = ew.load(plan).run(x)["y"]
    assert 0 < np.linalg.norm(found - wanted) <= 8e-3 * np.linalg.norm(wanted)
    steps = ew.inspect(plan).steps
    assert [step.kernel.partition("@")[0] for step in steps] == ["cpu_matmul_packed_bf16"] * 2


@pytest.mark.parametrize("rows", [1, 7])
def test_weights_take_half_the_room(rows: int) -> None:
    def size(precision: str) -> int:
        net = ew.Network()
        net.output("y", net.matmul(net.input("x", ew.float32, (rows, 256)), net.constant(weight(256, 96))))
        plan = ew.build(net, ew.BuilderConfig(level=1, precision=precision, timing_cache="", recipe="none"))
        return sum(record.length for record in plan.meta.weights)

    assert size("bf16") == size("fp32") // 2


def test_pipeline_of_the_cpu_has_it_only_when_asked() -> None:
    assert round_products in pipeline("cpu", "bf16")
    assert round_products not in pipeline("cpu")
    assert round_products not in pipeline("cuda", "bf16")


@pytest.mark.parametrize(
    ("channels", "stride", "kind"), [(16, 2, "Rounded"), (15, 2, "ChannelsLast"), (16, 1, "ConvTranspose")]
)
def test_transposed_convolutions_whose_windows_lie_side_by_side(channels: int, stride: int, kind: str) -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (1, 10, 6, 9))
    h = net.relu(net.conv(x, net.constant(weight(channels, 10, 3, 3) / 6)))
    h = net.conv_transpose(h, net.constant(weight(channels, 12, 2, 2)), stride=stride)
    net.output("y", net.conv(net.relu(h), net.constant(weight(20, 12, 1, 1))))
    optimize(net, pipeline("cpu", "bf16"))
    ops = [layer.op.anchor if layer.kind == "Fused" else layer.op for layer in net.layers]
    spread = [op for op in ops if "ConvTranspose" in (op.KEY.name, *(_inner(op)))]
    assert [op.KEY.name for op in spread] == [kind]


def _inner(op: object) -> list[str]:
    """The names of what an operator is made of."""
    anchor = getattr(op, "anchor", None)
    return [] if anchor is None else [anchor.KEY.name, *_inner(anchor)]


def test_small_products_may_stay_and_are_named() -> None:
    net = mlp()  # of 4 * 64 * 32 and 4 * 32 * 8 multiplications
    assert round_products(net, largest_kept=4 * 32 * 8) == 1
    assert [layer.kind for layer in net.layers] == ["Rounded", "Relu", "MatMul"]
    assert [(item.layer, item.operator, item.reason) for item in net.wide] == [("MatMul", "MatMul", MEASURED)]


def test_products_are_as_large_as_their_named_sizes_say() -> None:
    net = ew.Network()
    net.output("y", net.matmul(net.input("x", ew.float32, ("rows", 64)), net.constant(weight(64, 8))))
    assert round_products(net, largest_kept=64 * 8, sizes={"rows": 2}) == 1
    assert not net.wide
