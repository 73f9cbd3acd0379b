"""Models for measuring the import: one of thousands of nodes, and the largest benchmark model that is there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

import enginewright as ew
from tests.models import cache_folder

WIDTH = 64


def many_nodes(count: int) -> bytes:
    """Blocks of ten nodes: a layer with weights, shapes as values, transposes there and back, a gate, a difference."""
    rng, nodes, weights, last = np.random.default_rng(0), [], [], "x"
    for block in range(count // 10):
        w, b, m, a, r, s, h, t, u, v, y, z = (f"{letter}{block}" for letter in "wbmarshtuvyz")
        weights += [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in ((w, (WIDTH, WIDTH)), (b, (WIDTH,)))
        ]
        nodes += [
            helper.make_node("MatMul", [last, w], [m]),
            helper.make_node("Add", [m, b], [a]),
            helper.make_node("Relu", [a], [r]),
            helper.make_node("Shape", [r], [s]),
            helper.make_node("Reshape", [r, s], [h]),
            helper.make_node("Transpose", [h], [t], perm=[1, 0]),
            helper.make_node("Transpose", [t], [u], perm=[1, 0]),
            helper.make_node("Softmax", [u], [v], axis=-1),
            helper.make_node("Mul", [v, r], [y]),
            helper.make_node("Sub", [y, last], [z]),
        ]
        last = z
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", WIDTH]) for name in ("x", last))
    graph = helper.make_graph(nodes, "many", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def import_seconds(source: bytes | Path) -> float:
    """What ew.parse takes beyond reading and decoding the file, the best of three."""
    proto = onnx.load_model_from_string(source) if isinstance(source, bytes) else onnx.load(source)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        ew.parse(proto)
        times.append(time.perf_counter() - start)
    return min(times)


def largest_model() -> Path | None:
    """The largest model file that `make models` or an earlier measurement left, None where there is none."""
    found = list(cache_folder().glob("*/*/model.onnx"))
    return max(found, key=lambda path: path.stat().st_size, default=None)
