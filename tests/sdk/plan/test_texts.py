"""Texts in plans: their bytes, and plans that treat an object as if it were memory."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import PlanInvalid
from enginewright.plan.meta import Meta, Program
from enginewright.plan.texts import decode_texts, encode_texts
from enginewright.runtime.session import LoadedPlan


def _plan() -> ew.Plan:
    net = ew.Network("texts")
    x = net.input("x", ew.string, (1,))
    net.output("y", net.string_concat(x, net.constant(np.array(["b"], object))))
    return ew.build(net, ew.BuilderConfig(level=1, timing_cache=""))


def _with_program(meta: Meta, **changes: Any) -> Meta:
    program: Program = msgspec.structs.replace(meta.programs[0], **changes)
    return msgspec.structs.replace(meta, programs=[program])


@pytest.mark.parametrize("shape", [(2, 2), (4,), (4, 1, 1)])
def test_bytes_and_back(shape: tuple[int, ...]) -> None:
    array = np.array(["", "a", "ü", "\U0001f600 \0"], object).reshape(shape)
    assert (decode_texts(encode_texts(array), shape) == array).all()
    assert decode_texts(encode_texts(np.array("one", object)), ()).item() == "one"
    assert decode_texts(encode_texts(np.empty((0, 3), object)), (0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("place", "wrong"), [(0, -1), (0, 0), (0, 25), (1, 23), (1, 28), (1, 1 << 60), (2, 0), (2, 26), (2, 28)]
)
def test_offsets_out_of_order(place: int, wrong: int) -> None:
    memory = encode_texts(np.array(["a", "bb"], object)).copy()
    offsets = memory[:24].view("<i8")
    offsets[place] = wrong
    with pytest.raises(ValueError, match="offsets"):
        decode_texts(memory, (2,))


def test_texts_that_are_cut_short() -> None:
    memory = encode_texts(np.array(["a", "bb"], object))
    for wrong in (memory[:-1], memory[:20], memory[:0]):
        with pytest.raises(ValueError, match="texts"):
            decode_texts(wrong, (2,))
    with pytest.raises(ValueError, match="hold no"):
        decode_texts(memory, (-1,))


def test_a_plan_with_damaged_texts() -> None:
    plan = _plan()
    weights = plan.weights.copy()
    weights[0] = 99
    with pytest.raises(PlanInvalid, match="TextConstant"):
        LoadedPlan(plan.meta, weights)


def test_native_kernels_get_no_objects() -> None:
    plan = _plan()
    steps = list(plan.meta.programs[0].steps)
    copy = msgspec.structs.replace(steps[-1], kernel="cpu_copy@portable", operator=None, params=[])
    with pytest.raises(PlanInvalid, match="gives an object to a native kernel"):
        LoadedPlan(_with_program(plan.meta, steps=[*steps[:-1], copy]), plan.weights)


def test_objects_are_written_before_they_are_read() -> None:
    plan = _plan()
    program = plan.meta.programs[0]
    segments = [msgspec.structs.replace(program.segments[0], steps=len(program.steps) - 1)]
    meta = _with_program(plan.meta, steps=program.steps[1:], segments=segments)
    with pytest.raises(PlanInvalid, match="no earlier step wrote"):
        LoadedPlan(meta, plan.weights)


def test_memory_is_no_object() -> None:
    plan = _plan()
    storages = [msgspec.structs.replace(storage, kind="grown") for storage in plan.meta.programs[0].storages]
    with pytest.raises(PlanInvalid):
        LoadedPlan(_with_program(plan.meta, storages=storages), plan.weights)
