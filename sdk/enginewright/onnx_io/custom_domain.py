"""Imports ONNX nodes that name an operator of ours, or of a plugin, by its key: domain ``acme``, op type ``Swish``."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from enginewright.errors import ModelInvalid, PluginNotFound
from enginewright.onnx_io.exchange import CODED, Reader, UidOf
from enginewright.onnx_io.model_file import EXPORT_AGAIN
from enginewright.registry.missing import near_matches
from enginewright.registry.onnx_node import NotSupported, OnnxNode, Subgraph
from enginewright.registry.registry import Key, registry
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor
    from enginewright.registry.registry import OnnxRule

OWN, STANDARD = "ew", "ai.onnx"
OUTPUT = "Output"
"""In domain `ew`: the value itself under another name, for tensors that are outputs twice, or inputs, or constants."""

VERSION, NAMESPACE = "plugin_version", "plugin_namespace"
"""Attributes that override version and namespace, as TensorRT's exporters write them."""


def custom_rule(domain: str, op_type: str, version: int, uid_of: UidOf) -> OnnxRule | None:
    """The import of a node whose domain and op type name an operator, by its key or as the plugin says; None if none.

    The version is the highest that is registered and not above the domain's; if there are only newer ones, the lowest,
    with a note.
    """
    if (domain, op_type) == (OWN, OUTPUT):
        return lambda net, node: node.input(0)
    if domain == STANDARD:
        return None
    keys = _keys(domain, op_type)
    if not keys:
        return None

    def rule(net: Network, node: OnnxNode) -> Sequence[Tensor]:
        cls = _operator(net, node, keys, version)
        added: tuple[Tensor, ...] = net.add(_make(cls, node, Reader(uid_of)), *node.inputs)
        return added

    return rule


BLOCKED = "com.microsoft.nchwc"
"""What ONNX Runtime saves at optimization level "all" or "layout"; the size of the blocks is not in the file."""


def nearest(domain: str, op_type: str) -> str:
    """What there is instead of an operator of a custom domain that is not known; empty if nothing is near."""
    if domain == BLOCKED:
        return "its layout is that of the machine that wrote it: let ONNX Runtime save it without its layout level"
    return "" if domain.startswith(STANDARD) else near_matches(Key(domain, op_type), registry)


def _keys(domain: str, op_type: str) -> list[Key]:
    """The operators that have this ONNX name; before a name is given up, all that is installed is imported."""
    registry.load(domain)
    for complete in (False, True):
        if complete:
            registry.discovery.load_everything()
        keys = {key for key in registry.operators if (key.namespace, key.name) == (domain, op_type)}
        keys |= registry.onnx_names.get((domain, op_type), set())
        if keys:
            break
    return sorted(keys)


def _operator(net: Network, node: OnnxNode, keys: Sequence[Key], version: int) -> type[Any]:
    """The operator class that a node means."""
    namespace = node.text(NAMESPACE, "")
    names = dict.fromkeys((namespace or key.namespace, key.name) for key in keys)
    if len(names) > 1:
        listed = " and ".join(f"{space}::{name}" for space, name in names)
        raise NotSupported(f"{listed} both have this ONNX name; the attribute {NAMESPACE} can choose")
    ((namespace, name),) = names
    given = node.attributes.get(VERSION)
    try:
        if given is not None:
            return registry.operator(Key(namespace, name, int(given)))
        found = registry.newest(namespace, name, at_most=version)
        return found or _newer(net, node, Key(namespace, name), version)
    except PluginNotFound as error:
        raise NotSupported(error.message) from None
    except ValueError:
        raise ModelInvalid(f"{VERSION} is {given!r}, no number", hint=EXPORT_AGAIN) from None


def _newer(net: Network, node: OnnxNode, key: Key, version: int) -> type[Any]:
    """The lowest version of an operator of which all are newer than the domain: exporters often write 1."""
    versions = registry.versions(key.namespace, key.name)
    cls = registry.operator(Key(key.namespace, key.name, min(versions)) if versions else key)
    while net.parent is not None:
        net = net.parent
    net.notes.append(f"{node.where}: the model has version {version} of {node.domain}, {cls.KEY} was taken")
    return cls


def _make(cls: type[Any], node: OnnxNode, reader: Reader) -> Any:
    """The operator with the node's attributes as fields, by name and type; one that is not given takes its default."""
    known = {item.name: item for item in dataclasses.fields(cls)}
    given = {name: value for name, value in node.attributes.items() if name not in (VERSION, NAMESPACE)}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise ModelInvalid(
            f"{cls.KEY} has no field {', '.join(unknown)}",
            hint=f"Its fields are {', '.join(known) or 'none'}.",
        )
    missing = [name for name, item in known.items() if name not in given and _is_required(item)]
    if missing:
        raise ModelInvalid(f"{cls.KEY} needs {', '.join(missing)}", hint="Give these attributes.")
    kinds = _field_types(cls)
    return cls(**{name: _field(kinds.get(name, Any), name, value, reader) for name, value in given.items()})


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _field_types(cls: type[Any]) -> dict[str, Any]:
    """The declared types of the fields; those that cannot be resolved, such as `Network`, are any."""
    try:
        return get_type_hints(cls)
    except NameError:
        return _field_types_one_by_one(cls)


def _field_types_one_by_one(cls: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in cls.__annotations__.items():
        holder = type("Holder", (), {"__annotations__": {name: text}, "__module__": cls.__module__})
        try:
            found.update(get_type_hints(holder))
        except NameError:
            found[name] = Any
    return found


def _field(kind: Any, name: str, value: Any, reader: Reader) -> Any:
    """An attribute as the value of a field of a declared type."""
    kinds = _alternatives(kind)
    if isinstance(value, Subgraph):
        if value.captures:
            names = ", ".join(value.captures)
            raise NotSupported(
                f'graph "{name}" reads {names} from outside: make these inputs of the node and the graph'
            )
        return value.parse(None, {})
    if isinstance(value, list):
        return tuple(_element(kinds, item) for item in value)
    if isinstance(value, np.ndarray) and np.ndarray not in map(_plain, kinds) and kind is not Any:
        return _from_array(kinds, value)
    if isinstance(value, str) and value.startswith(CODED):
        return reader.value(value.removeprefix(CODED))
    return _element(kinds, value)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The types that a declared one allows, None left out; of a tuple type those of its elements follow it."""
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    inner = [part for known in parts if get_origin(known) is tuple for part in get_args(known)]
    return tuple(part for part in (*parts, *inner) if part not in (type(None), Ellipsis))


def _plain(kind: Any) -> Any:
    return get_origin(kind) or kind


def _element(kinds: Sequence[Any], value: Any) -> Any:
    """A number as the type that is asked for: ONNX has no booleans, and exporters write whole floats as integers."""
    if isinstance(value, int):
        if DataType in kinds:
            return DataType(value)
        if bool in kinds and int not in kinds:
            return bool(value)
        if float in kinds and int not in kinds:
            return float(value)
    return value


def _from_array(kinds: Sequence[Any], value: np.ndarray[Any, Any]) -> Any:
    """Numbers that a float attribute, which has 32 bits, could not hold; bytes."""
    if bytes in kinds:
        return value.tobytes()
    return tuple(value.tolist()) if value.ndim else value.item()
