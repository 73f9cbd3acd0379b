"""Broken ONNX models, made by code, with the error that each must give and the name that its message must hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from enginewright import errors

Maker: TypeAlias = Callable[[Path], Path]
ErrorClass: TypeAlias = type[errors.EnginewrightError]

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
OPSET = 18


@dataclass(frozen=True)
class BadModel:
    """One broken model: `make` writes it into a folder and returns its path; `mentions` must be in the message."""

    name: str
    make: Maker
    error: ErrorClass
    mentions: tuple[str, ...]


def value(name: str, shape: Sequence[int | str] | None, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    """Return the declaration of a tensor."""
    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name: str, array: object, dtype: str = "float32") -> onnx.TensorProto:
    """Return an initializer."""
    return numpy_helper.from_array(np.asarray(array, dtype), name)


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto] = (),
    outputs: Sequence[onnx.ValueInfoProto] = (),
    constants: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    """Return a model that nothing has checked; its output is "y", of unknown shape, unless others are given."""
    graph = helper.make_graph(
        list(nodes), "main", list(inputs) or [value("x", (2, 3))], list(outputs) or [value("y", None)], list(constants)
    )
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", OPSET)])


def node(op_type: str, inputs: str, outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    """Return the node "culprit", its tensors separated by blanks ("_" is an absent one)."""
    names = [["" if name == "_" else name for name in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op_type, *names, name="culprit", **attributes)


def saved(model: onnx.ModelProto) -> Maker:
    """Return a maker that writes `model` as it is."""
    return holding(model.SerializeToString())


def holding(data: bytes) -> Maker:
    """Return a maker of a file with these bytes."""

    def make(folder: Path) -> Path:
        path = folder / "model.onnx"
        path.write_bytes(data)
        return path

    return make


def collect_models() -> list[BadModel]:
    """Return the whole corpus."""
    from tests.sdk.onnx_io import bad_files, bad_graphs, bad_nodes

    return [*bad_files.models(), *bad_graphs.models(), *bad_nodes.models()]
