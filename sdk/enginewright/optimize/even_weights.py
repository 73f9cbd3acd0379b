"""Rounds weights of depthwise convolutions in bfloat16 so that errors in one window cancel; it costs no time."""

from __future__ import annotations

from typing import Any

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.rounded import rounded
from enginewright.tensors import bfloat16

Array = np.ndarray[Any, Any]


def even_weights(network: Network) -> int:
    """Put the nearest number that has 8 bits plus what was lost before it in the window; the number of layers changed.

    Neighbouring pixels are alike, and behind an activation all of one sign: what they are multiplied by counts in sum.
    """
    found = [layer for layer in network.layers if _is_rounded_depthwise(layer)]
    made: dict[Tensor, Tensor] = {}
    changed = 0
    for layer in found:
        weight = layer.inputs[1]
        assert weight is not None
        assert weight.const is not None
        even = _even(weight.const)
        if np.array_equal(even, weight.const, equal_nan=True):
            continue
        if weight not in made:
            made[weight] = network.constant(even, weight.name)
        weight.readers = [reader for reader in weight.readers if reader is not layer]
        layer.inputs[1] = made[weight]
        made[weight].readers.append(layer)
        changed += 1
    return changed


def _is_rounded_depthwise(layer: Layer) -> bool:
    """One with channels last and constant weights, whatever is fused behind it."""
    op = layer.op.anchor if layer.kind == "Fused" else layer.op
    if op.KEY.name != "Rounded" or op.anchor.KEY.name != "ChannelsLast" or op.anchor.anchor.KEY.name != "Conv":
        return False
    weight = layer.inputs[1]
    return weight is not None and weight.const is not None and weight.shape[:2] == (op.anchor.anchor.group, 1)


def _even(weight: Array) -> Array:
    """The weight [channels, 1, window] rounded: of each channel's sum no more is lost than its last number may lose."""
    taps = weight.reshape(len(weight), -1)
    found, lost = np.empty_like(taps), np.zeros(len(taps), taps.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap in range(taps.shape[1]):
            wanted = taps[:, tap] + lost
            found[:, tap] = rounded(wanted, bfloat16)
            lost = wanted - found[:, tap]
            lost[~np.isfinite(lost)] = 0
    return found.reshape(weight.shape)
