"""Random models run as in ONNX Runtime or onnx's reference, with and without the optimizer, at free and fixed sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from tests.conformance import random_models
from tests.conformance.random_graphs import RandomModel
from tests.conformance.random_models import check, models, run_many
from tests.conformance.random_operators import OPERATORS

COUNT = 300
CHECKS = list(HealthCheck)


@settings(max_examples=COUNT, deadline=None, database=None, derandomize=True, suppress_health_check=CHECKS)
@given(models())
def test_random_models(case: RandomModel) -> None:
    check(case)


@pytest.mark.long
def test_ten_thousand_random_models() -> None:
    run_many(10_000)


def test_a_wrong_result_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the peers are made to give other numbers for one operator, the smallest model has little else."""
    original = random_models.peer_outputs

    def wrong(case: RandomModel, inputs: random_models.Outputs) -> list[random_models.Outputs]:
        shift = sum(node.op_type == "Transpose" for node in case.model.graph.node)
        return [{name: array + shift for name, array in found.items()} for found in original(case, inputs)]

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


def test_every_operator_is_drawn_and_fits_somewhere() -> None:
    """None is refused always: a generator that draws nothing finds nothing."""
    found: set[str] = set()

    @settings(max_examples=400, deadline=None, database=None, derandomize=True, suppress_health_check=CHECKS,
              phases=[Phase.generate])  # fmt: skip
    @given(models())
    def collect(case: RandomModel) -> None:
        found.update(node.op_type for node in case.model.graph.node)
        assert all(np.isfinite(array).all() for array in case.inputs.values())

    collect()
    assert len(OPERATORS) >= 35
    assert len(found) >= 60
    assert {"If", "Loop", "NonZero", "Conv", "MatMul", "Cast", "TopK", "QuantizeLinear"} <= found
