"""Every tactic, on every instruction set of this machine, gives what its operator's reference gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from enginewright.ops.pointwise import Fused
from enginewright.registry.registry import registry
from tests.sdk.tactics.one_step import OneLayer, arrays_of, fused_examples, narrowed, operators_with_tactics

CONTROL = {"If", "Loop", "Scan"}  # their fields hold networks; tests of their own run them
RECURRENT = {"RNN", "GRU", "LSTM"}  # with large weights they are chaotic: every rounding grows from step to step


def examples() -> Iterator[Any]:
    """Each example of each operator that has a tactic."""
    for cls in operators_with_tactics():
        if cls.KEY.name not in CONTROL:
            for number, (op, inputs) in enumerate(cls.examples()):
                yield pytest.param(op, inputs, id=f"{cls.KEY.name}-{number}")


def given(inputs: list[Any]) -> set[int]:
    """The inputs whose contents matter to the shape rule: known when the plan is built."""
    return {index for index, item in enumerate(inputs) if isinstance(item, np.ndarray) or getattr(item, "value", None)}


@pytest.mark.parametrize(("op", "inputs"), list(examples()))
def test_tactics_agree_with_the_reference(op: Any, inputs: list[Any]) -> None:
    anchor = op.anchor if op.KEY.name == "Rounded" else op
    arrays = arrays_of(inputs, spread=0.3 if anchor.KEY.name in RECURRENT else 2)
    known = given(inputs)
    OneLayer(op, arrays, known).check()
    weights = {index for index, array in enumerate(arrays) if index > 0 and array is not None}
    if weights - known:
        OneLayer(op, arrays, weights | known).check()
    if op.KEY.name == "Rounded":
        OneLayer(narrowed(op), arrays, weights).check()


@pytest.mark.parametrize(("op", "inputs"), list(examples()))
def test_fused_programs_agree_with_the_reference(op: Any, inputs: list[Any]) -> None:
    arrays = arrays_of(inputs)
    layer = OneLayer(op, arrays, given(inputs) or {1})
    if not any(choice.launch.split is not None for choice in layer.candidates().choices):
        return
    if layer.expected()[0].dtype != np.float32:
        return
    for fused, more in fused_examples(op, inputs):
        constants = {index for index, array in enumerate(arrays) if index > 0 and array is not None}
        OneLayer(fused, arrays_of(more), constants).check()


def test_every_tactic_is_shown_by_an_example() -> None:
    shown: set[str] = set()
    for cls in operators_with_tactics():
        for op, inputs in cls.examples() if cls.KEY.name not in CONTROL else ():
            forms = [op, narrowed(op)] if cls.KEY.name == "Rounded" else [op]
            for form in [] if isinstance(op, Fused) else forms:
                for constants in (given(inputs), set(range(1, len(inputs)))):
                    layer = OneLayer(form, arrays_of(inputs), {i for i in constants if inputs[i] is not None})
                    shown |= {f"{cls.KEY.name} {re.split('[@#]', c.tactic)[0]}" for c in layer.candidates().choices}
    known = {f"{key.name} {t.name}" for key, tactics in registry.tactics.items() for t in tactics if t.device == "cpu"}
    assert sorted(name for name in known - shown if name.split()[0] not in CONTROL) == []
