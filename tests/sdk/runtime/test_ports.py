"""Sequences and optionals at the inputs and outputs of an engine: lists of arrays, None, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

import enginewright as ew
from enginewright.errors import DataTypeError, InputError, UsageError
from enginewright.plan.graph_rules import check_meta
from enginewright.plan.meta import Items, Meta, Port

CONFIG = ew.BuilderConfig(level=1, timing_cache="")
HEAD = '<ir_version: 10, opset_import: ["": 21]>\n'
PAIRS = """g (seq(float[N, 2]) s, float[2] x) => (seq(float[N, 2]) same, int64 n, float[2] y) {
    same = Identity(s)
    n = SequenceLength(s)
    y = Relu(x) }"""
X = np.array([1, -1], np.float32)
ONE, TWO = np.ones((1, 2), np.float32), np.zeros((3, 2), np.float32)


def _build(text: str, config: ew.BuilderConfig = CONFIG) -> ew.Plan:
    model = parser.parse_model(HEAD + text)
    onnx.checker.check_model(model)
    return ew.build(model, config)


def test_a_list_goes_in_and_comes_out() -> None:
    with ew.load(_build(PAIRS).to_bytes()) as engine:
        assert str(engine.inputs[0]) == "sequence of float32[?, 2]"
        for items in ([ONE, TWO], (TWO,), []):
            found = engine.run({"s": items, "x": X})
            assert isinstance(found["same"], list)
            assert all((a == b).all() for a, b in zip(found["same"], items, strict=True))
            assert found["n"] == len(items)


def test_what_comes_out_is_a_copy() -> None:
    with ew.load(_build(PAIRS)) as engine:
        given = ONE.copy()
        engine.run({"s": [given], "x": X})["same"][0][:] = 7
        assert (given == 1).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (ONE, "is ndarray"),
        (None, "is NoneType"),
        ([ONE, X], r"holds float32\[2\]"),
        ([ONE.astype(np.float64)], r"holds float64\[1, 2\]"),
        ([np.ones((1, 3), np.float32)], r"holds float32\[1, 3\]"),
        ([[ONE]], r"holds float32\[1, 1, 2\]"),
        (["text"], "holds string"),
        ([[[1.0, 2.0], [3.0]]], "is list, no array"),
    ],
)
def test_what_is_no_such_sequence(given: Any, said: str) -> None:
    with ew.load(_build(PAIRS)) as engine, pytest.raises(InputError, match=said) as caught:
        engine.run({"s": given, "x": X})
    assert caught.value.allowed == "sequence of float32[?, 2]"


def test_bound_lists() -> None:
    engine = ew.load(_build(PAIRS))
    context = engine.create_context()
    y = np.empty(2, np.float32)
    context.bind_input("s", [ONE, TWO])
    context.bind_input("x", X)
    context.bind_output("y", y)
    context.run()
    assert len(context.output("same")) == 2
    context.bind_input("s", [])
    context.run()
    assert context.output("same") == []
    assert y.tolist() == [1, 0]
    with pytest.raises(UsageError, match="no array holds it"):
        context.bind_output("same", y)


def test_profiles_say_nothing_of_sequences() -> None:
    text = PAIRS.replace("float[2]", "float[K]")
    plan = _build(text, ew.BuilderConfig(level=1, timing_cache="", profiles=[ew.Profile({"x": ((1,), (2,), (3,))})]))
    with ew.load(plan.to_bytes()) as engine:
        assert engine.run({"s": [ONE], "x": X})["n"] == 1
        with pytest.raises(InputError, match="outside every profile"):
            engine.run({"s": [ONE], "x": np.ones(4, np.float32)})


def test_an_optional_sequence_of_texts() -> None:
    text = """g (optional(seq(string[N])) o) => (optional(seq(string[N])) p, bool b) {
        p = Identity(o)
        b = OptionalHasElement(o) }"""
    with ew.load(_build(text).to_bytes()) as engine:
        found = engine.run({"o": [np.array(["a", "b"]), np.array([], object)]})
        assert [item.tolist() for item in found["p"]] == [["a", "b"], []]
        assert found["b"]
        found = engine.run({"o": None})
        assert found["p"] is None
        assert not found["b"]


def test_tools_compare_arrays_only() -> None:
    with pytest.raises(UsageError, match=r'"s" is sequence of float32\[\?, 2\]; only arrays are compared'):
        ew.verify(parser.parse_model(HEAD + PAIRS), against="reference", config=CONFIG)


def test_tensor_operators_refuse_sequences() -> None:
    net = ew.Network()
    parts = ew.parse(parser.parse_model(HEAD + PAIRS)).inputs[0].spec
    s = net.input("s", ew.float32, ())
    s.spec = parts
    with pytest.raises(DataTypeError, match="only the operators for sequences can"):
        net.relu(s)


BAD = [
    Items(-1, [], Items(-1, [], Items(-1, [], Items(1, [])))),
    Items(-1, [], None),
    Items(99, []),
    Items(1, [-5]),
    Items(1, [], Items(1, [])),
    None,
]


@pytest.mark.parametrize("items", BAD)
def test_records_of_items_that_are_not_sound(items: Items | None) -> None:
    meta = Meta(1, [Port("s", -1, [], items)], [], [], [], [])
    with pytest.raises(ValueError, match='input "s" says nothing sound of what it holds'):
        check_meta(meta, np.zeros(0, np.uint8))


def test_lists_of_different_lengths() -> None:
    with ew.load(_build("g (float[2, 2] x) => (float[2, 2] y) { y = Relu(x) }")) as engine:
        with pytest.raises(InputError, match=r'"x" is list, no array: .*inhomogeneous') as caught:
            engine.run({"x": [[1.0, 2.0], [3.0]]})
        assert caught.value.allowed == "2 x 2   float32"
