"""Tests of the operators that only ONNX Runtime has: imported, evaluated by the references, compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from enginewright.errors import UnsupportedModel
from enginewright.onnx_io.parser import parse
from enginewright.ops.conv import Conv
from tests.sdk.ops.microsoft import RNG, Array, bytes_, check, floats, model_of, scalar


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_fused_matmul(a: int, b: int) -> None:
    left, right = floats(2, 3, 4), floats(2, 4, 5)
    inputs = [left.swapaxes(1, 2).copy() if a else left, right.swapaxes(1, 2).copy() if b else right]
    check("FusedMatMul", inputs, transA=a, transB=b, alpha=0.5)


@pytest.mark.parametrize(("trans", "batch"), [("A", ""), ("", "A"), ("A", "A"), ("B", "B"), ("AB", "AB"), ("A", "B")])
def test_fused_matmul_with_the_batch_behind(trans: str, batch: str) -> None:
    """`transBatch` moves the first axis of [rows, batches, columns] behind its batch, then `trans` swaps two."""
    sides = {"A": floats(2, 3, 4, 5), "B": floats(2, 3, 5, 6)}
    for name in trans:
        sides[name] = sides[name].swapaxes(-1, -2)
    for name in batch:
        sides[name] = np.moveaxis(sides[name], -2, 0)
    flags = {f"trans{name}": 1 for name in trans} | {f"transBatch{name}": 1 for name in batch}
    check("FusedMatMul", [side.copy() for side in sides.values()], **flags)


def test_matmul_integer_to_float() -> None:
    a, b = bytes_(3, 8), bytes_(8, 5)
    scale = scalar(0.03)
    check("MatMulIntegerToFloat", [a, b, scale, scale, scalar(100, np.uint8), scalar(120, np.uint8), floats(5)])
    check("MatMulIntegerToFloat", [a, b, scale, np.abs(floats(5)), None, bytes_(5), None])


def test_dynamic_quantize_matmul() -> None:
    check("DynamicQuantizeMatMul", [floats(3, 8), bytes_(8, 5), scalar(0.03), scalar(9, np.uint8), floats(5)])


@pytest.mark.parametrize("depth", [64, 48])
@pytest.mark.parametrize("zero", [False, True])
def test_matmul_n_bits(depth: int, zero: bool) -> None:
    blocks = -(-depth // 32)
    weight, scales = bytes_(6, blocks, 16), np.abs(floats(6 * blocks))
    zeros = bytes_(6 * -(-blocks // 2)) if zero else None
    check(
        "MatMulNBits",
        [floats(3, depth), weight, scales, zeros],
        constants=(1, 2, 3),
        K=depth,
        N=6,
        bits=4,
        block_size=32,
    )


@pytest.mark.parametrize(
    ("activation", "parameters"),
    [
        ("Relu", []),
        ("Sigmoid", []),
        ("Tanh", []),
        ("LeakyRelu", [0.3]),
        ("Clip", [-0.5, 0.5]),
        ("HardSigmoid", [0.3, 0.4]),
    ],
)
def test_fused_conv(activation: str, parameters: list[float]) -> None:
    inputs: Sequence[Array | None] = [floats(1, 3, 6, 7), floats(4, 3, 3, 3), floats(4)]
    attributes: dict[str, Any] = {"activation_params": parameters} if parameters else {}
    check("FusedConv", inputs, pads=[1, 1, 1, 1], activation=activation, **attributes)


def test_fused_conv_with_sum() -> None:
    inputs: Sequence[Array | None] = [floats(1, 3, 6, 7), floats(4, 3, 3, 3), floats(4), floats(1, 4, 4, 5)]
    check("FusedConv", inputs, activation="Relu")


def test_fused_gemm() -> None:
    check("FusedGemm", [floats(3, 4), floats(5, 4), floats(5)], transB=1, activation="LeakyRelu", activation_alpha=0.2)


def test_q_gemm() -> None:
    one, zero = scalar(0.05), scalar(110, np.uint8)
    bias = RNG.integers(-50, 50, 5).astype(np.int32)
    check("QGemm", [bytes_(3, 8), one, zero, bytes_(5, 8), one, zero, bias, scalar(2.0), zero], transB=1, steps=1)
    check("QGemm", [bytes_(3, 8), one, zero, bytes_(8, 5), one, zero, bias])


def test_nhwc_max_pool() -> None:
    check("NhwcMaxPool", [bytes_(1, 6, 7, 3)], kernel_shape=[2, 2], strides=[2, 2])


@pytest.mark.parametrize("name", ["QLinearAdd", "QLinearMul"])
def test_quantized_binary(name: str) -> None:
    one, zero = scalar(0.05), scalar(110, np.uint8)
    check(name, [bytes_(3, 8), one, zero, bytes_(8), one, zero, scalar(0.1), zero], steps=1)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("QLinearSigmoid", {}),
        ("QLinearLeakyRelu", {"alpha": 0.2}),
        ("QLinearSoftmax", {"opset": 13, "axis": -1}),
        ("QLinearAveragePool", {"kernel_shape": [2, 2]}),
        ("QLinearAveragePool", {"kernel_shape": [2, 2], "channels_last": 1}),
        ("QLinearGlobalAveragePool", {}),
        ("QLinearGlobalAveragePool", {"channels_last": 1}),
    ],
)
def test_quantized_unary(name: str, attributes: dict[str, Any]) -> None:
    constants = (1, 2, 3, 4)
    inputs: Sequence[Array | None] = [
        bytes_(1, 4, 5, 6),
        scalar(0.05),
        scalar(110, np.uint8),
        scalar(0.01),
        scalar(3, np.uint8),
    ]
    check(name, inputs, constants=constants, steps=1, **attributes)


@pytest.mark.parametrize("last", [0, 1])
def test_quantized_conv(last: int) -> None:
    x = bytes_(1, 7, 8, 3) if last else bytes_(1, 3, 7, 8)
    one, zero, bias = scalar(0.05), scalar(128, np.uint8), RNG.integers(-50, 50, 4).astype(np.int32)
    inputs = [x, one, zero, bytes_(4, 3, 3, 3), scalar(0.02), zero, scalar(0.3), zero, bias]
    check("QLinearConv", inputs, constants=(3,), pads=[1, 1, 1, 1], channels_last=last, steps=1)


def test_quantized_concat() -> None:
    one, zero = scalar(0.05), scalar(110, np.uint8)
    check("QLinearConcat", [one, zero, bytes_(2, 3), one, zero, bytes_(2, 4), scalar(0.02), zero], axis=1, steps=1)


def test_quantized_where() -> None:
    one, zero = scalar(0.05), scalar(110, np.uint8)
    condition = RNG.integers(0, 2, (2, 3)).astype(bool)
    inputs = [condition, bytes_(2, 3), one, zero, bytes_(2, 3), scalar(0.02), zero, one, zero]
    check("QLinearWhere", inputs, constants=tuple(range(2, 4)) + tuple(range(5, 9)), steps=1)


ATTENTION = [floats(2, 5, 8), floats(8, 24), floats(24)]


@pytest.mark.parametrize("causal", [0, 1])
def test_attention(causal: int) -> None:
    mask = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32)
    check("Attention", [*ATTENTION, None], num_heads=2, unidirectional=causal)
    check("Attention", [*ATTENTION, mask], num_heads=2, unidirectional=0)
    check("Attention", [*ATTENTION, np.array([3, 5], np.int32)], num_heads=2)
    past = floats(2, 2, 2, 3, 4)
    check("Attention", [*ATTENTION, None, past], outputs=2, num_heads=2, unidirectional=1)


def test_multi_head_attention() -> None:
    q, k, v = floats(2, 5, 8), floats(2, 7, 8), floats(2, 7, 8)
    check("MultiHeadAttention", [q, k, v], num_heads=2)
    check("MultiHeadAttention", [q, k, v, floats(24)], num_heads=2)
    check("MultiHeadAttention", [q, k, v, None, np.array([[1] * 5 + [0] * 2, [1] * 7], np.int32)], num_heads=2)
    check("MultiHeadAttention", [q, k, v, None, None, floats(1, 2, 5, 7)], num_heads=2)
    past = floats(2, 2, 3, 4), floats(2, 2, 3, 4)
    inputs = [q, floats(2, 5, 8), floats(2, 5, 8), None, None, None, *past]
    check("MultiHeadAttention", inputs, outputs=3, num_heads=2)


def test_multi_head_attention_packed() -> None:
    """ONNX Runtime has this form on GPUs only: it equals the form with three inputs."""
    packed = floats(2, 5, 2, 3, 4)
    apart = [np.ascontiguousarray(packed[:, :, :, i]).reshape(2, 5, 8) for i in range(3)]
    both = [
        parse(model_of("MultiHeadAttention", inputs, 1, (), num_heads=2)).evaluate(
            dict(zip(["x0", "x1", "x2"], inputs, strict=False))
        )
        for inputs in ([packed], apart)
    ]
    np.testing.assert_allclose(both[0]["y0"], both[1]["y0"], rtol=1e-6)


def test_keys_and_values_packed() -> None:
    """Nor is this form there on the CPU: [B, T, heads, 2, D]."""
    q, packed = floats(2, 5, 8), floats(2, 7, 2, 2, 4)
    apart = [np.ascontiguousarray(packed[:, :, :, i]).reshape(2, 7, 8) for i in range(2)]
    found = parse(model_of("MultiHeadAttention", [q, packed], 1, (), num_heads=2)).evaluate({"x0": q, "x1": packed})
    feeds = dict(zip(["x0", "x1", "x2"], [q, *apart], strict=True))
    expected = parse(model_of("MultiHeadAttention", [q, *apart], 1, (), num_heads=2)).evaluate(feeds)
    np.testing.assert_allclose(found["y0"], expected["y0"], rtol=1e-6)


def test_embed_layer_normalization() -> None:
    words, segments = RNG.integers(0, 9, (2, 5)).astype(np.int32), RNG.integers(0, 2, (2, 5)).astype(np.int32)
    tables = [floats(9, 8), floats(6, 8), floats(2, 8), floats(8), floats(8)]
    check("EmbedLayerNormalization", [words, segments, *tables, np.ones((2, 5), np.int32)], outputs=2)
    check("EmbedLayerNormalization", [words, None, *tables[:2], None, *tables[3:], None], outputs=2)


@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotary_embedding(interleaved: int) -> None:
    tables = [floats(10, 4), floats(10, 4)]
    positions = RNG.integers(0, 10, (2, 5))
    check("RotaryEmbedding", [floats(2, 5, 24), positions, *tables], interleaved=interleaved)
    check("RotaryEmbedding", [floats(2, 3, 5, 8), np.array([2]), *tables], interleaved=interleaved)


BYTES, ONE = bytes_(2, 3), scalar(0.1)
GROUPED = [floats(1, 2, 8), floats(1, 2, 4), floats(1, 2, 4), None, None, np.array([1], np.int32), scalar(2, np.int32)]


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes", "reason"),
    [
        ("GroupQueryAttention", GROUPED, {"num_heads": 2, "kv_num_heads": 1, "causal": 0}, "causal"),
        (
            "MatMulNBits",
            [floats(3, 32), bytes_(6, 1, 16), floats(6)],
            {"K": 32, "N": 6, "block_size": 32},
            "not a constant",
        ),
        ("FusedConv", [floats(1, 3, 5, 5), floats(2, 3, 3, 3)], {"activation": "Swirl"}, "Swirl"),
        ("Attention", ATTENTION, {"num_heads": 2, "do_rotary": 1}, "do_rotary"),
        ("Attention", [*ATTENTION, np.ones((2, 1, 5, 5), np.int32)], {"num_heads": 2}, "a mask with 4 axes"),
        ("Attention", [*ATTENTION, np.ones(2, np.int32)], {"num_heads": 2, "unidirectional": 1}, "lengths together"),
        ("QLinearConcat", [ONE, scalar(0, np.uint8), BYTES, ONE], {"axis": 0}, "4 inputs"),
        ("RotaryEmbedding", [floats(2, 5, 24), np.array([0]), floats(9, 4), floats(9, 4)], {"scale": 2.0}, "scale"),
    ],
)
def test_forms_that_are_not_supported(
    op_type: str, inputs: Sequence[Array | None], attributes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedModel, match=reason):
        parse(model_of(op_type, inputs, 1, (), **attributes))


def written_by_the_optimizer(op_type: str, opset: int) -> onnx.ModelProto:
    """A node of ai.onnx in an older opset, as ONNX Runtime's optimizer writes it."""
    x, scale = floats(2, 3, 8), floats(8)
    model = model_of(op_type, [x, scale], 1, (1,), axis=-1, epsilon=1e-3)
    model.graph.node[0].domain, model.opset_import[0].version = "", opset
    return model


