"""Quantized arithmetic on the CPU: conversions, 8-bit matrix products and convolutions, the quantized LSTM."""

from __future__ import annotations

import math
from dataclasses import replace

from enginewright.dims import Size
from enginewright.ops.conv_integer import ConvInteger, QLinearConv
from enginewright.ops.matmul import MatMulInteger, QLinearMatMul
from enginewright.ops.quantize import DequantizeLinear, DynamicQuantizeLinear, QuantizeLinear
from enginewright.ops.recurrent_quantized import DynamicQuantizeLSTM
from enginewright.ops.row_quantized import GROUP, RowQuantizedMatMul
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.conv import window_params
from enginewright.tactics.matmul import PACKED_INSTEAD, panel_bytes
from enginewright.tactics.recurrent import VECTOR, recurrent_params
from enginewright.tensors import (
    DataType,
    TensorSpec,
    bfloat16,
    float16,
    float32,
    float64,
    int2,
    int4,
    int8,
    int16,
    int32,
    normalize_axis,
    uint2,
    uint4,
    uint8,
    uint16,
)

INTEGERS = (uint8, int8, uint16, int16, uint4, int4, uint2, int2)
FLOATS = (float32, float64, float16, bfloat16)
PANEL = 48
"""Columns of a panel, of the instruction set with the widest; a multiple of the others."""


