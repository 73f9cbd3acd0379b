"""Tensors between layers become bfloat16 where all that touch them can handle it; the caller's stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.graph.network import Network, Tensor
from enginewright.ops.pointwise import Fused, Pointwise
from enginewright.ops.rounded import Rounded
from enginewright.optimize import NARROWING, optimize, pipeline
from enginewright.optimize.narrow_tensors import narrow_tensors
from enginewright.tensors import DataType
from tests.sdk.optimize.rewriting import rewrite

RNG = np.random.default_rng(0)
WIDE = tuple(run for run in pipeline("cpu", "bf16") if run not in NARROWING)


def weight(*shape: int, rng: np.random.Generator = RNG) -> np.ndarray:
    """Numbers that keep outputs near 1."""
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def prepared(net: Network) -> Network:
    """The network as it is before tensors are narrowed."""
    optimize(net, WIDE)
    return net


def dtypes(net: Network) -> list[DataType]:
    """The type of the first output of each layer."""
    return [layer.outputs[0].dtype for layer in net.layers]


def images() -> Network:
    """A block as image networks have it: residual, depthwise, pool, mean, product."""
    net = Network()
    h = net.relu(net.conv(net.input("x", ew.float32, (2, 8, 9, 7)), net.constant(weight(16, 8, 3, 3)), padding=1))
    g = net.clip(
        net.conv(h, net.constant(weight(16, 1, 3, 3)), net.constant(weight(16, 1)[:, 0]), padding=1, group=16),
        net.constant(np.float32(0)),
        net.constant(np.float32(6)),
    )
    h = net.relu(net.add(net.conv(g, net.constant(weight(16, 16, 1, 1))), h))
    pools = (net.max_pool(h, kernel_shape=(2, 2), stride=2), net.average_pool(h, kernel_shape=(2, 2), stride=2))
    h = net.add(*pools)
    h = net.conv(h, net.constant(weight(40, 16, 1, 1)))
    net.output("y", net.gemm(net.flatten(net.global_average_pool(h)), net.constant(weight(40, 5))))
    return prepared(net)


def test_all_between_the_ends_of_an_image_network_is_narrow() -> None:
    changes, after = rewrite(images(), narrow_tensors, 3e-2)
    assert changes > 0
    kinds = [(layer.kind, layer.outputs[0].dtype) for layer in after.layers]
    assert kinds[0] == ("Transpose", ew.float32)  # of what the caller gives
    assert kinds[-1][1] is ew.float32
    assert {dtype for _, dtype in kinds[1:-1]} == {ew.bfloat16}


def test_depthwise_convolutions_of_narrow_images_are_rounded() -> None:
    after = rewrite(images(), narrow_tensors, 3e-2)[1]
    anchors = [layer.op.anchor for layer in after.layers if isinstance(layer.op, Fused)]
    assert all(isinstance(anchor, Rounded) for anchor in anchors)
    assert any(anchor.anchor.anchor.group == 16 for anchor in anchors if anchor.anchor.KEY.name == "ChannelsLast")


def test_shuffled_convolutions_of_narrow_images_are_rounded() -> None:
    net = Network()
    h = net.relu(net.conv(net.input("x", ew.float32, (1, 8, 9, 7)), net.constant(weight(24, 8, 3, 3))))
    h = net.conv(h, net.constant(weight(24, 12, 1, 1)), group=2)
    shuffled = net.transpose(net.reshape(h, net.constant(np.array([1, 2, 12, 7, 5]))), perm=(0, 2, 1, 3, 4))
    h = net.conv(
        net.reshape(shuffled, net.constant(np.array([1, 24, 7, 5]))),
        net.constant(weight(24, 1, 3, 3)),
        padding=1,
        group=24,
    )
    net.output("y", net.relu(net.conv(h, net.constant(weight(24, 12, 1, 1)), group=2)))
    after = rewrite(prepared(net), narrow_tensors, 3e-2)[1]
    anchors = [layer.op.anchor if isinstance(layer.op, Fused) else layer.op for layer in after.layers]
    last = [anchor for anchor in anchors if isinstance(anchor, Rounded)][-1]
    assert last.anchor.anchor.KEY.name == "Shuffled"
    assert set(dtypes(after)[1:-2]) == {ew.bfloat16}


def test_a_convolution_that_is_not_rounded_writes_narrow_numbers() -> None:
    net = Network()
    x = net.transpose(net.input("x", ew.float32, (1, 9, 9, 6)), perm=(0, 3, 1, 2))
    h = net.relu(net.conv(x, net.constant(weight(16, 3, 3, 3)), group=2))  # groups of an odd number of channels
    net.output("y", net.conv(h, net.constant(weight(16, 16, 1, 1))))
    after = rewrite(prepared(net), narrow_tensors, 3e-2)[1]
    assert dtypes(after)[0] is ew.bfloat16
    assert isinstance(after.layers[0].op, Fused)
    assert not isinstance(after.layers[0].op.anchor, Rounded)


def test_what_a_wide_layer_reads_stays_wide() -> None:
    net = Network()
    h = net.matmul(net.input("x", ew.float32, (16, 32)), net.constant(weight(32, 32)))
    net.output("y", net.matmul(net.softmax(net.transpose(h, perm=(1, 0))), net.constant(weight(16, 4))))
    changes, after = rewrite(prepared(net), narrow_tensors, 3e-2)
    assert changes == 0
    assert set(dtypes(after)) == {ew.float32}


def test_outputs_stay_as_they_are_though_others_read_them() -> None:
    net = Network()
    h = net.relu(net.matmul(net.input("x", ew.float32, (16, 32)), net.constant(weight(32, 32))))
    net.output("h", h)
    net.output("y", net.matmul(h, net.constant(weight(32, 4))))
    assert rewrite(prepared(net), narrow_tensors, 3e-2)[0] == 0


def test_programs_that_two_products_read_round_once() -> None:
    net = Network()
    h = net.matmul(net.input("x", ew.float32, (16, 32)), net.constant(weight(32, 32)))
    g = net.mul(net.sigmoid(h), net.tanh(h))
    for name in ("y", "z"):
        net.output(name, net.matmul(g, net.constant(weight(32, 4))))
    after = rewrite(prepared(net), narrow_tensors, 3e-2)[1]
    assert dtypes(after) == [ew.bfloat16, ew.float32, ew.float32]
    assert sum(isinstance(layer.op, Pointwise | Fused) for layer in after.layers) == 1


@pytest.mark.parametrize(("shape", "narrow"), [((32,), True), ((16, 1), False), ((1, 32), False)])
def test_a_gemm_that_adds_more_than_a_row_writes_float32(shape: tuple[int, ...], narrow: bool) -> None:
    net = Network()
    added = net.constant(RNG.standard_normal(shape).astype(np.float32))
    h = net.gemm(net.input("x", ew.float32, (16, 32)), net.constant(weight(32, 32)), added)
    net.output("y", net.matmul(h, net.constant(weight(32, 4))))
    after = rewrite(prepared(net), narrow_tensors, 3e-2)[1]
    assert (after.layers[0].outputs[0].dtype is ew.bfloat16) == narrow


def vision_transformer(batch: int | str) -> Network:
    """Patches behind the token of their class, a block with attention of two heads, and the token's product."""
    net, rng = Network(), np.random.default_rng(1)

    def const(*shape: int) -> Tensor:
        return net.constant(weight(*shape, rng=rng))

    x = net.input("x", ew.float32, (batch, 16, 32))
    token = const(1, 1, 32)
    if not isinstance(batch, int):
        sizes = net.slice(net.shape(x), *(net.constant([limit]) for limit in (0, 1)))
        token = net.expand(token, net.concat(sizes, net.constant([1, 32])))
    h = net.concat(token, net.matmul(x, const(32, 32)), axis=1)
    heads = net.constant([0, 0, 2, 16])

    def turned(perm: tuple[int, ...]) -> Tensor:
        split = net.reshape(net.matmul(h, const(32, 32)), heads)
        return net.transpose(split, perm=perm)

    scores = net.matmul(turned((0, 2, 1, 3)), turned((0, 2, 3, 1)))
    mixed = net.matmul(net.softmax(net.mul(scores, net.constant(np.float32(0.25))), axis=-1), turned((0, 2, 1, 3)))
    mixed = net.reshape(net.transpose(mixed, perm=(0, 2, 1, 3)), net.constant([0, 0, 32]))
    h = net.add(h, net.matmul(mixed, const(32, 32)))
    scale, shift = (net.constant(weight(32, 1, rng=rng)[:, 0]) for _ in range(2))
    inner = net.matmul(net.layer_normalization(h, scale, shift)[0], const(32, 64))
    h = net.add(h, net.matmul(net.gelu(inner), const(64, 32)))
    net.output("y", net.matmul(h, const(32, 4)))
    return net


