"""Turns ONNX attributes into Python values, and operators that ONNX defines as functions into their bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.defs
import onnx.helper
import onnx.numpy_helper

from enginewright.errors import ModelInvalid
from enginewright.onnx_io.model_file import EXPORT_AGAIN, read_tensor
from enginewright.onnx_io.value_info import type_proto, type_spec
from enginewright.registry.onnx_node import NotSupported, Subgraph
from enginewright.tensors import TensorSpec

MakeSubgraph = Callable[[onnx.GraphProto], Subgraph]


def attribute_values(
    source: onnx.NodeProto | Iterable[onnx.AttributeProto],
    outer: Mapping[str, Any] | None,
    folder: Path | None,
    subgraph: MakeSubgraph,
) -> dict[str, Any]:
    """The attributes of a node by name; references are looked up in `outer`, a function's (None: in no function)."""
    items = source.attribute if isinstance(source, onnx.NodeProto) else source
    found: dict[str, Any] = {}
    for item in items:
        if item.ref_attr_name:
            if outer is None:
                message = f'attribute "{item.name}" refers to a function\'s, but is in none'
                raise ModelInvalid(message, hint=EXPORT_AGAIN)
            if item.ref_attr_name in outer:
                found[item.name] = outer[item.ref_attr_name]
        elif item.name in found:
            raise ModelInvalid(f'attribute "{item.name}" is given twice', hint=EXPORT_AGAIN)
        else:
            found[item.name] = _value(item, folder, subgraph)
    return found


def resolve_references(proto: onnx.NodeProto, outer: Mapping[str, Any] | None) -> onnx.NodeProto:
    """The node with numbers, text and tensors for its references to a function's attributes, without those not given.

    ONNX makes some function bodies from the node itself, and would take a reference for the value 0.
    """
    if outer is None or not any(item.ref_attr_name for item in proto.attribute):
        return proto
    made = onnx.NodeProto()
    made.CopyFrom(proto)
    del made.attribute[:]
    for item in proto.attribute:
        value = outer.get(item.ref_attr_name)
        if isinstance(value, np.ndarray):
            made.attribute.append(onnx.helper.make_attribute(item.name, onnx.numpy_helper.from_array(value)))
        elif isinstance(value, int | float | str | list):
            made.attribute.append(onnx.helper.make_attribute(item.name, value, attr_type=item.type))
        elif value is not None or not item.ref_attr_name:
            made.attribute.append(item)
    return made


def _value(item: onnx.AttributeProto, folder: Path | None, subgraph: MakeSubgraph) -> Any:
    kind = onnx.AttributeProto
    readers: dict[int, Callable[[], Any]] = {
        kind.FLOAT: lambda: float(item.f),
        kind.INT: lambda: int(item.i),
        kind.STRING: lambda: _text(item.s),
        kind.TENSOR: lambda: read_tensor(item.t, folder, f'attribute "{item.name}"'),
        kind.GRAPH: lambda: subgraph(item.g),
        kind.TYPE_PROTO: lambda: type_spec(item.tp, f'attribute "{item.name}"'),
        kind.FLOATS: lambda: [float(value) for value in item.floats],
        kind.INTS: lambda: [int(value) for value in item.ints],
        kind.STRINGS: lambda: [_text(value) for value in item.strings],
        kind.TENSORS: lambda: [read_tensor(value, folder, f'attribute "{item.name}"') for value in item.tensors],
    }
    if item.type not in readers:
        raise NotSupported(f'attribute "{item.name}" has a type that is not supported ({item.type})')
    return readers[item.type]()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class FunctionNode:
    """A node of an operator without an import rule."""

    proto: onnx.NodeProto
    version: int
    domain: str

    def body(self, types: Callable[[], Sequence[TensorSpec | None]]) -> onnx.FunctionProto:
        """The function body that ONNX gives the operator; `NotSupported` where there is none."""
        schema = self.schema()
        if schema.has_function:
            return _completed(schema.function_body, schema, self.version)
        data = schema.get_context_dependent_function(
            self.proto.SerializeToString(), [type_proto(spec).SerializeToString() for spec in types()]
        )
        return _completed(onnx.FunctionProto.FromString(data), schema, self.version)

    def schema(self) -> Any:
        """ONNX's definition of the operator, which has a function body; `NotSupported` where there is none."""
        domain = "" if self.domain == "ai.onnx" else self.domain
        try:
            schema: Any = onnx.defs.get_schema(self.proto.op_type, self.version, domain)
        except onnx.defs.SchemaError:
            raise NotSupported("there is no such operator in this domain and version") from None
        if not schema.has_function and not schema.has_context_dependent_function:
            raise NotSupported("no import rule and no function body")
        return schema


def _completed(function: onnx.FunctionProto, schema: Any, version: int) -> onnx.FunctionProto:
    """The body with what only the definition has: defaults of attributes, and the opset of a body that names none."""
    made = onnx.FunctionProto()
    made.CopyFrom(function)
    if not made.opset_import:
        made.opset_import.append(onnx.helper.make_opsetid(schema.domain, version))
    given = {item.name for item in made.attribute_proto}
    for name, item in schema.attributes.items():
        if name not in given and item.default_value.type != onnx.AttributeProto.UNDEFINED:
            made.attribute_proto.append(item.default_value)
    return made
