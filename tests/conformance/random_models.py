"""Random ONNX models as a hypothesis strategy, and the comparison of each with ONNX Runtime and onnx's reference.

    python -m tests.conformance.random_models COUNT [SEED]

tries COUNT models in parts, each in a process of its own, and prints for every part that fails its smallest model.
"""

from __future__ import annotations

import argparse
import faulthandler
import subprocess
import sys
from typing import Any

import numpy as np
import onnx
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from onnx import helper

import enginewright as ew
from tests.conformance.peer_cases import culprits, excused
from tests.conformance.random_control import OPERATORS, try_operator
from tests.conformance.random_graphs import (
    BFLOAT16,
    FLOATS,
    INTEGERS,
    OPSETS,
    Array,
    Graph,
    RandomModel,
    Value,
    operators_of,
    run_in_reference,
    run_in_runtime,
)

MAX_NODES = 12
HIGHEST = 5
PART = 500
SECONDS = 300
"""How long one model may take; a whole part may be stopped for a while on a busy machine."""
TOLERANCE = {"bfloat16": 6e-2, "float16": 2e-2, "float32": 2e-4, "float64": 2e-4}
"""Relative to the largest number in the graph, because sums may cancel; graphs mix types."""
LENIENT = {"GroupNormalization"}
"""Operators of which both peers take sizes that ONNX forbids: they broadcast a scale that is not "of shape (C)"."""
PEERS = {"onnxruntime": run_in_runtime, "onnx.reference": run_in_reference}
CONFIG: dict[str, Any] = {"timing_cache": "", "threads": 1, "recipe": "none"}
Outputs = dict[str, Array]


# ---- drawing ---------------------------------------------------------------------------------------------------------


@st.composite
def models(draw: Any) -> RandomModel:
    """A valid model with named axes, and inputs for it."""
    g = Graph(draw)
    g.opset = g.choose(OPSETS)
    for index in range(g.number(1, 2)):
        g.inputs.append(draw_input(g, f"x{index}"))
        g.values.append(g.inputs[-1])
        if g.inputs[-1].array.dtype == np.float32 and g.number(0, 7) == 7:  # peers take no array of bfloat16
            try_operator(g, narrow_input)
    for _ in range(g.number(1, MAX_NODES)):
        try_operator(g, g.choose(OPERATORS))
    return finish(g, [bool(g.number(0, 1)) for _ in range(8)])


def narrow_input(g: Graph) -> None:
    """The last input in bfloat16, which may round it beyond the largest number of a graph."""
    g.node("Cast", g.inputs[-1:], to=helper.np_dtype_to_tensor_dtype(BFLOAT16))


def draw_input(g: Graph, name: str) -> Value:
    """An input of any type and rank; one size in twelve is 0."""
    rank = g.choose([2, 4, 3, 1, 0, 2, 4, 3, 5, 6])
    shape = tuple(g.choose([1, 2, 3, 4, 5, 2, 3, 4, 1, 2, 3, 0]) for _ in range(rank))
    dtype = g.choose([FLOATS[0]] * 12 + [*FLOATS[1:3]] * 2 + [*INTEGERS, np.dtype(bool)])
    if dtype.kind == "b":
        return Value(name, g.whole(shape, 0, 1).astype(bool), True)
    exact = dtype in INTEGERS or bool(g.number(0, 1))
    return Value(name, g.numbers(dtype, shape, exact), exact)


def finish(g: Graph, dynamic: list[bool]) -> RandomModel:
    """The model of a graph; what no node reads is an output."""
    read = {name for node in g.nodes for name in node.input}
    outputs = [v for v in g.values if v.name not in read and v not in g.inputs] or g.values[-1:]
    resized = {}
    for value in g.inputs:
        shape = tuple(size + dynamic[axis] for axis, size in enumerate(value.array.shape))
        filler = value.array if value.array.size else np.ones(1, value.array.dtype)
        resized[value.name] = np.resize(filler, shape)
    made = [_plain_output(g, v) for v in outputs]
    named, fixed = (
        helper.make_model(
            helper.make_graph(g.nodes, "random", [_input(v, axes) for v in g.inputs], made, g.constants),
            opset_imports=[helper.make_opsetid("", g.opset)],
            ir_version=10,
        )
        for axes in (dynamic, [False] * 8)
    )
    exact = {info.name: v.exact for info, v in zip(made, outputs, strict=True)}
    scale = max([1.0, *(v.largest for v in g.values if v.is_number)])
    return RandomModel(named, fixed, {v.name: v.array for v in g.inputs}, resized, exact, scale)


def _input(value: Value, dynamic: list[bool]) -> onnx.ValueInfoProto:
    sizes = [f"{value.name}_{axis}" if dynamic[axis] else size for axis, size in enumerate(value.array.shape)]
    return helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(value.array.dtype), sizes)


def _plain_output(g: Graph, value: Value) -> onnx.ValueInfoProto:
    """The output for a value: a node in between for an input, and for types of which peers give no array."""
    name, kind = value.name, value.array.dtype
    if kind.kind == "V":
        name, kind = f"{value.name}_plain", FLOATS[0]
        g.nodes.append(helper.make_node("Cast", [value.name], [name], to=onnx.TensorProto.FLOAT))
    elif value in g.inputs:
        name = f"{value.name}_out"
        g.nodes.append(helper.make_node("Identity", [value.name], [name]))
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(kind), None)


# ---- comparing -------------------------------------------------------------------------------------------------------


