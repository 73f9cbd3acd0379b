"""GroupNorm: normalization over groups of channels with SiLU behind it, as diffusion models have it everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_fields, check_float, needs_cuda_float, needs_float32
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]
NONE, SILU = 0, 1
PIXELS = 256
"""So many pixels the kernel sums up at once where channels come last."""


@ew.operator("ew_plugins::GroupNorm", version=1, onnx=["com.microsoft::GroupNorm"])
class GroupNorm:
    """Output like x: (x - mean) / sqrt(variance + epsilon) * gamma + beta over each image's groups, then activation.

    x [N, ..., C] with `channels_last`, else [N, C, ...]; gamma and beta [C]; the channels make `groups` groups of equal
    size. `activation` 0: none, 1: SiLU, x * sigmoid(x). Attributes as of ONNX Runtime's com.microsoft.GroupNorm; Wu and
    He, "Group Normalization".
    """

    groups: int
    activation: int = SILU
    channels_last: bool = True
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        """Check the fields."""
        limits = {
            f"groups is {self.groups}, not positive": self.groups <= 0,
            f"activation is {self.activation}, neither 0 nor 1": self.activation not in (NONE, SILU),
            f"epsilon is {self.epsilon}, negative": not self.epsilon >= 0,
        }
        check_fields("GroupNorm", limits)

    def infer(self, x: ew.TensorSpec, gamma: ew.TensorSpec, beta: ew.TensorSpec) -> ew.TensorSpec:
        """Like x; the number of channels is a multiple of the groups."""
        for name, spec in (("x", x), ("gamma", gamma), ("beta", beta)):
            check_float(name, spec)
        if x.rank < 2 or gamma.rank != 1 or beta.rank != 1:
            raise ew.ShapeError(
                f"x, gamma and beta have {x.rank}, {gamma.rank} and {beta.rank} axes",
                hint="Give at least 2, 1 and 1.",
            )
        channels = x.shape[-1 if self.channels_last else 1]
        ew.same(channels, gamma.shape[0])
        ew.same(channels, beta.shape[0])
        ew.same(channels % self.groups, 0)
        return x.with_shape(*x.shape)

    def reference(self, x: Array, gamma: Array, beta: Array) -> Array:
        """In float32, sums in float64."""
        if x.size == 0:
            return x.copy()
        moved = np.moveaxis(x, -1, 1) if self.channels_last else x
        grouped = moved.reshape(moved.shape[0], self.groups, moved.shape[1] // self.groups, -1).astype(np.float64)
        mean = grouped.mean((2, 3), keepdims=True)
        spread = np.sqrt(((grouped - mean) ** 2).mean((2, 3), keepdims=True) + self.epsilon)
        by_channel = (1, moved.shape[1], *(1 for _ in moved.shape[2:]))
        made = ((grouped - mean) / spread).reshape(moved.shape)
        made = (made * gamma.reshape(by_channel) + beta.reshape(by_channel)).astype(np.float32)
        if self.activation == SILU:
            made = made / (1 + np.exp(np.clip(-made, -88, 88)))
        return (np.moveaxis(made, 1, -1) if self.channels_last else made).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[GroupNorm, list[Any]]]:
        """Both orders of axes, with and without SiLU, no space, one group, nothing."""
        channels = ew.TensorSpec(ew.float32, (12,))
        last, first = ew.TensorSpec(ew.float32, (2, 9, 7, 12)), ew.TensorSpec(ew.float32, (2, 12, 9, 7))
        yield GroupNorm(4), [last, channels, channels]
        yield GroupNorm(3, activation=0), [last, channels, channels]
        yield GroupNorm(4, channels_last=False), [first, channels, channels]
        yield GroupNorm(1, activation=0, channels_last=False, epsilon=0.1), [first, channels, channels]
        yield GroupNorm(2, channels_last=False), [ew.TensorSpec(ew.float32, (3, 12)), channels, channels]
        yield GroupNorm(2), [ew.TensorSpec(ew.float32, (0, 5, 12)), channels, channels]


@ew.tactic(GroupNorm, kernel=KERNELS["group_norm_f32"], inplace={0: "x"})
def group_norm(op: GroupNorm, x: ew.TensorSpec, gamma: ew.TensorSpec, beta: ew.TensorSpec) -> ew.Launch | str:
    """Groups side by side: mean, variance, then the rest in one pass."""
    if reason := needs_float32(x, gamma, beta):
        return reason
    workspace: Any = 0
    if op.channels_last:
        pixels = x.with_shape(*x.shape[1:-1]).size
        workspace = x.shape[0] * (ew.ceil_div(pixels, PIXELS) + 2) * gamma.shape[0] * 4
    return ew.Launch((op.groups, op.activation, int(op.channels_last), float(op.epsilon)), workspace)


PARTS = 16
"""Of a group at most, for a GPU; each keeps two numbers."""


@ew.tactic(GroupNorm, kernel=CUDA_KERNELS["group_norm"], inplace={0: "x"})
def group_norm_cuda(op: GroupNorm, x: ew.TensorSpec, gamma: ew.TensorSpec, beta: ew.TensorSpec) -> ew.Launch | str:
    """A group in parts: mean and variance of each, then the rest in one pass."""
    if reason := needs_cuda_float(x):
        return reason
    if gamma.dtype is not beta.dtype or gamma.dtype not in (x.dtype, ew.float32):
        return f"needs gamma and beta both float32, or both {x.dtype} as x"
    params = op.groups, op.activation, int(op.channels_last), float(op.epsilon)
    return ew.Launch(params, workspace=x.shape[0] * op.groups * PARTS * 8)
