"""Lets the image layers of a GPU that compute in 16 bits work on images whose channels lie last (image_order.py)."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network
from enginewright.optimize.image_order import HALVES, IMAGES, convert_to_channels_last, sink_conversions


def prefer_channels_last(network: Network) -> int:
    """For GPUs: convert every image layer of 16-bit floats, then move the transposes; the number converted."""
    found = [layer for layer in network.layers if _wanted(layer)]
    for layer in found:
        convert_to_channels_last(network, layer)
    if found:
        for layer in list(network.layers):
            if len(layer.outputs) == 1 and layer.outputs[0].rank == 4:
                sink_conversions(network, layer)
    return len(found)


def _wanted(layer: Layer) -> bool:
    x = layer.inputs[0] if layer.inputs else None
    if layer.kind not in IMAGES or x is None or x.rank != 4 or x.dtype not in HALVES:
        return False
    channels = (x.shape[1], layer.outputs[0].shape[1])
    if layer.kind == "Conv":
        w = layer.inputs[1]
        if w is None or w.const is None or not all(isinstance(size, int) for size in channels):
            return False
        depthwise = layer.op.group == channels[0] == channels[1]
        return layer.op.group == 1 or bool(depthwise)
    return isinstance(channels[0], int) and channels[0] % 8 == 0
