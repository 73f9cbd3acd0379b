"""Computes float16 and bfloat16 products and convolutions in float32, as their definition says, by float32 kernels."""

from __future__ import annotations

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.tensors import bfloat16, float16, float32

WIDENED = frozenset(
    ("Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "GRU", "RNN", "Attention", "LayerNormalization", "Softmax")
)


def widen_halves(network: Network) -> int:
    """Cast the inputs of each such layer to float32 and its outputs back; the number of layers.

    CPUs without arithmetic on halves gain most; results are the same, as these operators round once, at the end.
    """
    found = [layer for layer in network.layers if layer.kind in WIDENED and _is_half(layer.outputs[0])]
    for layer in found:
        _widen(network, layer)
    network.remove(found)
    return len(found)


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in (float16, bfloat16)


def _widen(network: Network, layer: Layer) -> None:
    with network.at(layer):
        inputs = [
            network.cast(tensor, to=float32) if tensor is not None and _is_half(tensor) else tensor
            for tensor in layer.inputs
        ]
        made = network.add(layer.op, *inputs)
        for old, new in zip(layer.outputs, made, strict=True):
            back = network.cast(new, to=old.dtype) if new.dtype != old.dtype else new
            back.name = old.name
            network.replace(old, back)
