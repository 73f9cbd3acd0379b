"""Writes a network as an ONNX model whose nodes are operators by key, so that the parser gives the same network again.

The domain of a node is the namespace of its operator, fields are attributes, nested networks are graphs that read
nothing from outside. What ONNX has no word for stands in the metadata of nodes and values (see `exchange`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import onnx
import onnx.helper

from enginewright import _native
from enginewright.dims import Dim, atom_uids
from enginewright.errors import NetworkError
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.onnx_io.custom_domain import OUTPUT, OWN, VERSION
from enginewright.onnx_io.exchange import CODED, NAME, OUTPUT_NAME, SOURCES, SPEC, Writer, add_metadata, dumps
from enginewright.onnx_io.value_info import type_proto
from enginewright.tensors import DataType, TensorSpec

IR_VERSION, OPSET = 10, 21
"""What the file says of itself: the first version with metadata on nodes, and an opset that its readers know."""

MOST_BYTES = 2**31 - 1
"""No protocol buffer is larger."""

Attribute = onnx.AttributeProto
Array = np.ndarray[Any, Any]


def export_network(network: Network) -> bytes:
    """The network as an ONNX file, the same bytes for the same network; `NetworkError` where a field has no form there.

    Also where its constants exceed the 2 GiB that a file can hold.
    """
    size = sum(array.nbytes for array in _constants(network))
    if size >= MOST_BYTES:
        raise NetworkError(
            f"the constants have {size:,} bytes, an ONNX file holds at most {MOST_BYTES:,}",
            hint="Give the model as an ONNX file with external data.",
        )
    domains: set[str] = {OWN}
    graph = _Graph(network, set(), domains).write()
    opsets = [onnx.helper.make_opsetid("", OPSET), *(onnx.helper.make_opsetid(name, 1) for name in sorted(domains))]
    model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="enginewright", graph=graph, opset_import=opsets)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _constants(network: Network) -> list[Array]:
    tensors = {id(t): t for layer in network.layers for t in layer.inputs if t is not None and t.const is not None}
    found = [tensor.const for tensor in tensors.values() if tensor.const is not None]
    return found + [array for _, _, inner in network.nested() for array in _constants(inner)]


@dataclass
class _Graph:
    """Writes one network, nested or not; `used` are the names and `domains` the domains of the whole model."""

    network: Network
    used: set[str]
    domains: set[str]
    outer: _Graph | None = None
    names: dict[Tensor, str] = field(default_factory=dict)
    by_uid: dict[int, str] = field(default_factory=dict)
    aliased: set[Tensor] = field(default_factory=set)
    proto: onnx.GraphProto = field(default_factory=onnx.GraphProto)

    def write(self) -> onnx.GraphProto:
        """The graph."""
        self.proto.name = self.network.name
        for tensor in self.network.inputs:
            self.proto.input.append(self._value(tensor, self._define(tensor), exact=True))
        outputs = [(self._name_output(name, tensor), name, tensor) for name, tensor in self.network.outputs]
        for layer in self.network.layers:
            self._layer(layer)
        for value, name, tensor in outputs:
            if self.names.get(tensor) != value:
                node = onnx.NodeProto(domain=OWN, op_type=OUTPUT, name=value, input=[self._read(tensor)])
                node.output.append(value)
                self.proto.node.append(node)
            proto = self._value(tensor, value)
            if value != name:
                add_metadata(proto, OUTPUT_NAME, name)
            self.proto.output.append(proto)
        return self.proto

    def _name_output(self, name: str, tensor: Tensor) -> str:
        """What an output is called in the file: as the caller sees it, unless something else has that name.

        A tensor that has a name already, or that no layer makes, gets this one by a node at the end.
        """
        value = self._unique(name)
        if tensor.producer is not None and tensor not in self.names:
            self.names[tensor] = value
        else:
            self.aliased.add(tensor)
        return value

    def _unique(self, wanted: str) -> str:
        found, number = wanted or "value", 1
        while found in self.used:
            found, number = f"{wanted}.{number}", number + 1
        self.used.add(found)
        return found

    def _name_of(self, uid: int) -> str:
        """The name of a tensor that a size reads."""
        if uid in self.by_uid:
            return self.by_uid[uid]
        if self.outer is None:
            raise NetworkError("a size reads a tensor that the network does not have", hint="Build the network again.")
        return self.outer._name_of(uid)

    def _define(self, tensor: Tensor) -> str:
        """Give a tensor its name in the file."""
        if tensor not in self.names:
            self.names[tensor] = self._unique(tensor.name)
        self.by_uid[tensor.spec.uid] = self.names[tensor]
        return self.names[tensor]

    def _read(self, tensor: Tensor | None) -> str:
        """The name of an input; a constant that is read for the first time becomes an initializer."""
        if tensor is None:
            return ""
        if tensor not in self.names and tensor.const is None:
            raise NetworkError(f'"{tensor.name}" is read before a layer makes it', hint="Sort the layers.")
        if tensor not in self.names:
            proto = tensor_proto(np.asarray(tensor.const), self._define(tensor))
            self._keep_name(proto, tensor, proto.name)
            self.proto.initializer.append(proto)
        return self.names[tensor]

    def _value(self, tensor: Tensor, name: str, *, exact: bool = False) -> onnx.ValueInfoProto:
        """Name, type and shape; `exact` adds what dim_param can't say."""
        if tensor.spec.items is not None:
            return onnx.helper.make_value_info(name, type_proto(tensor.spec))
        shape = [None if atom_uids([size]) else size if isinstance(size, int) else str(size) for size in tensor.shape]
        proto = onnx.helper.make_tensor_value_info(name, int(tensor.dtype), shape)
        if exact and not _is_plain(tensor.spec):
            add_metadata(proto, SPEC, self._writer().spec(tensor.spec))
        if self.names.get(tensor) == name:
            self._keep_name(proto, tensor, name)
        return proto

    def _keep_name(self, proto: Any, tensor: Tensor, name: str) -> None:
        """Write the tensor's own name unless the parser gives it that, which names tensors as the file does."""
        if tensor.name != name or tensor in self.aliased:
            add_metadata(proto, NAME, tensor.name)

    def _writer(self) -> Writer:
        return Writer(self._name_of)

    def _layer(self, layer: Layer) -> None:
        key = layer.key
        node = onnx.NodeProto(domain=key.namespace, op_type=key.name, name=layer.name)
        node.input.extend(self._read(tensor) for tensor in layer.inputs)
        for item in fields(layer.op):
            value = getattr(layer.op, item.name)
            if value is not None:
                node.attribute.append(self._attribute(item.name, value))
            elif item.default is not None:
                raise NetworkError(
                    f"field {item.name} of {key} is None, which is not its default", hint="ONNX has no word for it."
                )
        node.output.extend(map(self._define, layer.outputs))
        for tensor in layer.outputs:
            if not self.network.is_output(tensor):
                self.proto.value_info.append(self._value(tensor, self.names[tensor]))
        if layer.sources != (layer.name,):
            add_metadata(node, SOURCES, dumps(layer.sources))
        if key.version > 1:
            version = str(key.version).encode()
            node.attribute.append(Attribute(name=VERSION, type=Attribute.STRING, s=version))
        self.domains.add(key.namespace)
        self.proto.node.append(node)

    def _attribute(self, name: str, value: Any) -> onnx.AttributeProto:
        if isinstance(value, Network):
            return Attribute(name=name, type=Attribute.GRAPH, g=_Graph(value, self.used, self.domains, self).write())
        if isinstance(value, tuple):
            return self._sequence(name, value)
        if isinstance(value, bool | int | DataType):
            return Attribute(name=name, type=Attribute.INT, i=int(value))
        if isinstance(value, float):
            if _is_single(value):
                return Attribute(name=name, type=Attribute.FLOAT, f=value)
            return _array_attribute(name, np.array(value))
        if isinstance(value, str) and not value.startswith(CODED):
            return Attribute(name=name, type=Attribute.STRING, s=_encoded(value))
        if isinstance(value, bytes):
            return _array_attribute(name, np.frombuffer(value, np.uint8))
        if isinstance(value, np.ndarray):
            return _array_attribute(name, value)
        return self._text(name, value)

    def _sequence(self, name: str, value: tuple[Any, ...]) -> onnx.AttributeProto:
        if all(isinstance(item, int) for item in value):
            return Attribute(name=name, type=Attribute.INTS, ints=map(int, value))
        if all(isinstance(item, float) for item in value):
            if all(map(_is_single, value)):
                return Attribute(name=name, type=Attribute.FLOATS, floats=value)
            return _array_attribute(name, np.array(value))
        if all(isinstance(item, str) for item in value):
            return Attribute(name=name, type=Attribute.STRINGS, strings=map(_encoded, value))
        return self._text(name, value)

    def _text(self, name: str, value: Any) -> onnx.AttributeProto:
        text = self._writer().text(value)
        return Attribute(name=name, type=Attribute.STRING, s=f"{CODED}{text}".encode())


