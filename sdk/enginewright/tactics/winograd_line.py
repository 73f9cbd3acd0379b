"""Convolutions along one axis on the CPU with fewer products, by Winograd's minimal filtering; channels lie last."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from enginewright.dims import ceil_div, product
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.rounded import Rounded
from enginewright.ops.window import Window
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.channels_last import FEW_CHANNELS, VECTOR, conv_of, conv_params
from enginewright.tactics.rounded import narrow_image
from enginewright.tensors import TensorSpec, bfloat16

FEW_TILES = 12
"""With fewer tiles the turned weights, 1.6 to 2.7 times as large, cost more than is saved."""


def _axis(window: Window, points: int) -> int | str:
    """The axis along which the window lies; why there is none."""
    long = [axis for axis, size in enumerate(window.kernel) if size != 1]
    if len(long) != 1 or not 3 <= window.kernel[long[0]] < points:
        return f"needs a window of 3 to {points - 1} taps along one axis"
    padded = [axis for axis, ends in enumerate(zip(window.begins, window.ends, strict=True)) if ends != (0, 0)]
    if {*window.strides} != {1} or {*padded} - {*long}:
        return "needs steps of 1, and padding along the window only"
    return long[0]


def _line(
    points: int, op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """`points` products for points + 1 - taps outputs of a pair of channels."""
    found = conv_of(op, x, w)
    if isinstance(found, str) or w is None:
        return str(found)
    conv, shape = found
    window = conv.window(channels_first(x), w)
    axis = _axis(window, points)
    if isinstance(axis, str) or conv.group > 1 or min(shape[:2]) < FEW_CHANNELS:
        return axis if isinstance(axis, str) else "has groups, or too few channels to be worth the transforms"
    tiles = ceil_div(product(op.infer(x, w).shape[:-1]), points + 1 - shape[2 + axis])
    if isinstance(tiles, int) and tiles < FEW_TILES:
        return "has too few tiles for so many weights, which come from memory at each run"
    size = 4 * points * shape[1] * (-(-shape[0] // VECTOR) * VECTOR)
    pack = Pack(f"cpu_pack_winograd_line{points}_nhwc_f32", size, ())
    return Launch(conv_params(conv, x, w, b), pack={1: pack}, split=x.rank - 1)


@tactic(ChannelsLast, kernel="cpu_winograd_line6_nhwc_f32")
def winograd_line6_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """F(4, 3), F(3, 4), F(2, 5): up to 2 times fewer products, within 4e-6 of the largest element."""
    return _line(6, op, x, w, b)


@tactic(ChannelsLast, kernel="cpu_winograd_line8_nhwc_f32")
def winograd_line8_nhwc_f32(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """F(6, 3), F(5, 4), F(4, 5), F(3, 6), F(2, 7): up to 2.5 times fewer products, within 1e-5 of the largest."""
    return _line(8, op, x, w, b)


@tactic(Rounded, kernel="cpu_winograd_line6_nhwc_bf16")
def winograd_line6_nhwc_bf16(op: Rounded, *inputs: TensorSpec | None) -> Launch | str:
    """F(4, 3), F(3, 4), F(2, 5) in bfloat16: what has been turned, image and weights, is rounded again.

    Within 1e-2 of the largest element, so only for images and outputs of that type.
    """
    launch, w = narrow_image(op, inputs, partial(_line, 6)), inputs[1]
    if isinstance(launch, str) or w is None:
        return launch if isinstance(launch, str) else "is no convolution"
    channels = w.shape[1]
    assert isinstance(channels, int)  # or there would be no launch
    size = launch.pack[1].size // max(1, channels) * -(-channels // 2)
    return replace(launch, pack={1: Pack("cpu_pack_winograd_line6_nhwc_bf16", size, ())}, output=bfloat16)