def check(case: RandomModel) -> None:
    """Build at three levels, for any, fixed and bounded sizes; the runs agree with each other and with the peers."""
    plain = ew.load(ew.build(case.model, ew.BuilderConfig(level=0, **CONFIG)))
    engine = ew.load(ew.build(case.model, ew.BuilderConfig(level=1, **CONFIG)))
    fixed = ew.load(ew.build(case.fixed, ew.BuilderConfig(level=HIGHEST, **CONFIG)))
    ranged = ew.load(ew.build(case.model, ew.BuilderConfig(level=1, profiles=[profile(case)], **CONFIG)))
    found = plain.run(case.inputs)
    for what, one in (("level 1", engine), ("fixed sizes, highest level", fixed), ("a profile", ranged)):
        compare(case, one.run(case.inputs), found, f"{what} against level 0")
    compare_with_peers(case, case.inputs, found)
    fits = len(peer_outputs(case, case.resized)) == len(PEERS)
    try:
        found = engine.run(case.resized)
    except ew.EnginewrightError:  # these sizes may not fit: a peer takes some of them
        if fits and not LENIENT & set().union(*map(operators_of, case.model.graph.node)):
            raise
        return
    if fits:
        compare(case, ranged.run(case.resized), found, "a profile, other sizes")
        compare_with_peers(case, case.resized, found)


def profile(case: RandomModel) -> ew.Profile:
    """From the first inputs to the resized ones."""
    shapes = {name: (array.shape, array.shape, case.resized[name].shape) for name, array in case.inputs.items()}
    return ew.Profile(shapes)


def compare_with_peers(case: RandomModel, inputs: Outputs, found: Outputs) -> None:
    """Every output agrees with each peer that runs the model, but for what `peer_cases.toml` lists."""
    for peer, outputs in peer_outputs(case, inputs).items():
        problem = first_difference(case, found, outputs)
        if problem and not excused(peer, culprits(case, inputs, PEERS[peer])):
            raise AssertionError(f"{peer}: {problem}")


def peer_outputs(case: RandomModel, inputs: Outputs) -> dict[str, Outputs]:
    """What each peer gives; one that can't run the model says nothing."""
    found = {name: run(case.model, inputs) for name, run in PEERS.items()}
    return {name: outputs for name, outputs in found.items() if outputs is not None}


def compare(case: RandomModel, found: Outputs, other: Outputs, what: str) -> None:
    """AssertionError names the first output that differs."""
    problem = first_difference(case, found, other)
    if problem:
        raise AssertionError(f"{what}: {problem}")


def first_difference(case: RandomModel, found: Outputs, other: Outputs) -> str:
    """The first output that differs and how; empty if all agree."""
    for name, array in found.items():
        problem = difference(array, other[name], case, exact=case.exact[name])
        if problem:
            return f'output "{name}": {problem}'
    return ""


def difference(a: Array, b: Array, case: RandomModel, *, exact: bool) -> str:
    """How two arrays differ; empty if they agree."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)}, not {b.dtype}{list(b.shape)}"
    if a.dtype.kind != "f" or exact:
        return "" if np.array_equal(a, b, equal_nan=a.dtype.kind == "f") else f"{a.tolist()}, not {b.tolist()}"
    x, y = a.astype(np.float64), b.astype(np.float64)
    tolerance = TOLERANCE[coarsest(case.model)]
    close = np.isclose(x, y, rtol=tolerance, atol=tolerance * case.scale, equal_nan=True)
    return "" if close.all() else f"{x[~close][:4]}, not {y[~close][:4]}"


def coarsest(model: onnx.ModelProto) -> str:
    """The floating-point type with the fewest bits that numbers go through in a model."""
    kinds = {info.type.tensor_type.elem_type for info in model.graph.input}
    kinds |= set(_casts(model.graph))
    for kind in (onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT16):
        if kind in kinds:
            return str(helper.tensor_dtype_to_np_dtype(kind))
    return "float32"


def _casts(graph: onnx.GraphProto) -> list[int]:
    """The types that casts give, in nested graphs too."""
    attributes = [item for node in graph.node for item in node.attribute]
    return [item.i for item in attributes if item.name == "to"] + [to for item in attributes for to in _casts(item.g)]


# ---- trying many -----------------------------------------------------------------------------------------------------


def run_many(count: int, start: int = 0) -> None:
    """Try this many random models; the first failure is shrunk and raised. A model that hangs ends the process."""

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
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            check(case)
        finally:
            faulthandler.cancel_dump_traceback_later()

    one()


def run_parts(count: int, start: int) -> int:
    """Try this many in parts; how many parts failed. What a part prints is printed if it fails."""
    failed = 0
    for first in range(0, count, PART):
        number = start + first // PART
        words = [sys.executable, "-X", "faulthandler", "-m", __spec__.name, str(min(PART, count - first)), str(number)]
        done = subprocess.run([*words, "--part"], capture_output=True, text=True, check=False)
        failed += done.returncode != 0
        print(f"seed {number}: {'failed' if done.returncode else 'passed'}", flush=True)
        if done.returncode:
            print(done.stdout, done.stderr, flush=True)
    return failed


def main() -> int:
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.random_models", description=__doc__.split("\n")[0]
    )
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--part", action="store_true", help="in this process, up to the first failure")
    arguments = parser.parse_args()
    if arguments.part:
        run_many(arguments.count, arguments.seed)
        return 0
    return int(run_parts(arguments.count, arguments.seed) > 0)


if __name__ == "__main__":
    sys.exit(main())
