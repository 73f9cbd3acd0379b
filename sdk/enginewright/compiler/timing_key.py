"""Says what is timed when a layer is timed: two layers with the same description share their timings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np
from blake3 import blake3

from enginewright.compiler.weights import dense_bytes
from enginewright.device.kernels import KernelSource
from enginewright.dims import Dim
from enginewright.errors import PluginError
from enginewright.graph.network import Layer, Network
from enginewright.ops.pointwise import Fused
from enginewright.plan.timing_entries import TimingDescription
from enginewright.registry.faults import OWN
from enginewright.registry.registry import Key, registry
from enginewright.tensors import MAX_RANK, DataType, TensorSpec

LONGEST = 2000
CLOCK = "free"
"""Kernels are timed at the clock that the device happens to have."""


def describe(
    layer: Layer, specs: Sequence[TensorSpec | None], device: dict[str, str], kernels: str
) -> TimingDescription:
    """The description of a layer at the sizes that it is timed with; `device` is its fingerprint."""
    return TimingDescription(
        operator=str(layer.key),
        fields=_fields(layer.op),
        inputs=[_input_text(spec) for spec in specs],
        kernel_library=kernels,
        plugins=_plugins(layer),
        device=device,
        clock=CLOCK,
    )


def describe_network(
    network: Network, inputs: Sequence[str], device: dict[str, str], kernels: str
) -> TimingDescription:
    """The description of trial runs of a whole network, weights and all, in bfloat16 on these inputs."""
    plugins = [_plugins(layer) for layer in _all_layers(network)]
    return TimingDescription(
        operator="network in bfloat16",
        fields={"network": _digest(_network_text(network).encode()), "weights": _weights_digest(network)},
        inputs=list(inputs),
        kernel_library=kernels,
        plugins={name: identity for found in plugins for name, identity in found.items()},
        device=device,
        clock=CLOCK,
    )


def _plugins(layer: Layer) -> dict[str, str]:
    """The installed distribution behind a foreign operator, and which kernel each tactic of a plugin is."""
    cls = type(layer.op.anchor) if isinstance(layer.op, Fused) else type(layer.op)
    found = {}
    if cls.KEY.namespace != OWN:
        source = registry.source_of(cls.__module__)
        found[cls.KEY.namespace] = source.owner if source else ""
    for tactic in registry.tactics_of(cls):
        if isinstance(tactic.kernel, KernelSource):
            found[f"tactic {tactic.name}"] = _identity(tactic.kernel)
    return found


def _identity(kernel: KernelSource) -> str:
    try:
        return kernel.identity
    except PluginError:  # it can't be opened, so it is no candidate
        return ""


def _fields(op: Any) -> dict[str, str]:
    return {item.name: _short(_text(getattr(op, item.name))) for item in dataclasses.fields(op)}


def _short(text: str) -> str:
    """The text, or its beginning with a digest of it all."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}...:{_digest(text.encode())}"


def _input_text(spec: TensorSpec | None) -> str:
    """Type, shape, format, and contents that say what is to be done: "float32[8, 3, 3, 3] linear constant".

    These are known integers, such as axes and sizes, and up to 8 floats, such as scales; not the values of weights.
    """
    if spec is None:
        return "-"
    words = [str(spec), "linear", *(["constant"] if spec.constant else [])]
    tells = spec.value is not None and (not spec.dtype.is_float or len(spec.value) <= MAX_RANK)
    return _short(" ".join([*words, f"= {_text(spec.value)}"] if tells else words))


def _text(value: Any) -> str:
    """A field as text: the same for equal fields, another for others; exact numbers, digests of arrays."""
    match value:
        case DataType() | Key() | Dim() | None:
            return str(value)
        case Enum():
            return value.name
        case bool() | int():
            return str(value)
        case float():
            return value.hex()
        case str():
            return json.dumps(value)
        case bytes():
            return f"bytes:{_digest(value)}"
        case np.ndarray():
            return f"{value.dtype}{list(value.shape)}:{_digest(np.ascontiguousarray(value).tobytes())}"
        case tuple() | list():
            return f"({', '.join(map(_text, value))})"
        case Network():
            return f"network:{_digest(_network_text(value).encode())}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = str(getattr(value, "KEY", type(value).__name__))
        return f"{name}({', '.join(f'{field}={text}' for field, text in _fields(value).items())})"
    return type(value).__qualname__  # its own text may hold an address, which would never be found again


def _network_text(network: Network) -> str:
    """A nested network: its layers and how they are connected, tensors by number."""
    numbers: dict[Any, int] = {}
    lines = []
    for layer in network.layers:
        inputs = [None if t is None else (numbers.setdefault(t, len(numbers)), t.spec) for t in layer.inputs]
        outputs = [numbers.setdefault(tensor, len(numbers)) for tensor in layer.outputs]
        ends = [None if end is None else f"{end[0]} {_input_text(end[1])}" for end in inputs]
        lines.append(f"{layer.key}({_fields(layer.op)}) {ends} -> {outputs}")
    return "\n".join([*lines, str([numbers.get(tensor) for _, tensor in network.outputs])])


def _weights_digest(network: Network) -> str:
    """Of all constants in the order in which layers read them."""
    found = blake3()
    for layer in _all_layers(network):
        for tensor in layer.inputs:
            if tensor is not None and tensor.const is not None:
                found.update(dense_bytes(tensor.const).data)
    return found.hexdigest()[:32]


def _all_layers(network: Network) -> Iterator[Layer]:
    """Nested ones first."""
    for _, _, inner in network.nested():
        yield from _all_layers(inner)
    yield from network.layers


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
