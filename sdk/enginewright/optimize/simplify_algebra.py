"""Removes layers that change nothing: Identity, casts to the same type, products with 1, sums with 0, idle shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from enginewright.graph.network import Layer, Network, Tensor


def simplify_algebra(network: Network) -> int:
    """Let the readers of an idle layer read its input; the number of layers removed."""
    idle: list[Layer] = []
    for layer in network.layers:
        source = RULES[layer.kind](layer) if layer.kind in RULES and len(layer.outputs) == 1 else None
        if (
            source is not None
            and source.spec.shape == layer.outputs[0].shape
            and source.dtype == layer.outputs[0].dtype
        ):
            network.replace(layer.outputs[0], source)
            idle.append(layer)
    network.remove(idle)
    return len(idle)


def _first(layer: Layer) -> Tensor | None:
    return layer.inputs[0]


def _neutral(number: float, *, both: bool) -> Callable[[Layer], Tensor | None]:
    """The other operand where one is a constant that changes nothing."""

    def rule(layer: Layer) -> Tensor | None:
        a, b = layer.inputs[:2]
        if _is_all(b, number):
            return a
        return b if both and _is_all(a, number) else None

    return rule


def _is_all(tensor: Tensor | None, number: float) -> bool:
    if tensor is None or tensor.const is None or tensor.const.size == 0 or tensor.const.dtype == object:
        return False
    return bool((np.asarray(tensor.const) == number).all())


def _idle_transpose(layer: Layer) -> Tensor | None:
    perm = layer.op.perm
    return layer.inputs[0] if perm is not None and list(perm) == sorted(perm) else None


def _idle_slice(layer: Layer) -> Tensor | None:
    """Forwards, what keeps the size of every axis keeps all elements."""
    steps = layer.inputs[4] if len(layer.inputs) > 4 else None
    forwards = steps is None or (steps.const is not None and bool((steps.const > 0).all()))
    return layer.inputs[0] if forwards else None


RULES: dict[str, Callable[[Layer], Tensor | None]] = {
    "Identity": _first,
    "Cast": _first,
    "Reshape": _first,
    "Expand": _first,
    "Squeeze": _first,
    "Unsqueeze": _first,
    "Flatten": _first,
    "Dropout": _first,
    "Transpose": _idle_transpose,
    "Slice": _idle_slice,
    "Mul": _neutral(1, both=True),
    "Div": _neutral(1, both=False),
    "Add": _neutral(0, both=True),
    "Sub": _neutral(0, both=False),
    "Pow": _neutral(1, both=False),
}
