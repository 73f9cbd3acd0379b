"""Products in bfloat16 on the CPU; instruction sets without it multiply the rounded numbers in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.ops.rounded import Rounded
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channels_last import direct_launch
from enginewright.tactics.matmul import gemm_f32, gemm_packed_f32, matmul_f32, matmul_packed_f32, panel_bytes
from enginewright.tensors import TensorSpec, bfloat16

Plan = Callable[..., Launch | str]


def _product(op: Rounded, inputs: tuple[TensorSpec | None, ...], for_matmul: Plan, for_gemm: Plan) -> Launch | str:
    """What the float32 tactic of the anchor answers."""
    if op.dtype is not bfloat16 or not isinstance(op.anchor, MatMul | Gemm):
        return "needs a matrix product in bfloat16"
    return (for_matmul if isinstance(op.anchor, MatMul) else for_gemm)(op.anchor, *inputs)


@tactic(Rounded, kernel="cpu_matmul_packed_bf16")
def matmul_packed_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """A constant matrix on the right: rounded, and packed into panels of pairs along K, when building."""
    launch, b = _product(op, inputs, matmul_packed_f32, gemm_packed_f32), inputs[1]
    if isinstance(launch, str):
        return launch
    assert b is not None
    k, n = (b.shape[0], b.shape[1]) if b.rank == 2 else (b.size, 1)
    assert isinstance(k, int)  # or the tactic would not have offered to pack it
    assert isinstance(n, int)
    transposed = isinstance(op.anchor, Gemm) and op.anchor.trans_b
    size = panel_bytes(-(-n // 2), k) if transposed else panel_bytes(-(-k // 2), n)
    return replace(launch, pack={1: Pack("cpu_pack_gemm_b_bf16", size, (int(transposed),))})


@tactic(Rounded, kernel="cpu_matmul_bf16")
def matmul_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """Both sides dynamic: each task rounds and packs its part of the right one."""
    return _product(op, inputs, matmul_f32, gemm_f32)


@tactic(Rounded, kernel="cpu_conv_nhwc_bf16")
def conv_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """A convolution with channels last: the image is rounded first, weights are packed as pairs of channels."""
    if op.dtype is not bfloat16 or not isinstance(op.anchor, ChannelsLast):
        return "needs a convolution in bfloat16 with channels last"
    x, w = inputs[:2]
    assert x is not None
    launch = direct_launch(op.anchor, x, *inputs[1:])
    if isinstance(launch, str) or w is None:
        return launch if isinstance(launch, str) else "is no convolution"
    group, channels = op.anchor.anchor.group, w.shape[1]
    assert isinstance(channels, int)
    if group > 1 and channels % 2:
        return "groups have an odd number of channels"
    size = launch.pack[1].size // channels * -(-channels // 2) if channels else 0
    return replace(launch, pack={1: Pack("cpu_pack_conv_nhwc_bf16", size, (group,))})
