"""Makes intermediate tensors of an ONNX model its outputs, so that two runtimes can be compared tensor by tensor."""

from __future__ import annotations

import os
from collections.abc import Sequence

import onnx

from enginewright.onnx_io.model_file import read_model


def load_whole(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model with its external data inside."""
    found = read_model(source)
    model = onnx.ModelProto()
    model.CopyFrom(found.proto)
    if found.folder is not None:
        onnx.load_external_data_for_model(model, os.fspath(found.folder))
    return model


def node_outputs(model: onnx.ModelProto) -> dict[str, str]:
    """Every tensor that a node of the main graph makes, in order, with the node as "name (op_type)"."""
    found: dict[str, str] = {}
    for index, node in enumerate(model.graph.node):
        text = f"{node.name or f'{node.op_type}_{index}'} ({node.op_type})"
        found.update({name: text for name in node.output if name})
    return found


def expose(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of the model with the named tensors as outputs beside its own; types are left to the reader to infer."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    known = {info.name for info in made.graph.output}
    made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    return made