def byte_panel_bytes(k: int, n: int) -> int:
    """Bytes of an 8-bit matrix [k, n] in panels with its column sums, for the instruction set that needs most."""
    return panel_bytes(-(-k // 4), n) + 4 * n


def grouped_bytes(k: int, n: int) -> int:
    """Bytes of a matrix [k, n] in panels with the sums of its columns in each group, as floats in whole panels."""
    return panel_bytes(-(-k // 4), n) + 4 * -(-k // GROUP) * (-(-n // PANEL) * PANEL)


def _scale_params(x: TensorSpec, scale: TensorSpec, axis: int, block: int) -> tuple[int, ...]:
    """Kind (one number, one an axis, one a block), axis, block size."""
    if scale.size == 1 and not block:
        return (0, 0, 0)
    return (2 if block else 1, normalize_axis(axis, x.rank), block)


@tactic(QuantizeLinear, kernel="cpu_quantize_linear")
def quantize_linear(
    op: QuantizeLinear, x: TensorSpec, y_scale: TensorSpec, y_zero_point: TensorSpec | None = None
) -> Launch | str:
    """Integers of 2, 4, 8 and 16 bits."""
    output = y_zero_point.dtype if y_zero_point else op.output_dtype
    if output not in INTEGERS or x.dtype not in (*FLOATS, int32) or y_scale.dtype not in FLOATS:
        return f"not from {x.dtype} to {output}"
    return Launch(_scale_params(x, y_scale, op.axis, op.block_size))


@tactic(DequantizeLinear, kernel="cpu_dequantize_linear")
def dequantize_linear(
    op: DequantizeLinear, x: TensorSpec, x_scale: TensorSpec, x_zero_point: TensorSpec | None = None
) -> Launch | str:
    """Integers of 2, 4, 8, 16 and 32 bits."""
    output: DataType = op.output_dtype or x_scale.dtype
    if x.dtype not in (*INTEGERS, int32) or x_scale.dtype not in FLOATS or output not in FLOATS:
        return f"not from {x.dtype} to {output}"
    return Launch(_scale_params(x, x_scale, op.axis, op.block_size))


@tactic(DynamicQuantizeLinear, kernel="cpu_dynamic_quantize_linear")
def dynamic_quantize_linear(op: DynamicQuantizeLinear, x: TensorSpec) -> Launch | str:
    """The range of x first, then its elements."""
    return Launch()


def _rows_fit(zero: TensorSpec | None) -> str | None:
    """Zero points of rows must be a plain list: one number, or one for each row."""
    return None if zero is None or zero.rank < 2 else "zero points of a have more than one axis"


@tactic(MatMulInteger, kernel="cpu_matmul_integer")
def matmul_integer_packed(op: MatMulInteger, a: TensorSpec, b: TensorSpec, *zeros: TensorSpec | None) -> Launch | str:
    """A constant matrix on the right, packed with the sums of its columns."""
    if b.rank > 2:
        return "the right-hand side is a batch of matrices"
    rows, columns = (b.shape[0], b.shape[1]) if b.rank == 2 else (b.size, 1)
    if not isinstance(rows, int) or not isinstance(columns, int):
        return "the right-hand side has sizes that are not known when building"
    found = _integer_launch(1, a, b, *zeros)
    if isinstance(found, str):
        return found
    pack = Pack("cpu_pack_gemm_b_i8", byte_panel_bytes(rows, columns))
    return Launch(found.params, pack={1: pack}, split=found.split)


@tactic(MatMulInteger, kernel="cpu_matmul_integer")
def matmul_integer(op: MatMulInteger, a: TensorSpec, b: TensorSpec, *zeros: TensorSpec | None) -> Launch | str:
    """Both sides dynamic."""
    if b.constant and b.rank <= 2:
        return PACKED_INSTEAD
    return _integer_launch(0, a, b, *zeros)


def _integer_launch(packed: int, a: TensorSpec, b: TensorSpec, *zeros: TensorSpec | None) -> Launch | str:
    zero_a, zero_b = (*zeros, None, None)[:2]
    reason = _rows_fit(zero_a) or (None if zero_b is None or zero_b.rank < 2 else "zero points of b have axes")
    rank = max(a.rank, b.rank, 2) - (a.rank == 1) - (b.rank == 1)
    return reason or Launch((packed, 2 + len(zeros)), split=rank if b.rank == 1 else rank - 1)


@tactic(RowQuantizedMatMul, kernel="cpu_row_quantized_matmul")
def row_quantized_matmul_packed(
    op: RowQuantizedMatMul, a: TensorSpec, b: TensorSpec, b_scale: TensorSpec
) -> Launch | str:
    """A constant matrix on the right, packed with the sums of its columns."""
    rows, columns = b.shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        return "the right-hand side has sizes that are not known when building"
    pack = Pack("cpu_pack_row_quantized", grouped_bytes(rows, columns))
    return Launch((1, 3), pack={1: pack}, split=max(a.rank, 2) - 1 - (a.rank == 1))


@tactic(RowQuantizedMatMul, kernel="cpu_row_quantized_matmul")
def row_quantized_matmul(op: RowQuantizedMatMul, a: TensorSpec, b: TensorSpec, b_scale: TensorSpec) -> Launch | str:
    """Both sides dynamic."""
    if b.constant:
        return PACKED_INSTEAD
    return Launch((0, 3), split=max(a.rank, 2) - 1 - (a.rank == 1))


@tactic(QLinearMatMul, kernel="cpu_qlinear_matmul")
def qlinear_matmul(op: QLinearMatMul, *specs: TensorSpec) -> Launch | str:
    """Sums in int32, then one multiplication and rounding."""
    if any(specs[index].dtype is not float32 for index in (1, 4, 6)):
        return "needs float32 scales"
    if any(specs[index].rank > 1 for index in (1, 2, 4, 5)) or any(specs[index].size != 1 for index in (6, 7)):
        return "needs one scale and zero point for y, and lists of them for a and b"
    return Launch((0, 8))


@tactic(ConvInteger, kernel="cpu_conv_integer")
def conv_integer_packed(op: ConvInteger, x: TensorSpec, w: TensorSpec, *zeros: TensorSpec | None) -> Launch | str:
    """Patches as rows of the 8-bit matrix core; a constant weight, packed when building."""
    return _packed_conv(op, x, w, (2 + len(zeros), 1))


@tactic(ConvInteger, kernel="cpu_conv_integer")
def conv_integer(op: ConvInteger, x: TensorSpec, w: TensorSpec, *zeros: TensorSpec | None) -> Launch | str:
    """Patches as rows of the 8-bit matrix core."""
    return PACKED_INSTEAD if w.constant else _conv_launch(op, x, w, 2 + len(zeros))


@tactic(QLinearConv, kernel="cpu_qlinear_conv")
def qlinear_conv_packed(op: QLinearConv, *specs: TensorSpec | None) -> Launch | str:
    """Sums in int32, then bias, one multiplication and rounding; a constant weight, packed when building."""
    x, w = specs[0], specs[3]
    assert x is not None
    assert w is not None
    return _packed_conv(op, x, w, (9 if len(specs) > 8 else 8, 3))


@tactic(QLinearConv, kernel="cpu_qlinear_conv")
def qlinear_conv(op: QLinearConv, *specs: TensorSpec | None) -> Launch | str:
    """Sums in int32, then bias, one multiplication and rounding."""
    x, w = specs[0], specs[3]
    assert x is not None
    assert w is not None
    return PACKED_INSTEAD if w.constant else _conv_launch(op, x, w, 9 if len(specs) > 8 else 8)


def _conv_launch(
    op: ConvInteger | QLinearConv, x: TensorSpec, w: TensorSpec, inputs: int, *, packed: int = 0
) -> Launch | str:
    if x.rank > 5:
        return "needs at most three spatial axes"
    params: tuple[Size, ...] = (op.group, inputs, packed, *window_params(op.window(x, w)))
    return Launch(params)


def _packed_conv(op: ConvInteger | QLinearConv, x: TensorSpec, w: TensorSpec, inputs: tuple[int, int]) -> Launch | str:
    """With the weight, input `inputs[1]` of `inputs[0]`, in panels for each group."""
    found = _conv_launch(op, x, w, inputs[0], packed=1)
    sizes = [size for size in w.shape if isinstance(size, int)]
    if isinstance(found, str) or len(sizes) < w.rank or w.size == 0:
        return found if isinstance(found, str) else "the weight has sizes that are not known when building, or is empty"
    depth = math.prod(sizes[1:])
    step = -(-byte_panel_bytes(depth, sizes[0] // op.group) // 64) * 64
    return Launch(found.params, pack={inputs[1]: Pack("cpu_pack_conv_i8", op.group * step, (op.group,))})


@tactic(DynamicQuantizeLSTM, kernel="cpu_lstm_quantized_units")
def lstm_quantized_units(op: DynamicQuantizeLSTM, *specs: TensorSpec | None) -> Launch | str:
    """The gates of a vector of units together, in registers, from the product with the state to the new state."""
    found = lstm_quantized_packed(op, *specs)
    if isinstance(found, str):
        return found
    if any(len(specs) > index and specs[index] is not None for index in (8, 11)) or op.input_forget or op.clip:
        return "needs sequences of one length, a forget gate, no peepholes and no clipping"
    if any(f.name != name for fs in op.functions() for f, name in zip(fs, op.DEFAULTS, strict=True)):
        return "needs the usual activations"
    r = specs[2]
    if r is None or not isinstance(r.shape[1], int) or r.shape[1] % VECTOR:
        return f"needs a multiple of {VECTOR} units"
    return replace(found, pack={**found.pack, 2: replace(found.pack[2], kernel="cpu_pack_recurrent_units_i8")})


@tactic(DynamicQuantizeLSTM, kernel="cpu_lstm_quantized")
def lstm_quantized_packed(op: DynamicQuantizeLSTM, *specs: TensorSpec | None) -> Launch | str:
    """Constant weights, packed when building."""
    packs = {}
    for index in (1, 2):
        spec = specs[index]
        assert spec is not None
        directions, k, columns = spec.shape
        if not isinstance(directions, int) or not isinstance(k, int) or not isinstance(columns, int):
            return "the weights have sizes that are not known when building"
        size = -(-byte_panel_bytes(k, columns) // 64) * 64
        packs[index] = Pack("cpu_pack_recurrent_i8", directions * size)
    return Launch(recurrent_params(op, op.input_forget, True), pack=packs)


@tactic(DynamicQuantizeLSTM, kernel="cpu_lstm_quantized")
def lstm_quantized(op: DynamicQuantizeLSTM, *specs: TensorSpec | None) -> Launch | str:
    """Weights that come at run time are packed at each call."""
    w, r = specs[1], specs[2]
    if w is not None and w.constant and r is not None and r.constant:
        return PACKED_INSTEAD
    return Launch(recurrent_params(op, op.input_forget, False))
