"""What the backend tests say of each operator of ONNX: how many pass, and in which types, natively or in NumPy.

    python -m tests.conformance.operator_table

writes `operators.json`, from which the page of operators is made. Types are tried by building: of the first test that
is a single node of the operator, once for each type that ONNX allows its first input, with all inputs of that type.
"""

from __future__ import annotations

import collections
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx.defs
from onnx.backend.test.case.test_case import TestCase

import enginewright as ew
from enginewright.registry.registry import registry
from tests.conformance.onnx_nodes import is_native, load_cases, load_native, load_passes

TABLE = Path(__file__).parent / "operators.json"
TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}


@dataclass(frozen=True)
class Row:
    """One operator: its tests of single nodes, the types of its first input, and whether GPUs have kernels for it."""

    tests: int
    passed: int
    native: int
    cpu: tuple[str, ...]
    numpy: tuple[str, ...]
    cuda: bool


def single_nodes() -> dict[str, dict[str, TestCase]]:
    """Return the tests that are one node, by operator as "domain::OpType" and by name."""
    found: dict[str, dict[str, TestCase]] = collections.defaultdict(dict)
    for name, case in load_cases().items():
        if case.model is not None and len(case.model.graph.node) == 1:
            node = case.model.graph.node[0]
            found[f"{node.domain or 'ai.onnx'}::{node.op_type}"][name] = case
    return dict(found)


def row_of(cases: dict[str, TestCase]) -> Row:
    """Measure one operator by its tests."""
    passed, native = load_passes() & set(cases), load_native() & set(cases)
    tried = {dtype: plan for name in sorted(passed)[:1] for dtype, plan in tried_types(cases[name].model)}
    networks = [ew.parse(cases[name].model) for name in sorted(passed)[:1]]
    return Row(
        len(cases),
        len(passed),
        len(native),
        tuple(dtype for dtype, plan in tried.items() if is_native(plan)),
        tuple(dtype for dtype, plan in tried.items() if not is_native(plan)),
        bool(networks) and all(map(_on_gpus, networks)),
    )


def _on_gpus(network: ew.Network) -> bool:
    """Return whether each layer has a kernel for GPUs, or is a mere view."""
    return bool(network.layers) and all(
        hasattr(layer.op, "view") or any(item.device == "cuda" for item in registry.tactics_of(type(layer.op)))
        for layer in network.layers
    )


def tried_types(model: onnx.ModelProto) -> Iterator[tuple[str, ew.Plan]]:
    """Yield each type that the node's first input can have here, and the plan for it."""
    node = model.graph.node[0]
    version = next(item.version for item in model.opset_import if item.domain == node.domain)
    schema: Any = onnx.defs.get_schema(node.op_type, version, node.domain)
    group = schema.inputs[0].type_str if schema.inputs else ""
    allowed = {item.type_param_str: item.allowed_type_strs for item in schema.type_constraints}.get(group, [group])
    names = {TYPES.get(text, text.removeprefix("tensor(").removesuffix(")")) for text in allowed}
    for dtype in sorted(ew.DataType[name.upper()] for name in names if name.upper() in ew.DataType.__members__):
        plan = _plan(_retyped(model, schema, group, dtype))
        if plan is not None:
            yield str(dtype), plan


def _retyped(model: onnx.ModelProto, schema: Any, group: str, dtype: ew.DataType) -> onnx.ModelProto:
    """Return the model with another type for all inputs of a group; its outputs say nothing."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    formals = [schema.inputs[min(index, len(schema.inputs) - 1)] for index in range(len(made.graph.node[0].input))]
    names = {
        name
        for name, formal in zip(made.graph.node[0].input, formals, strict=True)
        if name and formal.type_str == group
    }
    for info in made.graph.input:
        if info.name in names and info.type.HasField("tensor_type"):
            info.type.tensor_type.elem_type = int(dtype)
    for info in made.graph.output:
        info.ClearField("type")
    return made


def _plan(model: onnx.ModelProto) -> ew.Plan | None:
    """Return the plan, None if the model can't be built."""
    try:
        return ew.build(model, ew.BuilderConfig(level=0, timing_cache=""))
    except ew.EnginewrightError:
        return None


def main() -> None:
    """Measure all operators and write the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = {name: asdict(row_of(cases)) for name, cases in sorted(single_nodes().items())}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    TABLE.write_text(f"{{\n{lines}\n}}\n")
    print(f"{len(rows)} operators, {sum(row['passed'] for row in rows.values())} tests of single nodes pass")


if __name__ == "__main__":
    main()
