"""Brings a model of an opset before 7 to the first that is imported directly, by onnx's version converter."""

from __future__ import annotations

import onnx
import onnx.helper
import onnx.shape_inference
import onnx.version_converter

from enginewright.errors import UnsupportedModel

OLDEST_OPSET = 7
"""The first that broadcasts as all later ones do."""


def is_old(proto: onnx.ModelProto) -> bool:
    """Whether the model has to be converted."""
    return 1 <= _opset(proto) < OLDEST_OPSET


def _opset(proto: onnx.ModelProto) -> int:
    return min((item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")), default=OLDEST_OPSET)


def converted(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """The model in an opset that is imported directly, and a note if it had to be converted (else an empty text)."""
    old = _opset(proto)
    if not is_old(proto):
        return proto, ""
    try:
        found = onnx.version_converter.convert_version(_aligned(proto), OLDEST_OPSET)
    except Exception as error:  # what the converter's native code raises has no common base
        raise UnsupportedModel(
            f"opset {old} of ai.onnx is older than {OLDEST_OPSET}, and onnx cannot convert the model: {error}",
            hint=f"Export the model in opset {OLDEST_OPSET} or newer.",
            where="opset_import",
        ) from error
    return found, f"the model has opset {old} of ai.onnx; onnx's version converter brought it to {OLDEST_OPSET}"


def _aligned(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with second inputs that meet the last axes of the first, as they do since opset 7.

    Before, they began at an axis: the slopes of PRelu at 1, others where an attribute says. onnx 1.23 leaves the former
    as they are, and refuses the latter unless they also fit the last axes.
    """
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    del made.graph.node[:]
    ranks = _ranks(proto)
    for node in proto.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        axis = next((item for item in copy.attribute if item.name == "axis"), None)
        if node.op_type == "PRelu" or (axis is not None and any(item.name == "broadcast" for item in copy.attribute)):
            made.graph.node.extend(_align(copy, 1 if axis is None else axis.i, ranks))
            if axis is not None:
                copy.attribute.remove(axis)
        made.graph.node.append(copy)
    return made


def _ranks(proto: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(proto).graph
    infos = [
        info for info in (*graph.input, *graph.value_info, *graph.output) if info.type.tensor_type.HasField("shape")
    ]
    found = {info.name: len(info.type.tensor_type.shape.dim) for info in infos}
    return found | {tensor.name: len(tensor.dims) for tensor in graph.initializer}


def _align(node: onnx.NodeProto, axis: int, ranks: dict[str, int]) -> list[onnx.NodeProto]:
    """Let the second input of a node begin at an axis of the first; the nodes to put before."""
    first, second = node.input[:2]
    if first not in ranks or second not in ranks:
        raise ValueError(f'the ranks of the inputs of {node.op_type} "{node.name}" are not known')
    axes = list(range(ranks[second], ranks[first] - axis % max(ranks[first], 1)))
    if not axes or not ranks[second]:
        return []
    node.input[1] = f"{second} for {node.output[0]}"
    return [onnx.helper.make_node("Unsqueeze", [second], [node.input[1]], axes=axes)]
