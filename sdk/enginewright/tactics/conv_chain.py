"""Runs a 1 x 1, a depthwise and a 1 x 1 convolution row by row, so that what lies between stays in cache."""

from __future__ import annotations

from typing import Any

from enginewright.dims import Size
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv_chain import ConvChain
from enginewright.ops.pointwise import Fused, encode
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channel_shuffle import pixels
from enginewright.tactics.channels_last import depthwise_nhwc_f32
from enginewright.tensors import TensorSpec, float32

TASKS = 3
"""Numbers of tasks that the kernel offers: rows at their borders are computed twice, but few leave threads idle."""
MAX_LINES = 16
"""Rows of a depthwise window that the kernel takes."""


def stage_launch(op: Any, x: TensorSpec, own: tuple[TensorSpec | None, ...]) -> Launch | str:
    """How one stage runs by itself: depthwise if each channel is a group, else pixel by pixel."""
    anchor = op.anchor if isinstance(op, Fused) else op
    if not isinstance(anchor, ChannelsLast) or x.rank != 4 or x.dtype is not float32:
        return "is no convolution of float32 images with channels last"
    found = depthwise_nhwc_f32(anchor, x, *own)
    if isinstance(found, str):
        return pixels(anchor, x, *own)
    height = own[0].shape[2] if own[0] is not None else 0
    return found if isinstance(height, int) and height <= MAX_LINES else "has a window of too many rows"


@tactic(ConvChain, kernel="cpu_conv_chain_nhwc_f32")
def conv_chain_nhwc_f32(op: ConvChain, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """A few rows at a time, each thread its part of the image."""
    params: list[Size | float] = [len(op.stages)]
    pack: dict[int, Pack] = {}
    first = 1
    for stage, own in op.each(others):
        launch = stage_launch(stage, x, tuple(own))
        if isinstance(launch, str):
            return launch
        program = [0, *encode(stage.program)] if isinstance(stage, Fused) else []
        depthwise = launch.pack[1].kernel == "cpu_transpose"
        params += [int(depthwise), len(own), len(launch.params) + len(program), *launch.params, *program]
        pack[first] = launch.pack[1]
        first += len(own)
        x = ConvChain((stage,), (len(own),)).infer(x, *own)
    return Launch(tuple(params), pack=pack, split=3, variants=TASKS)
