"""Layer and RMS normalization on CUDA."""

from __future__ import annotations

from enginewright.dims import product
from enginewright.ops.normalization import LayerNormalization, RMSNormalization
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.normalization import scale_stride
from enginewright.tactics.rows import is_narrow
from enginewright.tensors import TensorSpec, normalize_axis


@tactic(LayerNormalization, kernel="cuda_layer_normalization")
def layer_normalization_cuda(
    op: LayerNormalization, x: TensorSpec, scale: TensorSpec, bias: TensorSpec | None = None
) -> Launch | str:
    """A warp or a block for each row, which is read once."""
    return _layer(op, x, scale, bias, rms=0)


@tactic(RMSNormalization, kernel="cuda_layer_normalization")
def rms_normalization_cuda(op: RMSNormalization, x: TensorSpec, scale: TensorSpec) -> Launch | str:
    """As layer normalization, without the mean."""
    return _layer(op, x, scale, None, rms=1)


def _layer(
    op: LayerNormalization | RMSNormalization, x: TensorSpec, scale: TensorSpec, bias: TensorSpec | None, *, rms: int
) -> Launch | str:
    axis = normalize_axis(op.axis, x.rank)
    stride = scale_stride(scale.shape, x.shape[axis:])
    if not is_narrow(x) or scale.dtype is not x.dtype:
        return f"no kernel for {x.dtype} with a scale of {scale.dtype}"
    if stride is None or (bias is not None and scale_stride(bias.shape, x.shape[axis:]) != stride):
        return "scale and bias must both have the shape of the normalized axes, or one element"
    sizes = product(x.shape[:axis]), product(x.shape[axis:])
    constant = int(scale.constant and (bias is None or bias.constant))
    return Launch((*sizes, float(op.epsilon), stride, rms, int(bias is not None), 0, 0, 0, 0, constant), inplace=(0,))
