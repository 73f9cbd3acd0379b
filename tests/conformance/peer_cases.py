"""The listed models for which a peer breaks the text of ONNX, and the search for the operator behind a difference."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

import enginewright as ew
from tests.conformance.random_graphs import Array, RandomModel, free_names, operators_of

FILE = Path(__file__).parent / "peer_cases.toml"
Run = Callable[[onnx.ModelProto, dict[str, Array]], "dict[str, Array] | None"]


@dataclass(frozen=True)
class PeerCase:
    """One listed case; `sentence` is the text of ONNX that `peer` breaks, `expected` what it says of `inputs`."""

    name: str
    peer: str
    operator: str
    sentence: str
    model: str
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any]

    def proto(self) -> onnx.ModelProto:
        """The model."""
        return onnx.parser.parse_model(self.model)

    def arrays(self) -> dict[str, Array]:
        """The inputs in the types of the model."""
        infos = self.proto().graph.input
        kinds = {info.name: helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type) for info in infos}
        return {name: np.array(self.inputs[name]).astype(kind) for name, kind in kinds.items()}


@functools.cache
def load_peer_cases() -> tuple[PeerCase, ...]:
    """Every listed case."""
    return tuple(PeerCase(**item) for item in tomllib.loads(FILE.read_text())["case"])


def excused(peer: str, operators: set[str]) -> bool:
    """Whether a listed case says that this peer computes one of these operators otherwise than ONNX."""
    return any(case.peer == peer and case.operator in operators for case in load_peer_cases())


def culprits(case: RandomModel, inputs: dict[str, Array], run: Run) -> set[str]:
    """The operators of nodes whose results differ from ours though what they read does not.

    With those of nodes before them whose results are hidden: in types of which a peer gives no array. Empty if the peer
    can't run the longer model.
    """
    from tests.conformance.random_models import CONFIG

    model, shown = _with_all_outputs(case.model)
    ours = ew.load(ew.build(model, ew.BuilderConfig(level=0, **CONFIG))).run(inputs)
    theirs = run(model, inputs)
    found: set[str] = set()
    wrong: set[str] = set()
    hidden: dict[str, set[str]] = {}
    for node in model.graph.node if theirs is not None else ():
        inner = [name for item in node.attribute for name in free_names(item.g)]
        read = {*node.input, *inner}
        operators = operators_of(node).union(*(hidden.get(name, set()) for name in read))
        hidden.update({name: operators for name in node.output if name not in shown})
        if any(name in shown and not _alike(ours[name], theirs[name]) for name in node.output):
            found |= set() if read & wrong else operators
            wrong.update(node.output)
    return found


def _alike(a: Array, b: Array) -> bool:
    """Whether two results are the same but for rounding in their own type."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    allowed = 1e-2 if a.dtype == np.float16 else 1e-4
    return np.allclose(x, y, rtol=allowed, atol=allowed * float(np.abs(x).max(initial=0)), equal_nan=True)


def _with_all_outputs(model: onnx.ModelProto) -> tuple[onnx.ModelProto, set[str]]:
    """The model with the results of its nodes as outputs, but for types that are no NumPy types."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=False)
    infos = {info.name: info for info in (*inferred.graph.value_info, *inferred.graph.output)}
    more = onnx.ModelProto()
    more.CopyFrom(model)
    del more.graph.output[:]
    for node in model.graph.node:
        for name in node.output:
            kind = infos[name].type.tensor_type.elem_type if name in infos else 0
            if name and kind and helper.tensor_dtype_to_np_dtype(kind).kind != "V":
                more.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    return more, {info.name for info in more.graph.output}
