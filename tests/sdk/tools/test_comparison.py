"""verify: the same numbers, other numbers, rounding, layers, plans, and what it can't compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright.tools import divergence
from enginewright.tools.comparison import default_rtol
from enginewright.tools.inputs import Arrays
from enginewright.tools.peers import OnnxRuntime
from tests.sdk.tools.small_models import chain, faint, lookup, save


@pytest.mark.parametrize("against", ["onnxruntime", "reference"])
def test_same_numbers(against: str) -> None:
    found = ew.verify(chain(), against=against, cases=3)
    assert found.passed
    assert found.error < 1e-6
    assert found.cases == 3
    assert [(output.name, output.shape) for output in found.outputs] == [("y", (1, 3))]
    assert found.outputs[0].same_argmax == 1.0
    assert found.inputs == {"x": "float32 [1, 8]"}


def test_given_inputs_and_shapes() -> None:
    assert ew.verify(chain(), inputs={"x": np.ones((5, 8), np.float32)}).outputs[0].shape == (5, 3)
    assert ew.verify(chain(), shapes={"x": (4, 8)}).outputs[0].shape == (4, 3)
    assert ew.verify(lookup(), shapes={"ids": (1, 9)}).passed


def test_other_numbers_fail(tmp_path: Path) -> None:
    ew.build(chain()).save(tmp_path / "right.plan")
    found = ew.verify(chain(scale=1.5), against=str(tmp_path / "right.plan"))
    assert not found.passed
    assert found.outputs[0].error > 1e-3
    assert ew.verify(chain(scale=1.5), against=str(save(chain(), tmp_path))).passed is False


def test_a_plan_against_a_model(tmp_path: Path) -> None:
    plan = ew.build(chain())
    assert ew.verify(plan, against=str(save(chain(), tmp_path))).passed
    with pytest.raises(ew.UsageError, match="needs the ONNX model"):
        ew.verify(plan)
    with pytest.raises(ew.UsageError, match="holds no references"):
        ew.verify(plan, against="reference")


def test_rounding_of_the_peer_is_judged_by_the_references() -> None:
    found = ew.verify(faint())
    assert found.outputs[0].error > found.rtol  # ONNX Runtime's Sigmoid
    assert found.passed
    assert "onnxruntime rounds" in found.outputs[0].note


def test_references_do_not_excuse_a_large_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = OnnxRuntime.outputs
    monkeypatch.setattr(
        OnnxRuntime, "outputs", lambda self: {k: v + np.float32(2e-6) for k, v in outputs(self).items()}
    )
    assert not ew.verify(faint()).passed


def test_layers_where_nothing_differs() -> None:
    found = ew.verify(chain(), layers=True).divergence
    assert found is not None
    assert found.first is None
    assert [item.tensor for item in found.tensors] == ["a", "b", "c", "y"]
    assert all(item.comparison.passed for item in found.tensors)


def test_layers_name_the_first_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = OnnxRuntime.outputs
    wrong = {"b", "c", "y"}
    monkeypatch.setattr(
        OnnxRuntime,
        "outputs",
        lambda self: {name: array * (1.01 if name in wrong else 1) for name, array in outputs(self).items()},
    )
    found = ew.verify(chain(), layers=True)
    assert not found.passed
    assert found.divergence is not None
    assert found.divergence.first is not None
    assert (found.divergence.first.tensor, found.divergence.first.node) == ("b", "middle (Relu)")


def test_layers_find_a_fault_inside_a_fused_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """From `b` on tensors are wrong, but only as long as not all of them are outputs."""
    ours = divergence.Search.ours

    def fused(self: divergence.Search, names: list[str]) -> Arrays:
        found = ours(self, names)
        return found if len(names) > 1 or names == ["a"] else {name: array * 1.01 for name, array in found.items()}

    monkeypatch.setattr(divergence.Search, "ours", fused)
    search = divergence.Search(chain(), {"x": np.ones((1, 8), np.float32)}, lambda model: OnnxRuntime(model, 1), 1e-4)
    found = divergence.find_divergence(search, failed=True)
    assert found.fused
    assert found.first is not None
    assert found.first.tensor == "b"
    assert divergence.find_divergence(search, failed=False).first is None


def test_layers_need_a_runtime(tmp_path: Path) -> None:
    ew.build(chain()).save(tmp_path / "right.plan")
    with pytest.raises(ew.UsageError, match="layer by layer"):
        ew.verify(chain(), against=str(tmp_path / "right.plan"), layers=True)


def test_tolerance_of_quantized_models() -> None:
    assert default_rtol(ew.parse(chain())) == 1e-4
    net = ew.Network()
    x = net.input("x", ew.float32, (4,))
    scale, zero = net.constant(np.array(0.1, np.float32)), net.constant(np.array(0, np.int8))
    net.output("y", net.dequantize_linear(net.quantize_linear(x, scale, zero), scale, zero))
    assert default_rtol(net) == 2e-2
    assert default_rtol(None) == 1e-4
