"""Native code reads the records of a plan as Python does, word for word, and leaves whatever is odd to Python."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

import enginewright as ew
from enginewright._native import Records, read_records
from enginewright.plan.artifact import Kind, Section, encode_json, open_artifact
from enginewright.plan.canonical import decode_json
from enginewright.plan.graph_rules import check_head, check_meta, engine_ends
from enginewright.plan.meta import Meta, MetaHead
from enginewright.plan.plan import Plan
from enginewright.runtime.encoding import encode_programs
from tests.golden.plans import QUICK, golden

NAMES = ("mlp", "conv", "dynamic")


def net_with_quotes() -> ew.Network:
    """A size that varies, whose checks name layers in quotes, and real parameters."""
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 3, "H", "W"))
    y = net.conv(x, net.constant(np.ones((4, 3, 3, 3), np.float32)), net.constant(np.zeros(4, np.float32)))
    net.output("z", net.elu(net.add(y, net.constant(np.ones((4, 1, 1), np.float32))), alpha=0.3))
    return net


@pytest.fixture(scope="module")
def plans() -> list[bytes]:
    built = ew.build(net_with_quotes(), QUICK).to_bytes()
    return [built, *(golden(name) for name in NAMES)]


def parts(plan: bytes) -> tuple[bytes, npt.NDArray[np.uint8]]:
    artifact = open_artifact(plan, Kind.PLAN)
    return bytes(artifact.sections[Section.META]), artifact.weights


def read(text: bytes, weights: npt.NDArray[np.uint8]) -> Records | None:
    head = decode_json(text, MetaHead)
    check_head(head)
    return read_records(bytes(head.programs), bytes(head.weights), weights, engine_ends(head))


def test_the_words_are_those_of_python(plans: list[bytes]) -> None:
    found = 0
    for plan in plans:
        text, weights = parts(plan)
        meta, records = decode_json(text, Meta), read(text, weights)
        if records is None:
            assert meta.operators
            continue
        words, strings = encode_programs(meta)
        assert np.array_equal(records.words, words)
        assert records.strings == strings
        assert not records.uses_device
        found += 1
    assert found >= 2
    assert b'\\"' in parts(plans[0])[0]


def test_whatever_native_code_takes_python_takes(plans: list[bytes]) -> None:
    rng = random.Random(0)
    taken = 0
    for plan in plans:
        text, weights = parts(plan)
        for _ in range(3000):
            changed = damaged(text, rng)
            try:
                records = read(changed, weights)
            except ValueError:
                continue
            if records is None:
                continue
            taken += 1
            meta = decode_json(changed, Meta)  # raises where Python refuses what native code took
            check_meta(meta, weights)
            words, strings = encode_programs(meta)
            assert np.array_equal(records.words, words)
            assert records.strings == strings
    assert taken > 100


def damaged(text: bytes, rng: random.Random) -> bytes:
    """Some bytes of the JSON replaced, left out, or put in once more."""
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.choice((0, 1, 1, 1, 2, 9)))
    more = rng.choice((b"", b"0", b"1", b"-", b"7", b" ", b'"', b"\\", b"a", b"null", b",", text[start : end + 3]))
    return text[:start] + more + text[end:]


def test_every_cut_is_refused(plans: list[bytes]) -> None:
    text, weights = parts(plans[1])
    head = decode_json(text, MetaHead)
    programs, listed = bytes(head.programs), bytes(head.weights)
    ends = engine_ends(head)
    assert read_records(programs, listed, weights, ends) is not None
    for cut in range(len(programs)):
        assert read_records(programs[:cut], listed, weights, ends) is None
    for cut in range(len(listed)):
        assert read_records(programs, listed[:cut], weights, ends) is None
    assert read_records(programs, listed, weights[:-1], ends) is None


def test_a_gap_that_is_not_zero_is_refused(plans: list[bytes]) -> None:
    text, weights = parts(plans[0])
    meta = decode_json(text, Meta)
    gap = next(record.offset + record.length for record in meta.weights if record.length % 64)
    dirty = weights.copy()
    dirty[gap] = 1
    assert read(text, weights) is not None
    assert read(text, dirty) is None


def test_a_plan_that_native_code_read_has_its_records_for_whoever_asks(plans: list[bytes], tmp_path: Path) -> None:
    plan = Plan.load(plans[0])
    assert plan.records is not None
    assert "meta" not in plan.__dict__
    assert (plan.head.inputs, plan.head.threads) == (plan.meta.inputs, plan.meta.threads)
    assert encode_json(plan.meta) == parts(plans[0])[0]
    assert plan.to_bytes() == plans[0]
    given = {"x": np.ones((1, 3, 9, 9), np.float32)}
    with ew.Engine(plan) as engine, ew.Engine(Plan.load(plans[0])) as other:
        assert np.array_equal(engine.run(given)["z"], other.run(given)["z"])


def test_a_copy_of_a_loaded_plan_runs_what_its_records_say() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (4,))
    net.output("y", net.relu(x))
    loaded = Plan.load(ew.build(net, QUICK).to_bytes())
    assert loaded.records is not None
    named = msgspec.structs.replace(
        loaded.meta, outputs=[msgspec.structs.replace(loaded.meta.outputs[0], name="other")]
    )
    given = {"x": np.float32([-1, 2, -3, 4])}
    assert replace(loaded).head == loaded.meta
    assert ew.load(replace(loaded)).run(given)["y"].tolist() == [0, 2, 0, 4]
    assert ew.load(replace(loaded, meta=named)).run(given)["other"].tolist() == [0, 2, 0, 4]
