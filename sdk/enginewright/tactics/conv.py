"""Convolutions on the CPU: on the matrix core in two forms, depthwise direct, transposed, other element types."""

from __future__ import annotations

from enginewright.dims import Size
from enginewright.ops.conv import Conv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.window import Window
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.matmul import PACKED_INSTEAD, panel_bytes
from enginewright.tensors import TensorSpec, float32

TILE_ROWS = (8, 6, 4)
"""Rows of a tile of each instruction set (avx512, avx2, portable); packed weights are padded to whole tiles."""
GENERIC = frozenset(("float64", "float16", "bfloat16"))


def tiled(rows: int) -> int:
    """Rows padded to whole tiles, for the instruction set that needs most."""
    return max(-(-rows // step) * step for step in TILE_ROWS)


def window_params(window: Window) -> tuple[Size, ...]:
    """Stride, dilation and padding before, for each spatial axis."""
    axes = zip(window.strides, window.dilations, window.begins, strict=True)
    return tuple(number for axis in axes for number in axis)


def _conv_params(op: Conv | ConvTranspose, x: TensorSpec, w: TensorSpec, b: TensorSpec | None) -> tuple[Size, ...]:
    return (op.group, 3 if b else 2, *window_params(op.window(x, w)))


def known_sizes(w: TensorSpec) -> tuple[int, ...] | str:
    """The shape of a weight, if all of it is known when building."""
    known = tuple(size for size in w.shape if isinstance(size, int))
    return known if len(known) == w.rank else "the weight has sizes that are not known when building"


def _refuse(x: TensorSpec) -> str | None:
    if x.dtype is not float32:
        return "needs float32"
    return None if x.rank <= 5 else "needs at most three spatial axes"


def _is_depthwise(op: Conv, x: TensorSpec, w: TensorSpec) -> bool:
    return op.group > 1 and op.group == x.shape[1] and w.shape[1] == 1


def _refuse_wide(op: Conv, x: TensorSpec, w: TensorSpec) -> str | None:
    """The matrix core is no match for the direct kernel where each output sees one channel."""
    return _refuse(x) or ("depthwise: the direct kernel is better" if _is_depthwise(op, x, w) else None)


def _taps(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape[2:]:
        product *= size
    return product


@tactic(Conv, kernel="cpu_conv_gemm_f32")
def conv_gemm_f32(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """Output channels by positions: patches of the input packed a panel at a time."""
    shape = _refuse_wide(op, x, w) or known_sizes(w)
    if isinstance(shape, str):
        return shape
    size = 4 * op.group * tiled(shape[0] // op.group) * shape[1] * _taps(shape)
    pack = Pack("cpu_pack_conv_rows_f32", size, (op.group,))
    return Launch(_conv_params(op, x, w, b), pack={1: pack}, split=2)


@tactic(Conv, kernel="cpu_conv_direct_f32")
def conv_direct_f32(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """No patches: every tap reads the padded input in place; good for many taps or few output channels."""
    shape = _refuse_wide(op, x, w) or known_sizes(w)
    if isinstance(shape, str):
        return shape
    if x.rank > 4 or _taps(shape) == 1:
        return "needs one or two spatial axes and more than one tap"
    size = 4 * op.group * tiled(shape[0] // op.group) * shape[1] * _taps(shape)
    pack = Pack("cpu_pack_conv_taps_f32", size, (op.group,))
    return Launch(_conv_params(op, x, w, b), pack={1: pack}, split=2)


@tactic(Conv, kernel="cpu_conv_dynamic_f32")
def conv_dynamic_f32(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """The same for a weight that comes at run time: packed at each call."""
    reason = _refuse_wide(op, x, w) or (PACKED_INSTEAD if w.constant else None)
    return reason or Launch(_conv_params(op, x, w, b), split=2)


@tactic(Conv, kernel="cpu_conv_swapped_f32")
def conv_swapped_f32(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """Positions by output channels: better where there are few positions."""
    shape = _refuse_wide(op, x, w) or known_sizes(w)
    if isinstance(shape, str):
        return shape
    if op.group > 1 and shape[0] // op.group < PANEL_CHANNELS:
        return "the groups have too few channels to fill a vector"
    size = op.group * panel_bytes(shape[1] * _taps(shape), shape[0] // op.group)
    pack = Pack("cpu_pack_conv_columns_f32", size, (op.group,))
    return Launch(_conv_params(op, x, w, b), pack={1: pack}, split=2)


PANEL_CHANNELS = 8


@tactic(Conv, kernel="cpu_depthwise_direct_f32")
def depthwise_direct_f32(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """Each output channel sees one input channel: vectors along the width, no packing."""
    reason = _refuse(x)
    if reason:
        return reason
    if op.group != x.shape[1] or w.shape[1] != 1:
        return "needs one input channel for each output channel"
    return Launch(_conv_params(op, x, w, b), split=2)


@tactic(Conv, kernel="cpu_conv_generic")
def conv_generic(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """Plain loops for other floats."""
    if str(x.dtype) not in GENERIC or x.rank > 5:
        return "needs another float type and at most three spatial axes"
    return Launch(_conv_params(op, x, w, b))


@tactic(ConvTranspose, kernel="cpu_conv_transpose_f32")
def conv_transpose_f32(op: ConvTranspose, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """One matrix product for all taps, then additions into the output."""
    shape = _refuse(x) or known_sizes(w)
    if isinstance(shape, str):
        return shape
    pack = Pack("cpu_pack_conv_transpose_f32", 4 * shape[0] * shape[1] * tiled(_taps(shape)), (op.group,))
    return Launch(_conv_params(op, x, w, b), pack={1: pack}, split=2)


@tactic(ConvTranspose, kernel="cpu_conv_transpose_generic")
def conv_transpose_generic(
    op: ConvTranspose, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None
) -> Launch | str:
    """Plain loops for other floats, and for weights that are not constant."""
    if str(x.dtype) not in (*GENERIC, "float32") or x.rank > 5:
        return "needs a float type and at most three spatial axes"
    if x.dtype is float32 and w.constant:
        return PACKED_INSTEAD
    return Launch(_conv_params(op, x, w, b))