def _is_plain(spec: TensorSpec) -> bool:
    """Whether dtype, sizes and names of sizes say everything."""
    return spec.value is None and not spec.constant and all(_is_number_or_name(size) for size in spec.shape)


def _is_number_or_name(size: int | Dim) -> bool:
    if isinstance(size, int):
        return True
    text = str(size)
    return (text[:1].isalpha() or text[:1] == "_") and size == Dim(text)


def _is_single(value: float) -> bool:
    """Whether 32 bits hold the number exactly."""
    with np.errstate(over="ignore"):
        return float(np.float32(value)) == value


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _array_attribute(name: str, array: Array) -> onnx.AttributeProto:
    return Attribute(name=name, type=Attribute.TENSOR, t=tensor_proto(array, ""))


def tensor_proto(array: Array, name: str) -> onnx.TensorProto:
    """An array of any of our types as a TensorProto."""
    dtype = DataType.of(array)
    proto = onnx.TensorProto(name=name, data_type=int(dtype), dims=array.shape)
    if dtype is DataType.STRING:
        proto.string_data.extend(_encoded(str(text)) for text in array.reshape(-1))
    elif dtype.bits < 8:
        proto.raw_data = _native.pack_sub_byte(array).tobytes()
    else:
        proto.raw_data = np.ascontiguousarray(array).tobytes()
    return proto
