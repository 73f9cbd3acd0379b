"""Runs 1x1 convolutions of several images side by side on the CPU."""

from __future__ import annotations

from enginewright.ops.joined_conv import JoinedConv
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channels_last import VECTOR
from enginewright.tensors import TensorSpec, float32


@tactic(JoinedConv, kernel="cpu_conv_joined_nhwc_f32")
def conv_joined_nhwc_f32(op: JoinedConv, x: TensorSpec, w: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """A task gathers the numbers of its positions, normalized, in the cache; plain ones are read where they are."""
    images = [x, *(image for image in others[3:] if image is not None)]
    m, channels = w.shape[:2]
    if any(spec.dtype is not float32 for spec in (w, *images)):
        return "needs float32"
    if not isinstance(m, int) or not isinstance(channels, int):
        return "the weight has sizes that are not known when building"
    pack = Pack("cpu_pack_conv_nhwc_f32", 4 * channels * (-(-m // VECTOR) * VECTOR), (1,))
    return Launch((len(images), int(op.cut)), pack={1: pack}, split=x.rank - 1)
