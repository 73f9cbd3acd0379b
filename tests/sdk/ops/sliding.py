"""The attributes of sliding windows as ONNX names them."""

from __future__ import annotations

from typing import Any

from enginewright.ops.window import Sliding, padding_pairs, per_axis


def onnx_attributes(op: Sliding, rank: int) -> dict[str, Any]:
    """strides, pads and dilations instead of stride, padding and dilation."""
    begins, ends = padding_pairs(op.padding, rank)
    return {
        "stride": None,
        "padding": None,
        "dilation": None,
        "strides": list(per_axis(op.stride, rank, "stride")),
        "dilations": list(per_axis(op.dilation, rank, "dilation")),
        "pads": [*begins, *ends] if op.auto_pad == "NOTSET" else None,
    }
