"""Brings layers into an order in which each stands behind those that it reads."""

from __future__ import annotations

from collections.abc import Iterable

from enginewright.graph.network import Layer


def in_order(layers: Iterable[Layer]) -> list[Layer]:
    """The layers sorted; those that are in order keep their order."""
    own = dict.fromkeys(layers)
    done: dict[Layer, None] = {}
    for layer in own:
        pending = [layer]
        while pending:
            top = pending[-1]
            makers = (tensor.producer for tensor in top.inputs if tensor is not None)
            waits = [maker for maker in makers if maker is not None and maker in own and maker not in done]
            if waits and top not in done:
                pending += waits
            else:
                done[pending.pop()] = None
    return list(done)
