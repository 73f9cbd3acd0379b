"""Tells whether two ONNX files hold the same graph: one digest of nodes, weights and names, not of how it is stored.

The algorithm is specified in the documentation and frozen for a major release, because calibration caches are bound to
it. It reads the file as it is, not our network, which may change from release to release.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, TypeProto

from enginewright import _native
from enginewright.errors import ModelInvalid
from enginewright.onnx_io.model_file import read_model, read_tensor
from enginewright.plan.canonical import encode_json
from enginewright.tensors import DataType

Json = list[Any] | dict[str, Any]
ALGORITHM = 1


def graph_digest(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> str:
    """The digest of the graph of an ONNX model (path, bytes, ModelProto) as 64 hex digits.

    Names of nodes, documentation, shapes of inputs, the producer, and where data is stored do not matter; operators,
    attributes, names of tensors, weights and versions of operator sets do. Raises `ModelError`.
    """
    model = read_model(source)
    return hashlib.sha256(encode_json(_model(model.proto, model.folder))).hexdigest()


def _model(proto: onnx.ModelProto, folder: Path | None) -> Json:
    functions = sorted(proto.functions, key=lambda function: (function.domain, function.name, function.overload))
    return {
        "algorithm": ALGORITHM,
        "functions": [_function(function, folder) for function in functions],
        "graph": _graph(proto.graph, folder),
        "opsets": _opsets(proto),
    }


def _opsets(proto: onnx.ModelProto | onnx.FunctionProto) -> Json:
    return sorted([_domain(item.domain), item.version] for item in proto.opset_import)


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _function(proto: onnx.FunctionProto, folder: Path | None) -> Json:
    return {
        "attributes": sorted(proto.attribute),
        "defaults": {item.name: _attribute(item, folder) for item in proto.attribute_proto},
        "inputs": list(proto.input),
        "name": [_domain(proto.domain), proto.name, proto.overload],
        "nodes": [_node(node, folder) for node in proto.node],
        "opsets": _opsets(proto),
        "outputs": list(proto.output),
    }


def _graph(proto: onnx.GraphProto, folder: Path | None) -> Json:
    dense = [[item.name, *_tensor(item, folder)] for item in proto.initializer]
    sparse = [[item.values.name, *_sparse(item, folder)] for item in proto.sparse_initializer]
    return {
        "initializers": sorted(dense + sparse, key=lambda item: str(item[0])),
        "inputs": [[item.name, _type(item.type)] for item in proto.input],
        "nodes": [_node(node, folder) for node in proto.node],
        "outputs": [item.name for item in proto.output],
    }


def _node(node: onnx.NodeProto, folder: Path | None) -> Json:
    attributes = {item.name: _attribute(item, folder) for item in node.attribute}
    name = [_domain(node.domain), node.op_type, node.overload]
    return [*name, list(node.input), list(node.output), attributes]


def _type(proto: TypeProto) -> Json:
    """The type of a graph's input, without its shape."""
    match proto.WhichOneof("value"):
        case "tensor_type":
            return ["tensor", proto.tensor_type.elem_type]
        case "sparse_tensor_type":
            return ["sparse", proto.sparse_tensor_type.elem_type]
        case "sequence_type":
            return ["sequence", _type(proto.sequence_type.elem_type)]
        case "optional_type":
            return ["optional", _type(proto.optional_type.elem_type)]
        case "map_type":
            return ["map", proto.map_type.key_type, _type(proto.map_type.value_type)]
    return []


def _attribute(item: AttributeProto, folder: Path | None) -> Json:
    """A letter for the type, then the value; reals exactly."""
    if item.ref_attr_name:
        return ["ref", item.ref_attr_name]
    readers: dict[int, Callable[[], Json]] = {
        AttributeProto.INT: lambda: ["i", item.i],
        AttributeProto.FLOAT: lambda: ["f", item.f.hex()],
        AttributeProto.STRING: lambda: ["s", item.s.hex()],
        AttributeProto.TENSOR: lambda: ["t", *_tensor(item.t, folder)],
        AttributeProto.GRAPH: lambda: ["g", _graph(item.g, folder)],
        AttributeProto.SPARSE_TENSOR: lambda: ["p", *_sparse(item.sparse_tensor, folder)],
        AttributeProto.TYPE_PROTO: lambda: ["y", _type(item.tp)],
        AttributeProto.INTS: lambda: ["is", *item.ints],
        AttributeProto.FLOATS: lambda: ["fs", *(value.hex() for value in item.floats)],
        AttributeProto.STRINGS: lambda: ["ss", *(value.hex() for value in item.strings)],
        AttributeProto.TENSORS: lambda: ["ts", *(_tensor(value, folder) for value in item.tensors)],
        AttributeProto.GRAPHS: lambda: ["gs", *(_graph(value, folder) for value in item.graphs)],
        AttributeProto.SPARSE_TENSORS: lambda: ["ps", *(_sparse(value, folder) for value in item.sparse_tensors)],
        AttributeProto.TYPE_PROTOS: lambda: ["ys", *(_type(value) for value in item.type_protos)],
    }
    reader = readers.get(item.type)
    if reader is None:
        text = f'attribute "{item.name}" has the unknown type {item.type}'
        raise ModelInvalid(text, hint="Export the model again.")
    return reader()


def _sparse(proto: onnx.SparseTensorProto, folder: Path | None) -> Json:
    return [list(proto.dims), _tensor(proto.values, folder), _tensor(proto.indices, folder)]


def _tensor(proto: TensorProto, folder: Path | None) -> Json:
    """Data type, dims, and the SHA-256 of the data, wherever the file keeps it."""
    array = read_tensor(proto, folder, "a tensor without a name")
    return [proto.data_type, list(proto.dims), hashlib.sha256(_raw(array, DataType(proto.data_type))).hexdigest()]


def _raw(array: np.ndarray[Any, Any], dtype: DataType) -> bytes:
    """The elements in row-major order, little endian; smaller ones share a byte, the first in its lowest bits."""
    if dtype is DataType.STRING:
        texts = [str(item).encode("utf-8", "surrogateescape") for item in array.flat]
        return b"".join(len(text).to_bytes(8, "little") + text for text in texts)
    data: np.ndarray[Any, Any] = np.ascontiguousarray(array).reshape(-1)
    if dtype.bits < 8:
        return bytes(_native.pack_sub_byte(data))
    return bytes(data.view(np.uint8))
