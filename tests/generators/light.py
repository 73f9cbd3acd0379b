"""Gives the weightless models of the onnx package random weights, so that their outputs mean something."""

from __future__ import annotations

import importlib.resources
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from onnx import numpy_helper

Use: TypeAlias = tuple[onnx.NodeProto, int]  # a node and the position at which it reads a tensor

SEED = 2024
RESIDUAL = 0.3  # a branch that is added to its shortcut starts small, or 16 of them grow the activations 256 times


def fill_model(member: str, path: Path) -> None:
    """Write the model `member` of the onnx package to `path` with seeded random weights.

    In these files a weight is a ConstantOfShape node, or an initializer with one repeated value. Each becomes an
    initializer: matrices and filters normal with He's variance 2 / fan-in (https://arxiv.org/abs/1502.01852), batch
    normalization with positive scale and variance around 1, biases small.
    """
    model = onnx.load_model_from_string(importlib.resources.files("onnx").joinpath(member).read_bytes())
    graph = model.graph
    uses = _collect_uses(graph)
    rng = np.random.default_rng(SEED)
    fresh: dict[str, np.ndarray] = {}
    for name, shape in _find_weights(graph):
        use = next(_follow(name, uses), None)
        if use is not None:
            fresh[name] = _draw_weight(rng, use, shape, uses)
    _replace_weights(graph, fresh)
    onnx.save_model(model, path)


def _collect_uses(graph: onnx.GraphProto) -> dict[str, list[Use]]:
    """Return for each tensor the nodes that read it."""
    uses: dict[str, list[Use]] = {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            uses.setdefault(name, []).append((node, position))
    return uses


def _follow(name: str, uses: dict[str, list[Use]]) -> Iterator[Use]:
    """Yield the nodes that compute with a weight, behind those that only change its shape."""
    for node, position in uses.get(name, []):
        if node.op_type in ("Reshape", "Unsqueeze") and position == 0:
            yield from _follow(node.output[0], uses)
        else:
            yield node, position


def _find_weights(graph: onnx.GraphProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and shape of each weight: constant nodes first, then floating-point initializers."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            yield node.output[0], tuple(numpy_helper.to_array(known[node.input[0]]).tolist())
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            yield tensor.name, tuple(tensor.dims)


def _draw_weight(rng: np.random.Generator, use: Use, shape: tuple[int, ...], uses: dict[str, list[Use]]) -> np.ndarray:
    """Return random contents for a weight of `shape`, read by the node and at the position of `use`."""
    node, position = use
    match node.op_type, position:
        case (("Conv" | "Gemm"), 1):
            fan_in = math.prod(shape[1:]) if node.op_type == "Conv" or _is_transposed(node) else shape[0]
            return rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / fan_in))
        case "BatchNormalization", 1:
            added = any(reader.op_type == "Sum" for reader, _ in uses.get(node.output[0], []))
            return rng.uniform(0.7, 1.3, shape).astype(np.float32) * np.float32(RESIDUAL if added else 1)
        case ("BatchNormalization", 4) | ("Mul", _):
            return rng.uniform(0.7, 1.3, shape).astype(np.float32)
        case _:
            return rng.standard_normal(shape, np.float32) * np.float32(0.1)


def _is_transposed(node: onnx.NodeProto) -> bool:
    """Tell whether a Gemm reads its second matrix transposed."""
    return any(attribute.name == "transB" and attribute.i for attribute in node.attribute)


def _replace_weights(graph: onnx.GraphProto, fresh: dict[str, np.ndarray]) -> None:
    """Make each array of `fresh` an initializer, and remove what made the tensor before, shapes included."""
    kept = [node for node in graph.node if not (node.op_type == "ConstantOfShape" and node.output[0] in fresh)]
    read = {name for node in kept for name in node.input}
    gone = {tensor.name for tensor in graph.initializer if tensor.name in fresh or tensor.name not in read}
    initializers = [tensor for tensor in graph.initializer if tensor.name not in gone]
    inputs = [value for value in graph.input if value.name not in gone]
    for name, array in fresh.items():
        initializers.append(numpy_helper.from_array(array, name))
        # IR version 3, in which these files are, wants every initializer among the inputs too.
        inputs.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, array.shape))
    for field, values in ((graph.node, kept), (graph.initializer, initializers), (graph.input, inputs)):
        del field[:]
        field.extend(values)
