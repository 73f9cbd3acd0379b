"""Models of one node whose attributes, types or shapes do not fit its operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import onnx

from enginewright.errors import ModelInvalid
from tests.sdk.onnx_io.bad_models import INT64, BadModel, constant, holding, make_model, node, saved, value

Shapes: TypeAlias = dict[str, tuple[int, ...]]
Case: TypeAlias = tuple[str, onnx.NodeProto, Shapes]

IMAGE: Shapes = {"x": (1, 4, 8, 8)}
MATRIX: Shapes = {"x": (2, 3)}


def models() -> Iterator[BadModel]:
    """Yield the models of this module; each message names the node "culprit"."""
    for name, bad, shapes in (*_attributes(), *_counts(), *_shapes(), *_windows()):
        inputs = [value(tensor, shape) for tensor, shape in shapes.items()]
        yield BadModel(name, saved(make_model([bad], inputs)), ModelInvalid, ("culprit",))
    for name, model in (*_types(), *_contents()):
        yield BadModel(name, saved(model), ModelInvalid, ("culprit",))
    data = make_model([node("Relu", "x", domain="here")]).SerializeToString()
    for field, good, bad_text in (("op_type", b"Relu", b"Rel\xff"), ("domain", b"here", b"her\xff")):
        made = holding(data.replace(good, bad_text))
        yield BadModel(f"{field}_is_no_text", made, ModelInvalid, ("culprit", field, "UTF-8"))


def _attributes() -> Iterator[Case]:
    """Yield nodes with attributes that are absent, of a wrong type or out of range."""
    yield "attribute_of_wrong_type", node("Softmax", "x", axis="last"), MATRIX
    yield "attribute_unknown", node("Softmax", "x", axes=[1]), MATRIX
    twice = node("Softmax", "x", axis=0)
    twice.attribute.add(name="axis", i=1, type=onnx.AttributeProto.INT)
    yield "attribute_given_twice", twice, MATRIX
    yield "attribute_missing", node("Cast", "x"), MATRIX
    yield "constant_without_value", node("Constant", ""), MATRIX
    yield "constant_with_two_values", node("Constant", "", value_int=1, value_float=2.0), MATRIX
    yield "softmax_axis_out_of_range", node("Softmax", "x", axis=7), MATRIX
    yield "concat_axis_out_of_range", node("Concat", "x x", axis=5), MATRIX
    yield "flatten_axis_out_of_range", node("Flatten", "x", axis=-4), MATRIX
    yield "perm_with_repetition", node("Transpose", "x", perm=[0, 0]), MATRIX
    yield "perm_of_wrong_length", node("Transpose", "x", perm=[0, 1, 2]), MATRIX
    yield "perm_out_of_range", node("Transpose", "x", perm=[0, 2]), MATRIX
    yield "pad_mode_unknown", node("Pad", "x p", mode="sideways"), {**MATRIX, "p": (4,)}
    recurrent = {"x": (5, 1, 3), "w": (1, 16, 3), "r": (1, 16, 4)}
    yield "lstm_direction_unknown", node("LSTM", "x w r", hidden_size=4, direction="sideways"), recurrent
    yield "lstm_weight_of_other_size", node("LSTM", "x w r", hidden_size=4), {**recurrent, "w": (1, 15, 3)}


def _counts() -> Iterator[Case]:
    """Yield nodes with too many or too few inputs or outputs."""
    yield "inputs_too_few", node("Add", "x"), MATRIX
    yield "inputs_too_many", node("Relu", "x x"), MATRIX
    yield "input_required_but_absent", node("Add", "x _"), MATRIX
    yield "outputs_too_many", node("Relu", "x", "y z"), MATRIX
    yield "outputs_none", node("Relu", "x", ""), MATRIX


def _shapes() -> Iterator[Case]:
    """Yield nodes whose input shapes do not agree."""
    yield "broadcast_mismatch", node("Add", "x w"), {**MATRIX, "w": (4, 3)}
    yield "matmul_mismatch", node("MatMul", "x w"), {**MATRIX, "w": (4, 5)}
    yield "matmul_of_scalar", node("MatMul", "x w"), {**MATRIX, "w": ()}
    yield "gemm_mismatch", node("Gemm", "x w", transB=1), {**MATRIX, "w": (3, 5)}
    yield "gemm_of_rank_3", node("Gemm", "x w"), {"x": (1, 2, 3), "w": (3, 5)}
    yield "concat_mismatch", node("Concat", "x w", axis=0), {**MATRIX, "w": (2, 4)}
    yield "concat_of_other_rank", node("Concat", "x w", axis=0), {**MATRIX, "w": (3,)}
    norm = dict.fromkeys(("s", "b", "m", "v"), (4,))
    yield "batch_norm_of_other_size", node("BatchNormalization", "x s b m v"), {**IMAGE, **norm, "m": (5,)}


def _windows() -> Iterator[Case]:
    """Yield convolutions and pools that do not fit."""
    filters = {**IMAGE, "w": (8, 4, 3, 3)}
    yield "conv_channels_mismatch", node("Conv", "x w"), {**IMAGE, "w": (8, 3, 3, 3)}
    yield "conv_weight_of_other_rank", node("Conv", "x w"), {**IMAGE, "w": (8, 4, 3)}
    yield "conv_kernel_contradicts_weight", node("Conv", "x w", kernel_shape=[5, 5]), filters
    yield "conv_bias_of_other_size", node("Conv", "x w b"), {**filters, "b": (7,)}
    yield "conv_groups_do_not_divide", node("Conv", "x w", group=3), filters
    yield "conv_stride_zero", node("Conv", "x w", strides=[0, 1]), filters
    yield "conv_pads_of_wrong_length", node("Conv", "x w", pads=[1, 1]), filters
    yield "conv_window_larger_than_image", node("Conv", "x w"), {**IMAGE, "w": (8, 4, 12, 12)}
    yield "pool_without_kernel", node("MaxPool", "x"), IMAGE
    yield "pool_of_other_rank", node("MaxPool", "x", kernel_shape=[2, 2, 2]), IMAGE


def _types() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield nodes whose input types do not fit."""
    integer = value("i", (2, 3), INT64)
    yield "types_differ", make_model([node("Add", "x i")], [value("x", (2, 3)), integer])
    yield "relu_of_bool", make_model([node("Relu", "b")], [value("b", (2, 3), onnx.TensorProto.BOOL)])
    narrow = value("x", (2, 3), onnx.TensorProto.INT2)
    yield "two_bits_in_an_old_opset", make_model([node("Cast", "x", to=onnx.TensorProto.FLOAT)], [narrow])
    yield "softmax_of_int64", make_model([node("Softmax", "i")], [integer])
    yield "gather_by_float", make_model([node("Gather", "x x")])
    yield "reshape_to_float", make_model([node("Reshape", "x s")], constants=[constant("s", [3.0, 2.0])])


