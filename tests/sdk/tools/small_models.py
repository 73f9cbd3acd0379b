"""Small ONNX models that the tests of tools and commands build in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(graph: onnx.GraphProto, opset: int = 17) -> onnx.ModelProto:
    """A model of one graph, of a version that ONNX Runtime reads."""
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    return made


def chain(scale: float = 1.0) -> onnx.ModelProto:
    """x[n, 8] -> MatMul -> Relu -> MatMul -> Sigmoid -> y[n, 3], and the arg-max of y as int64."""
    rng = np.random.default_rng(0)
    first = (rng.standard_normal((8, 16)) * scale).astype(np.float32)
    second = rng.standard_normal((16, 3)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="middle"),
        helper.make_node("MatMul", ["b", "w2"], ["c"], name="second"),
        helper.make_node("Sigmoid", ["c"], ["y"], name="last"),
    ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(first, "w1"), numpy_helper.from_array(second, "w2")],
    )
    return model(graph)


def branches() -> onnx.ModelProto:
    """If c: if d: x -> Relu, else x -> Tanh; else x -> Sigmoid; named "outer" and "inner"."""

    def branch(operator: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(f"{operator}_y", TensorProto.FLOAT, [4])
        return helper.make_graph(
            [helper.make_node(operator, ["x"], [value.name], name=operator)], operator, [], [value]
        )

    def choice(name: str, condition: str, branches: tuple[onnx.GraphProto, onnx.GraphProto]) -> onnx.NodeProto:
        return helper.make_node("If", [condition], [name], name=name, then_branch=branches[0], else_branch=branches[1])

    inner = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [4])
    both = helper.make_graph([choice("inner", "d", (branch("Relu"), branch("Tanh")))], "both", [], [inner])
    inputs = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in "cd"]
    graph = helper.make_graph(
        [choice("outer", "c", (both, branch("Sigmoid")))],
        "branches",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4]), *inputs],
        [helper.make_tensor_value_info("outer", TensorProto.FLOAT, [4])],
    )
    return model(graph)


def lookup() -> onnx.ModelProto:
    """ids[1, s] -> Cast -> Gather in a table of 5 rows -> y, masked by attention_mask[1, s]."""
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    nodes = [
        helper.make_node("Cast", ["ids"], ["wide"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "wide"], ["rows"], name="look_up"),
        helper.make_node("Unsqueeze", ["attention_mask", "axes"], ["mask"]),
        helper.make_node("Mul", ["rows", "mask"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "lookup",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT32, [1, "s"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.FLOAT, [1, "s"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "s", 2])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([2], np.int64), "axes")],
    )
    return model(graph)


def faint() -> onnx.ModelProto:
    """x[1, 64] -> Sigmoid(x - 14) -> y: numbers so small that ONNX Runtime's Sigmoid rounds most of them away."""
    nodes = [helper.make_node("Sub", ["x", "shift"], ["z"]), helper.make_node("Sigmoid", ["z"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "faint",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [numpy_helper.from_array(np.array(14, np.float32), "shift")],
    )
    return model(graph)


def unsupported() -> onnx.ModelProto:
    """Two nodes of a domain that nobody knows."""
    nodes = [
        helper.make_node("Frob", ["x"], ["a"], name="frob", domain="com.example"),
        helper.make_node("Nicate", ["a"], ["y"], name="nicate", domain="com.example"),
    ]
    graph = helper.make_graph(
        nodes,
        "unsupported",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    made = model(graph)
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    return made


def save(proto: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Write a model into a folder."""
    path = folder / name
    onnx.save(proto, path)
    return path