@pytest.mark.parametrize("batch", [1, "N"])
def test_constants_beside_narrow_tensors_are_narrowed(batch: int | str) -> None:
    net = prepared(vision_transformer(batch))
    assert narrow_tensors(net) > 0
    net.infer()
    assert {layer.outputs[0].dtype for layer in net.layers if layer.kind == "Concat"} >= {ew.bfloat16}


def test_attention_is_narrow_with_all_that_it_reads() -> None:
    net = prepared(vision_transformer(1))
    narrow_tensors(net)
    (layer,) = (layer for layer in net.layers if layer.kind == "Attention")
    assert {tensor.dtype for tensor in (*layer.inputs, *layer.outputs) if tensor is not None} == {ew.bfloat16}


@pytest.mark.parametrize("kept", ["v", "size"])
def test_attention_stays_float32_with_a_wide_input_or_an_odd_size(kept: str) -> None:
    net, size = Network(), 15 if kept == "size" else 16
    q, k, v = (net.input(name, ew.float32, (1, 2, 20, size)) for name in "qkv")
    q, k = (net.matmul(x, net.constant(weight(size, size))) for x in (q, k))
    if kept == "size":
        v = net.matmul(v, net.constant(weight(size, size)))
    mask = net.input("mask", ew.float32, (20, 20))
    net.output("y", net.matmul(net.attention(q, k, v, mask), net.constant(weight(size, 4))))
    after = rewrite(prepared(net), narrow_tensors, 3e-2)[1]
    (layer,) = (layer for layer in after.layers if layer.kind == "Attention")
    assert {tensor.dtype for tensor in (*layer.inputs, *layer.outputs) if tensor is not None} == {ew.float32}


