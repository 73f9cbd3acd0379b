"""Squeeze and excitation on CUDA: one launch, a cluster of eight blocks for each image."""

from __future__ import annotations

import functools

from enginewright.dims import product
from enginewright.ops.squeeze_excite import SqueezeExcite
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.epilogue import RELU, SILU
from enginewright.tactics.rows import HALVES
from enginewright.tensors import TensorSpec

VECTOR, THREADS = 8, 512
MOST_WEIGHTS = 64 << 10
"""Bytes of weights that a block keeps in its shared memory, beside its part of the image if that fits."""
GROUPS = (1, 2, 4, 8)
ACTIVATIONS = {"relu": RELU, "silu": SILU}


def squeeze_excite(groups: int, op: SqueezeExcite, x: TensorSpec, *weights: TensorSpec) -> Launch | str:
    """Blocks share an image: `groups` of channels, 8 / groups of places."""
    a, _, c, _ = weights
    channels, hidden = x.shape[3], a.shape[0]
    if x.dtype not in HALVES or op.inner not in ACTIVATIONS:
        return "needs 16-bit floats, and relu or silu inside"
    if not isinstance(channels, int) or not isinstance(hidden, int) or channels % VECTOR:
        return "channels are not known, or not in whole 16-byte vectors"
    mine = -(-channels // VECTOR // groups) * VECTOR
    if mine > THREADS or 2 * 2 * mine * hidden > MOST_WEIGHTS:
        return "channels are too many for one block"
    if not (a.constant and c.constant):
        return "weights are no constants"
    turned = Pack("cpu_transpose", channels * hidden * 2, (1, 0))
    params = (x.shape[0], product(x.shape[1:3]), channels, hidden, ACTIVATIONS[op.inner], groups)
    return Launch(params, pack={3: turned}, inputs=(0, 1, 2, 3, 4), inplace=(0,))


for _groups in GROUPS:
    _tactic = functools.partial(squeeze_excite, _groups)
    _tactic.__name__ = f"squeeze_excite_groups{_groups}"  # type: ignore[attr-defined]
    _tactic.__module__ = __name__
    tactic(SqueezeExcite, kernel="cuda_squeeze_excite")(_tactic)
