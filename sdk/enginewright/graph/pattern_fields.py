"""Compares the fields of an operator in a pattern with those of a layer, and captures attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

from enginewright.graph.network import Layer
from enginewright.graph.opaque import Opaque, is_known

IGNORED = frozenset(("plugin_version", "plugin_namespace"))
"""Attributes by which exporters say who implements a node; they do not change what it computes."""


@dataclass(frozen=True)
class Attribute:
    """An attribute to capture; `default` where the layer does not have it, MISSING: then it does not match."""

    name: str
    default: Any = MISSING


def match_fields(
    wanted: Sequence[tuple[str, Any]], layer: Layer, captured: Mapping[str, Any]
) -> Mapping[str, Any] | str:
    """The attributes captured so far and here, or why the layer's fields do not fit."""
    if not wanted and not (isinstance(layer.op, Opaque) and not layer.op.waits):
        return captured
    found = dict(captured)
    for name, value in wanted:
        given = _given(layer, name)
        reason = _capture(value, given, found) if isinstance(value, Attribute) else _compare(value, given, name, layer)
        if reason:
            return f'attribute: {reason} ("{layer.name}", {name})'
    extra = _unnamed(wanted, layer)
    return f'attribute: the pattern does not name {", ".join(extra)} of "{layer.name}"' if extra else found


def _given(layer: Layer, name: str) -> Any:
    """The value of a layer's field; MISSING if an opaque layer lacks it, where a node that waits has the default."""
    op = layer.op
    if not isinstance(op, Opaque):
        return getattr(op, name)
    if name in op.attributes:
        value = op.attributes[name]
        return tuple(value) if isinstance(value, list) else value
    return MISSING


def _capture(attribute: Attribute, given: Any, found: dict[str, Any]) -> str:
    value = attribute.default if given is MISSING else given
    if value is MISSING:
        return "it is missing, and the pattern gives no default"
    if attribute.name in found and not _equal(found[attribute.name], value):
        return f"{attribute.name} is {found[attribute.name]} at one place and {value} at another"
    found[attribute.name] = value
    return ""


def _compare(wanted: Any, given: Any, name: str, layer: Layer) -> str:
    if given is MISSING:
        # A node that waits has ONNX's default: the pattern's operator has the same if it was not changed.
        if isinstance(layer.op, Opaque) and layer.op.waits and isinstance(wanted, Default):
            return ""
        return f"it is missing, the pattern has {_plain(wanted)}"
    plain = _plain(wanted)
    if _equal(plain, given) or _equal(_counted(plain, name, layer), _counted(given, name, layer)):
        return ""
    return f"it is {given}, the pattern has {plain}"


@dataclass(frozen=True)
class Default:
    """A field that the pattern's author left at the operator's default."""

    value: Any


def pattern_fields(op: Any) -> tuple[tuple[str, Any], ...]:
    """The fields of an operator as a pattern compares them."""
    found = []
    for item in fields(op):
        value = getattr(op, item.name)
        plain = not isinstance(value, Attribute) and item.default is not MISSING and _equal(value, item.default)
        found.append((item.name, Default(value) if plain else value))
    return tuple(found)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Default) else value


def _unnamed(wanted: Sequence[tuple[str, Any]], layer: Layer) -> list[str]:
    """The attributes of an opaque layer that the pattern says nothing of."""
    if not isinstance(layer.op, Opaque):
        return []
    return sorted(set(layer.op.attributes) - {name for name, _ in wanted} - IGNORED)


def _counted(value: Any, name: str, layer: Layer) -> Any:
    """Axes counted from the front, where the number of axes is known."""
    first = layer.inputs[0] if layer.inputs else None
    if name not in ("axis", "axes") or first is None or not is_known(first) or not first.rank:
        return value
    if isinstance(value, int):
        return value % first.rank
    return tuple(axis % first.rank for axis in value) if isinstance(value, tuple) else value


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, float) and isinstance(b, int | float):
        return bool(np.isclose(a, b, rtol=1e-6, atol=0))  # ONNX keeps attributes as float32
    return bool(a == b)