@pytest.mark.parametrize("op_type", ["LayerNormalization", "SimplifiedLayerNormalization"])
def test_normalization_in_an_older_opset(op_type: str) -> None:
    """ONNX has the first since opset 17, the second never; ONNX Runtime takes both in any."""
    x, model = floats(2, 3, 8), written_by_the_optimizer(op_type, 12)
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x0": x})
    np.testing.assert_allclose(parse(model).evaluate({"x0": x})["y0"], expected, rtol=1e-5, atol=1e-5)


def test_a_layout_of_one_machine_is_explained() -> None:
    model = model_of("Conv", [floats(1, 16, 5, 5), floats(16, 16, 3, 3)], 1, (1,))
    model.graph.node[0].domain = model.opset_import[1].domain = "com.microsoft.nchwc"
    with pytest.raises(UnsupportedModel, match="without its layout level"):
        parse(model)


def test_nhwc_conv() -> None:
    """ONNX Runtime has no kernel for it on the CPU: it equals a convolution between transposes."""
    x, w = floats(1, 6, 7, 3), floats(4, 3, 3, 3)
    model = model_of("NhwcConv", [x, w], 1, (), pads=[1, 1, 1, 1], strides=[2, 2])
    found = parse(model).evaluate({"x0": x, "x1": w})["y0"]
    plain = Conv(padding=1, stride=2).reference(x.transpose(0, 3, 1, 2), w.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, plain.transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-5)


def test_nhwc_fused_conv() -> None:
    """Nor for this: the sum and the activation follow."""
    x, w, b, z = floats(1, 6, 7, 3), floats(4, 3, 3, 3), floats(4), floats(1, 6, 7, 4)
    model = model_of("NhwcFusedConv", [x, w, b, z], 1, (), pads=[1, 1, 1, 1], activation="Relu")
    found = parse(model).evaluate({"x0": x, "x1": w, "x2": b, "x3": z})["y0"]
    plain = Conv(padding=1).reference(x.transpose(0, 3, 1, 2), w, b).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, np.maximum(plain + z, 0), rtol=1e-5, atol=1e-5)


def test_masks_together() -> None:
    q, k, v = floats(2, 5, 8), floats(2, 7, 8), floats(2, 7, 8)
    mask = np.array([[1] * 5 + [0] * 2, [1] * 7], np.int32)
    check("MultiHeadAttention", [q, k, v, None, mask, floats(1, 2, 5, 7)], num_heads=2)


def test_partial_rotation() -> None:
    tables, x = [floats(10, 2), floats(10, 2)], floats(2, 5, 24)
    check("RotaryEmbedding", [x, np.array([1]), *tables], num_heads=3, rotary_embedding_dim=4)
