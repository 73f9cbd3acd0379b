"""Models that ONNX Runtime's optimizer has rewritten with its own operators give what the original models give."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest

import enginewright as ew
from tests.models import load_model
from tests.test_models import SMALL, compare

FUSED = {"FusedConv", "FusedMatMul", "QuickGelu"}


def optimize(source: Path, target: Path) -> None:
    """Let ONNX Runtime save a model after all optimizations that do not depend on this machine.

    It leaves inputs that had default values and are read no more: without these values they would have to be given.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.optimized_model_filepath = 4, str(target)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    model = onnx.load(target)
    read = {name for node in model.graph.node for name in node.input}
    kept = [info for info in model.graph.input if info.name in read]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    onnx.save(model, target)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every small model as ONNX Runtime saves it."""
    folder = tmp_path_factory.mktemp("optimized")
    for name in SMALL:
        optimize(load_model(name).path, folder / f"{name}.onnx")
    return {name: folder / f"{name}.onnx" for name in SMALL}


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_optimized_model(name: str, written: dict[str, Path]) -> None:
    model = load_model(name)
    plan = ew.build(written[name], ew.BuilderConfig(level=1, timing_cache=""))
    compare(model, ew.load(plan), model.inputs)


@pytest.mark.long
def test_its_own_operators_occur(written: dict[str, Path]) -> None:
    """Else the test above would show nothing."""
    nodes = [node for path in written.values() for node in onnx.load(path).graph.node]
    assert {node.op_type for node in nodes if node.domain == "com.microsoft"} >= FUSED
