"""Random models run as in ONNX Runtime and onnx's reference, optimized or not, at free and fixed sizes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from tests.conformance import random_models
from tests.conformance.random_control import OPERATORS
from tests.conformance.random_graphs import RandomModel, operators_of
from tests.conformance.random_models import check, models, run_parts
from tests.conformance.runtime_process import RuntimeProcess, Unavailable

COUNT = 300
CHECKS = list(HealthCheck)
TYPES = {"BFLOAT16", "FLOAT16", "DOUBLE", "INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "UINT64", "BOOL"}


@settings(max_examples=COUNT, deadline=None, database=None, derandomize=True, suppress_health_check=CHECKS)
@given(models())
def test_random_models(case: RandomModel) -> None:
    check(case)


@pytest.mark.long
def test_ten_thousand_random_models() -> None:
    assert run_parts(10_000, 0) == 0


def test_a_wrong_result_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the peers are made to give other numbers for one operator, the smallest model has little else."""
    original = random_models.peer_outputs

    def wrong(case: RandomModel, inputs: random_models.Outputs) -> dict[str, random_models.Outputs]:
        shift = sum(node.op_type == "Transpose" for node in case.model.graph.node)
        found = original(case, inputs)
        return {peer: {name: array + shift for name, array in outputs.items()} for peer, outputs in found.items()}

    monkeypatch.setattr(random_models, "peer_outputs", wrong)

    def fails(case: RandomModel) -> bool:
        if not any(node.op_type == "Transpose" for node in case.model.graph.node):
            return False
        try:
            check(case)
        except AssertionError:
            return True
        return False

    smallest = find(models(), fails, settings=settings(max_examples=400, deadline=None, database=None,
                    derandomize=True, suppress_health_check=CHECKS))  # fmt: skip
    assert len(smallest.model.graph.node) <= 2


def test_every_operator_and_type_is_drawn_and_fits_somewhere() -> None:
    """None is refused always: a generator that draws nothing finds nothing."""
    found: set[str] = set()
    types: set[str] = set()
    deepest = dynamic = empty = 0

    @settings(max_examples=500, deadline=None, database=None, derandomize=True, suppress_health_check=CHECKS,
              phases=[Phase.generate])  # fmt: skip
    @given(models())
    def collect(case: RandomModel) -> None:
        nonlocal deepest, dynamic, empty
        graph = case.model.graph
        found.update(*(operators_of(node) for node in graph.node))
        types.update(onnx.TensorProto.DataType.Name(info.type.tensor_type.elem_type) for info in graph.input)
        types.update(onnx.TensorProto.DataType.Name(item.i) for node in graph.node for item in node.attribute
                     if item.name == "to")  # fmt: skip
        deepest = max(deepest, *(depth_of(node) for node in graph.node))
        dynamic += any(size.dim_param for info in graph.input for size in info.type.tensor_type.shape.dim)
        empty += any(array.size == 0 for array in case.inputs.values())
        assert all(np.isfinite(array).all() for array in case.inputs.values())

    collect()
    assert len(OPERATORS) >= 45
    assert len(found) >= 100
    assert {"If", "Loop", "Scan", "NonZero", "Conv", "MatMul", "Attention", "TopK"} <= found
    assert found & {"LSTM", "GRU", "RNN"}
    assert types >= TYPES
    assert deepest == 2
    assert dynamic > 200
    assert empty > 20


def depth_of(node: onnx.NodeProto) -> int:
    """How deep graphs are nested in a node."""
    inner = [depth_of(each) for item in node.attribute for each in item.g.node]
    return 1 + max(inner) if inner else 0


def test_a_model_that_ends_onnx_runtime_ends_no_test() -> None:
    """It is started again, and says nothing of that model."""
    runtime = RuntimeProcess()
    one = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]> g (float[2] x) => (float[2] y) { y = Neg(x) }'
    )
    inputs = {"x": np.ones(2, np.float32)}
    with pytest.raises(Unavailable):
        runtime.run(b"no model", inputs)
    assert runtime.ended == 0
    runtime.kill()
    with pytest.raises(Unavailable, match="ended"):
        runtime.run(one.SerializeToString(), inputs)
    assert runtime.ended == 1
    np.testing.assert_array_equal(runtime.run(one.SerializeToString(), inputs)["y"], [-1, -1])
    runtime.kill()
