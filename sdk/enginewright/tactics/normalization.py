"""Normalizations on the CPU: float32; 16-bit types in float32."""

from __future__ import annotations

from enginewright.dims import Size, product
from enginewright.ops.norm import LRN, LpNormalization
from enginewright.ops.normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    RMSNormalization,
)
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.rows import around, is_narrow, wide_bytes
from enginewright.tensors import Shape, TensorSpec, normalize_axis


def scale_stride(scale: Shape, normalized: Shape) -> int | None:
    """1 for a scale with a number for each normalized element, 0 for one number; None: neither."""
    sizes = tuple(size for size in scale if size != 1)
    if not sizes:
        return 0
    return 1 if sizes == tuple(size for size in normalized if size != 1) else None


@tactic(LayerNormalization, kernel="cpu_layer_normalization")
def layer_normalization(
    op: LayerNormalization, x: TensorSpec, scale: TensorSpec, bias: TensorSpec | None = None
) -> Launch | str:
    """A row at a time, three passes in the cache."""
    launch = _layer(op, x, scale, bias)
    return launch if isinstance(launch, str) else Launch((*launch, 0), _layer_bytes(x, scale, bias), inplace=(0,))


@tactic(RMSNormalization, kernel="cpu_layer_normalization")
def rms_normalization(op: RMSNormalization, x: TensorSpec, scale: TensorSpec) -> Launch | str:
    """As layer normalization, without the mean."""
    launch = _layer(op, x, scale, None)
    return launch if isinstance(launch, str) else Launch((*launch, 1), _layer_bytes(x, scale), inplace=(0,))


def _layer(
    op: LayerNormalization | RMSNormalization, x: TensorSpec, scale: TensorSpec, bias: TensorSpec | None
) -> tuple[Size | float, ...] | str:
    axis = normalize_axis(op.axis, x.rank)
    stride = scale_stride(scale.shape, x.shape[axis:])
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    if stride is None or (bias is not None and scale_stride(bias.shape, x.shape[axis:]) != stride):
        return "scale and bias must both have the shape of the normalized axes, or one element"
    return product(x.shape[:axis]), product(x.shape[axis:]), float(op.epsilon), stride


def _layer_bytes(x: TensorSpec, *others: TensorSpec | None) -> Size:
    return wide_bytes(x, x, *others)


@tactic(InstanceNormalization, kernel="cpu_group_normalization")
def instance_normalization(
    op: InstanceNormalization, x: TensorSpec, scale: TensorSpec, bias: TensorSpec
) -> Launch | str:
    """Groups of one channel."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    params = (x.shape[0], x.shape[1], 1, product(x.shape[2:]), float(op.epsilon))
    return Launch(params, wide_bytes(x, x, scale, bias), inplace=(0,))


@tactic(GroupNormalization, kernel="cpu_group_normalization")
def group_normalization(op: GroupNormalization, x: TensorSpec, scale: TensorSpec, bias: TensorSpec) -> Launch | str:
    """A group is one row."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    channels = x.shape[1] // op.num_groups
    params = (x.shape[0], op.num_groups, channels, product(x.shape[2:]), float(op.epsilon))
    return Launch(params, wide_bytes(x, x, scale, bias), inplace=(0,))


@tactic(BatchNormalization, kernel="cpu_batch_normalization")
def batch_normalization(op: BatchNormalization, x: TensorSpec, *vectors: TensorSpec) -> Launch | str:
    """One product and one sum for each element."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    params = (x.shape[0], x.shape[1], product(x.shape[2:]), float(op.epsilon))
    return Launch(params, wide_bytes(x, x, *vectors), inplace=(0,))


@tactic(LpNormalization, kernel="cpu_lp_normalization")
def lp_normalization(op: LpNormalization, x: TensorSpec) -> Launch | str:
    """Columns side by side."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    return Launch((*around(x, op.axis), op.p), wide_bytes(x, x), inplace=(0,))


@tactic(LRN, kernel="cpu_lrn")
def lrn(op: LRN, x: TensorSpec) -> Launch | str:
    """The window's squares are summed for a vector of positions at a time."""
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    numbers = (op.size, float(op.alpha / op.size), float(op.beta), float(op.bias))
    return Launch((x.shape[0], x.shape[1], product(x.shape[2:]), *numbers), wide_bytes(x, x))
