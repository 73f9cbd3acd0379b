"""Runs 1x1 convolutions of several images side by side on the CPU."""

from __future__ import annotations

from enginewright.ops.joined_conv import JoinedConv
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channels_last import VECTOR
from enginewright.tensors import DataType, TensorSpec, bfloat16, float32


@tactic(JoinedConv, kernel="cpu_conv_joined_nhwc_f32")
def conv_joined_nhwc_f32(op: JoinedConv, x: TensorSpec, w: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """A task gathers the numbers of its positions, normalized, in the cache; plain ones are read where they are."""
    return _joined(op, float32, x, w, others)


@tactic(JoinedConv, kernel="cpu_conv_joined_nhwc_bf16")
def conv_joined_nhwc_bf16(op: JoinedConv, x: TensorSpec, w: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The same with numbers rounded when they have been normalized, to words of two channels."""
    return _joined(op, bfloat16, x, w, others)


def _joined(
    op: JoinedConv, dtype: DataType, x: TensorSpec, w: TensorSpec, others: tuple[TensorSpec | None, ...]
) -> Launch | str:
    images = [x, *(image for image in others[3:] if image is not None)]
    m, channels = w.shape[:2]
    if op.dtype is not dtype or w.dtype is not float32 or any(spec.dtype not in (dtype, float32) for spec in images):
        return f"needs products of {dtype.value}"
    if others[1] is None and (op.cut or len(images) == 1):
        return "needs several images, or numbers that are scaled"
    if not isinstance(m, int) or not isinstance(channels, int):
        return "the weight has sizes that are not known when building"
    kind, words = ("bf16", -(-channels // 2)) if dtype is bfloat16 else ("f32", channels)
    pack = Pack(f"cpu_pack_conv_nhwc_{kind}", 4 * words * (-(-m // VECTOR) * VECTOR), (1,))
    return Launch((len(images), int(op.cut)), pack={1: pack}, split=x.rank - 1)
