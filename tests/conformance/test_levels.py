"""Every operator gives equal results at optimization level 0 and at the highest one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.ops import sequences
from enginewright.ops.conv_chain import ConvChain
from enginewright.ops.pointwise import Fused
from enginewright.registry.registry import registry
from tests.conformance.onnx_nodes import load_cases, run_case
from tests.sdk.tactics.one_step import OneLayer, arrays_of, assert_close

HIGHEST = 5
QUICK = 3
RECURRENT = {"RNN", "GRU", "LSTM"}  # with large weights they are chaotic: every rounding grows from step to step
CONTROL = {"If": "if", "Loop": "loop11", "Scan": "scan9_sum"}
"""Operators whose fields hold networks, with a node test of onnx for each."""


SEQUENCE_MODELS = [f"simple/sequence_model{number}" for number in range(1, 9)]
"""Backend tests of onnx with operators on sequences, which have no examples."""


def operators() -> list[type[Any]]:
    """Every operator of the SDK by key, but those that hold networks or programs."""
    found = [registry.operators[key] for key in sorted(registry.operators) if key.namespace == "ew"]
    return [cls for cls in found if cls.KEY.name not in CONTROL and cls not in (Fused, ConvChain)]


def examples(first: int, last: int | None) -> Iterator[Any]:
    """Of each operator the examples in a range."""
    for cls in operators():
        for number, (op, inputs) in enumerate(itertools.islice(cls.examples(), first, last), first):
            yield pytest.param(op, inputs, id=f"{cls.KEY.name}-{number}")


def check(op: Any, inputs: list[Any]) -> None:
    """Build twice, run both on the same inputs, compare."""
    arrays = arrays_of(inputs, spread=0.3 if op.KEY.name in RECURRENT else 2)
    known = {index for index, item in enumerate(inputs) if isinstance(item, np.ndarray) or getattr(item, "value", None)}
    feeds = {f"x{index}": array for index, array in enumerate(arrays) if array is not None and index not in known}
    results = [run(OneLayer(op, arrays, known).network, level, feeds) for level in (0, HIGHEST)]
    for name, plain in results[0].items():
        assert_close(results[1][name], plain, name)


def run(model: Any, level: int, feeds: dict[str, Any]) -> dict[str, Any]:
    """The outputs of a model built at a level."""
    config = ew.BuilderConfig(level=level, timing_cache="", threads=1, recipe="none")
    with ew.load(ew.build(model, config)) as engine:
        return engine.run(feeds)


def test_every_operator_has_an_example() -> None:
    lacking = {cls for cls in operators() if not any(True for _ in cls.examples())}
    assert {cls.KEY.name for cls in lacking if cls.__module__ != sequences.__name__} == {"Refusal"}, "it has no result"


@pytest.mark.parametrize(("op", "inputs"), list(examples(0, QUICK)))
def test_levels_agree(op: Any, inputs: list[Any]) -> None:
    check(op, inputs)


@pytest.mark.long
@pytest.mark.parametrize(("op", "inputs"), list(examples(QUICK, None)))
def test_levels_agree_on_all_examples(op: Any, inputs: list[Any]) -> None:
    check(op, inputs)


@pytest.mark.parametrize("name", [*CONTROL.values(), *SEQUENCE_MODELS])
def test_the_highest_level_gives_what_onnx_says(name: str) -> None:
    """As level 0 does: that is what all backend tests are run at."""
    run_case(load_cases()[name], HIGHEST)