def _contents() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield nodes whose constant inputs ask for what cannot be."""

    def with_integers(bad: onnx.NodeProto, *numbers: int) -> onnx.ModelProto:
        return make_model([bad], constants=[constant("s", np.array(numbers), "int64")])

    yield "reshape_to_other_size", with_integers(node("Reshape", "x s"), 4, 2)
    yield "reshape_with_two_unknowns", with_integers(node("Reshape", "x s"), -1, -1)
    yield "reshape_to_negative_size", with_integers(node("Reshape", "x s"), -2, 3)
    yield "squeeze_of_size_2", with_integers(node("Squeeze", "x s"), 0)
    yield "unsqueeze_twice", with_integers(node("Unsqueeze", "x s"), 0, 0)
    yield "expand_mismatch", with_integers(node("Expand", "x s"), 2, 4)
    yield "split_of_other_sum", with_integers(node("Split", "x s", "y z", axis=1), 1, 1)
    yield "tile_of_other_length", with_integers(node("Tile", "x s"), 2)
    yield (
        "slice_by_zero",
        make_model(
            [node("Slice", "x s e a t")],
            constants=[constant(name, [number], "int64") for name, number in (("s", 0), ("e", 2), ("a", 0), ("t", 0))],
        ),
    )
    yield "constant_of_huge_shape", with_integers(node("ConstantOfShape", "s"), 1 << 40, 1 << 40)
    yield "reduce_axis_out_of_range", with_integers(node("ReduceSum", "x s"), 9)
