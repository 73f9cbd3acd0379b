"""Rounds an image that only convolutions in bfloat16 read while its channels are put last, in one step."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.channels_last import ImageToChannelsLast
from enginewright.tensors import bfloat16, float32

LAST = (0, 2, 3, 1)
FEW_CHANNELS = 8
"""Of an image with more, making their number even costs nothing, and a transpose is as fast."""


def round_images(network: Network) -> int:
    """Put one step for each such transpose; an odd number of channels gets one of zeros. The number changed."""
    found = [layer for layer in network.layers if _is_image(network, layer)]
    made: dict[Tensor, Tensor] = {}  # by what is turned: several convolutions may each have a transpose of it
    for layer in found:
        _round(network, layer, made)
    network.remove(found)
    return len(found)


def _is_image(network: Network, layer: Layer) -> bool:
    """A transpose of few channels that convolutions in bfloat16 alone read."""
    if layer.kind != "Transpose" or tuple(layer.op.perm or ()) != LAST or layer.outputs[0].dtype is not float32:
        return False
    image, channels = layer.outputs[0], layer.outputs[0].shape[-1]
    few = isinstance(channels, int) and channels <= FEW_CHANNELS
    return few and not network.is_output(image) and all(_is_convolution(reader, image) for reader in image.readers)


def _is_convolution(layer: Layer, image: Tensor) -> bool:
    """A convolution of one group in bfloat16 by constant weights, of this image and of nothing else that is it."""
    op = layer.op.anchor if layer.kind == "Fused" else layer.op
    if op.KEY.name != "Rounded" or op.anchor.KEY.name != "ChannelsLast":
        return False
    if op.anchor.anchor.KEY.name != "Conv" or op.anchor.anchor.group != 1:
        return False
    weight = layer.inputs[1]
    return (
        layer.inputs.count(image) == 1 and layer.inputs[0] is image and weight is not None and weight.const is not None
    )


def _round(network: Network, layer: Layer, known: dict[Tensor, Tensor]) -> None:
    image, source = layer.outputs[0], layer.inputs[0]
    channels = image.shape[-1]
    assert isinstance(channels, int)
    assert source is not None
    if source not in known:
        with network.at(layer):
            known[source] = network.add(ImageToChannelsLast(channels + channels % 2, bfloat16), source)[0]
        known[source].name = image.name
    made = known[source]
    for reader in list(image.readers):
        with network.at(reader):
            weight = reader.inputs[1]
            assert weight is not None
            if channels % 2:
                weight = _padded(network, weight)
            output = network.add(reader.op, made, weight, *reader.inputs[2:])[0]
        output.name = reader.outputs[0].name
        network.replace(reader.outputs[0], output)
        network.remove([reader])


def _padded(network: Network, weight: Tensor) -> Tensor:
    """Zeros for one more channel."""
    assert weight.const is not None
    pads = [(0, int(axis == 1)) for axis in range(weight.rank)]
    return network.constant(np.pad(weight.const, pads), weight.name)