@pytest.mark.parametrize("batch", [1, "N"])
def test_transformers_are_built_in_bfloat16(batch: int | str) -> None:
    x = {"x": RNG.standard_normal((1, 16, 32)).astype(np.float32)}
    found, wanted = (
        ew.load(ew.build(vision_transformer(batch), ew.BuilderConfig(precision=precision, timing_cache=""))).run(x)["y"]
        for precision in ("bf16", "fp32")
    )
    assert np.linalg.norm(found - wanted) <= 3e-2 * np.linalg.norm(wanted)


def test_networks_without_products_in_bfloat16_are_left() -> None:
    net = Network()
    net.output("y", net.relu(net.sigmoid(net.input("x", ew.float32, (4, 4)))))
    assert rewrite(net, narrow_tensors)[0] == 0


def test_the_engine_computes_the_same() -> None:
    net = images()
    optimize(net, NARROWING)
    x = {"x": RNG.standard_normal((2, 8, 9, 7)).astype(np.float32)}
    plan = ew.build(net, ew.BuilderConfig(level=0, timing_cache="", threads=1))
    wanted = net.evaluate(x)["y"]
    np.testing.assert_allclose(ew.load(plan).run(x)["y"], wanted, rtol=0, atol=2e-2 * np.abs(wanted).max())
    assert {step.kernel.partition("@")[0] for step in plan.meta.programs[0].steps} >= {
        "cpu_conv_nhwc_bf16", "cpu_depthwise_nhwc_bf16", "cpu_pool_nhwc_bf16", "cpu_global_mean_nhwc_bf16",
    }  # fmt: skip
