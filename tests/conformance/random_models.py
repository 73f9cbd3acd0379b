"""Random ONNX models as a hypothesis strategy, and the comparison of each with ONNX Runtime and onnx's reference.

    python -m tests.conformance.random_models COUNT [SEED]

tries COUNT models and prints the smallest one of the first failure.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import Any

import numpy as np
import onnx
import onnxruntime
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

import enginewright as ew
from tests.conformance.random_graphs import OPSET, Array, Graph, RandomModel, Value
from tests.conformance.random_operators import OPERATORS, try_operator

MAX_NODES = 12
TOLERANCE = {"float16": 2e-2, "float32": 2e-4, "float64": 2e-4}
"""Relative to the largest number in the graph, because sums may cancel; graphs mix types."""
Outputs = dict[str, Array]


@st.composite
def models(draw: Any) -> RandomModel:
    """A valid model with named axes, and inputs for it."""
    g = Graph(draw)
    for index in range(g.number(1, 2)):
        shape = tuple(g.number(1, 5) for _ in range(g.choose([2, 4, 3, 1, 0])))
        whole = bool(g.number(0, 1))
        dtype = g.choose([np.float32, np.float32, np.float32, np.float16, np.float64, np.int64, np.int32])
        array = g.whole(shape) if whole or np.dtype(dtype).kind == "i" else g.real(shape)
        value = Value(f"x{index}", array.astype(dtype), whole or np.dtype(dtype).kind == "i")
        g.inputs.append(value)
        g.values.append(value)
    for _ in range(g.number(1, MAX_NODES)):
        try_operator(g, g.choose(OPERATORS))
    dynamic = [bool(g.number(0, 1)) for _ in range(8)]
    return finish(g, dynamic)


def finish(g: Graph, dynamic: list[bool]) -> RandomModel:
    """The model of a graph; what no node reads is an output."""
    read = {name for node in g.nodes for name in node.input}
    outputs = [v for v in g.values if v.name not in read and v not in g.inputs] or g.values[-1:]
    infos, resized = [], {}
    for value in g.inputs:
        sizes: list[int | str] = []
        for axis, size in enumerate(value.array.shape):
            sizes.append(f"{value.name}_{axis}" if dynamic[axis] else size)
        infos.append(
            helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(value.array.dtype), sizes)
        )
        shape = tuple(size + dynamic[axis] for axis, size in enumerate(value.array.shape))
        resized[value.name] = np.resize(value.array, shape)
    made = [
        helper.make_tensor_value_info(v.name, helper.np_dtype_to_tensor_dtype(v.array.dtype), None) for v in outputs
    ]
    names = [v.name for v in outputs if v in g.inputs]
    for name in names:  # an input that is an output needs a node in between
        g.nodes.append(helper.make_node("Identity", [name], [f"{name}_out"]))
        next(info for info in made if info.name == name).name = f"{name}_out"
    graph = helper.make_graph(g.nodes, "random", infos, made, g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    exact = {info.name: v.exact for info, v in zip(made, outputs, strict=True)}
    scale = max(float(np.abs(v.array.astype(np.float64)).max(initial=1)) for v in g.values)
    return RandomModel(model, {v.name: v.array for v in g.inputs}, resized, exact, scale)


def check(case: RandomModel) -> None:
    """Build with and without the optimizer, and for fixed shapes; compare each run with the peers."""
    config = {"timing_cache": "", "threads": 1}
    plain = ew.load(ew.build(case.model, ew.BuilderConfig(level=0, **config)))
    engine = ew.load(ew.build(case.model, ew.BuilderConfig(level=1, **config)))
    profile = ew.Profile({name: array.shape for name, array in case.inputs.items()})
    fixed = ew.load(ew.build(case.model, ew.BuilderConfig(level=1, profiles=[profile], **config)))
    peers = peer_outputs(case, case.inputs)
    for what, one in (("level 0", plain), ("level 1", engine), ("fixed shapes", fixed)):
        compare(case, one.run(case.inputs), peers, what)
    peers = peer_outputs(case, case.resized)
    if len(peers) == 2:
        compare(case, engine.run(case.resized), peers, "other sizes")
    else:
        with contextlib.suppress(ew.EnginewrightError):  # these sizes may not fit: onnx's reference takes some of them
            engine.run(case.resized)


def peer_outputs(case: RandomModel, inputs: Outputs) -> list[Outputs]:
    """What ONNX Runtime and onnx's reference give; a peer that can't run the model says nothing."""
    names = [info.name for info in case.model.graph.output]
    found = []
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    # Its optimizer ends the process for about one random model in 10,000 (an assertion on the number of NodeArgs).
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(case.model.SerializeToString(), options)
        found.append(dict(zip(names, session.run(names, inputs), strict=True)))
    except Exception:  # noqa: BLE001 - it lacks some types
        pass
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            arrays = ReferenceEvaluator(case.model).run(names, inputs)
        found.append({name: np.asarray(array) for name, array in zip(names, arrays, strict=True)})
    except Exception:  # noqa: BLE001 - nor does it broadcast all that ONNX allows
        pass
    return found


def compare(case: RandomModel, found: Outputs, peers: list[Outputs], what: str) -> None:
    """Each output agrees with a peer; AssertionError names the first that agrees with none."""
    for name, array in found.items():
        problems = [difference(array, peer[name], case, name) for peer in peers]
        if problems and all(problems):
            raise AssertionError(f'{what}: output "{name}": ' + "; ".join(problems))


def difference(a: Array, b: Array, case: RandomModel, name: str) -> str:
    """How two arrays differ; empty if they agree."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)}, not {b.dtype}{list(b.shape)}"
    if a.dtype.kind != "f" or case.exact[name]:
        return "" if np.array_equal(a, b, equal_nan=a.dtype.kind == "f") else f"{a.tolist()}, not {b.tolist()}"
    tolerance = TOLERANCE["float16" if _has_halves(case) else str(a.dtype)]
    x, y = a.astype(np.float64), b.astype(np.float64)
    close = np.isclose(x, y, rtol=tolerance, atol=tolerance * case.scale, equal_nan=True)
    return "" if close.all() else f"{x[~close][:4]}, not {y[~close][:4]}"


def _has_halves(case: RandomModel) -> bool:
    """Whether numbers go through 16 bits somewhere in the graph."""
    half = onnx.TensorProto.FLOAT16
    given = any(info.type.tensor_type.elem_type == half for info in case.model.graph.input)
    return given or any(a.name == "to" and a.i == half for node in case.model.graph.node for a in node.attribute)


def run_many(count: int, start: int = 0) -> None:
    """Try this many random models; the first failure is shrunk and raised."""

    @seed(start)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(models())
    def one(case: RandomModel) -> None:
        check(case)

    one()


if __name__ == "__main__":
    run_many(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
