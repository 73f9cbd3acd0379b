"""ONNX models of a single node of a custom domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper

Array = np.ndarray[Any, Any]


def one_node(name: str, inputs: Mapping[str, Array], outputs: list[str], **attributes: Any) -> onnx.ModelProto:
    """A model of one node ``domain::OpType`` on these inputs, which are inputs of the model."""
    domain, op_type = name.split("::")
    node = helper.make_node(op_type, list(inputs), outputs, domain=domain, **attributes)
    given = [
        helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for key, array in inputs.items()
    ]
    made = [helper.make_value_info(key, onnx.TypeProto()) for key in outputs]
    graph = helper.make_graph([node], "one", given, made)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)
