"""Sequences that are known while importing leave only tensors; the others are named as not supported."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import parser

import enginewright as ew
from enginewright.errors import ModelInvalid, UnsupportedModel

CONFIG = ew.BuilderConfig(level=1, timing_cache="")


def _model(text: str) -> onnx.ModelProto:
    return parser.parse_model(f'<ir_version: 10, opset_import: ["": 18]>\n{text}')


KNOWN = {
    "split": """g (float[6, 4] x) => (float[2, 4] a, float[2, 4] b) {
        parts = SplitToSequence<axis = 0>(x, two)
        a = SequenceAt(parts, zero)
        b = SequenceAt(parts, last) }""",
    "rest": """g (float[5, 4] x) => (float[1, 4] a, int64 n) {
        parts = SplitToSequence<axis = 0>(x, two)
        n = SequenceLength(parts)
        a = SequenceAt(parts, last) }""",
    "sizes": """g (float[N, 3] x) => (float[N, 2] a, float[N, 1] b) {
        sizes = Constant<value_ints = [1, 2]>()
        parts = SplitToSequence<axis = -1>(x, sizes)
        a = SequenceAt(parts, last)
        b = SequenceAt(parts, zero) }""",
    "single": """g (float[3, N] x) => (float[N] a) {
        parts = SplitToSequence<axis = 0, keepdims = 0>(x)
        a = SequenceAt(parts, two) }""",
    "single kept": """g (float[3, N] x) => (float[1, N] a) {
        parts = SplitToSequence<axis = 0>(x)
        a = SequenceAt(parts, two) }""",
    "stack": """g (float[N] x, float[N] y) => (float[2, N] a, float[N, 2] b, float[M] c) {
        parts = SequenceConstruct(x, y)
        a = ConcatFromSequence<axis = 0, new_axis = 1>(parts)
        b = ConcatFromSequence<axis = -1, new_axis = 1>(parts)
        c = ConcatFromSequence<axis = 0>(parts) }""",
    "list": """g (float[N] x, float[N] y, float[N] z) => (float[M] a, int64 n, int64 none) {
        empty = SequenceEmpty()
        none = SequenceLength(empty)
        one = SequenceInsert(empty, x)
        two_ = SequenceInsert(one, y, zero)
        three = SequenceInsert(two_, z)
        four = SequenceInsert(three, x, last)
        five = SequenceErase(four, zero)
        less = SequenceErase(five)
        n = SequenceLength(less)
        a = ConcatFromSequence<axis = 0>(less) }""",
}
CONSTANTS = """
        zero = Constant<value_int = 0>()
        two = Constant<value_int = 2>()
        last = Constant<value_int = -1>()"""


def _with_constants(text: str) -> onnx.ModelProto:
    head, brace, body = text.partition(") {")
    return _model(f"{head}{brace}{CONSTANTS}{body}")


@pytest.mark.parametrize("name", KNOWN)
def test_known_sequences(name: str) -> None:
    found = ew.verify(_with_constants(KNOWN[name]), against="onnxruntime", config=CONFIG)
    assert found.passed
    assert found.outputs


REFUSED = {
    "its position is computed": "g (float[4] x, int64 i) => (float[1] a) { s = SplitToSequence(x)\n"
    " a = SequenceAt(s, i) }",
    "sizes of its parts are computed": "g (float[4] x, int64[2] n) => (int64 a) { s = SplitToSequence(x, n)\n"
    " a = SequenceLength(s) }",
    "number of parts is not known": "g (float[N] x) => (int64 a) { s = SplitToSequence(x)\n a = SequenceLength(s) }",
    "sequence without tensors": "g () => (float[M] a) { s = SequenceEmpty()\n a = ConcatFromSequence<axis = 0>(s) }",
    "it reads a sequence": "g (float[4] x) => (int64 a) { s = SplitToSequence(x)\n t = Identity(s)\n"
    " a = SequenceLength(t) }",
    "which a graph reads": "g (float[4] x, bool c) => (int64 a) { s = SplitToSequence(x)\n"
    " a = If(c) <then_branch = t () => (int64 p) { p = SequenceLength(s) },"
    " else_branch = e () => (int64 q) { q = SequenceLength(s) }> }",
    "can't leave its graph": "g (float[4] x, bool c) => (int64 a) {"
    " s = If(c) <then_branch = t () => (seq(float[N]) p) { p = SplitToSequence(x) },"
    " else_branch = e () => (seq(float[N]) q) { q = SplitToSequence(x) }>\n a = SequenceLength(s) }",
    "an optional that holds nothing": "g () => (bool a) { o = Optional()\n a = OptionalHasElement(o) }",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_known_is_named(reason: str) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        ew.build(_model(REFUSED[reason]), CONFIG)
    assert any(reason in node.reason for node in caught.value.nodes)


def test_sizes_of_parts_keep_the_axis() -> None:
    """As ONNX says: keepdims is ignored if split is given."""
    text = """g (float[4, N] x) => (float[2, N] a) {
        parts = SplitToSequence<axis = 0, keepdims = 0>(x, two)
        a = SequenceAt(parts, last) }"""
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    with ew.load(ew.build(_with_constants(text), CONFIG)) as engine:
        assert (engine.run({"x": x})["a"] == x[2:]).all()


def test_a_sequence_at_the_outputs() -> None:
    with pytest.raises(UnsupportedModel, match="it is a sequence"):
        ew.build(_model("g (float[4] x) => (seq(float[N]) s) { s = SplitToSequence(x) }"), CONFIG)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("s = SplitToSequence(x)\n i = Constant<value_int = 4>()\n a = SequenceAt(s, i)", "position 4"),
        ("s = SplitToSequence(x)\n i = Constant<value_int = -5>()\n a = SequenceAt(s, i)", "position -5"),
        ("z = Constant<value_int = 0>()\n s = SplitToSequence(x, z)\n a = SequenceAt(s, z)", "parts of 0"),
        ("s = SplitToSequence(x)\n a = Relu(s)", "a sequence of float32, which is not allowed"),
        ("z = Constant<value_int = 0>()\n a = SequenceAt(x, z)", "is float32, which is not allowed"),
        ("e = SequenceEmpty()\n s = SequenceErase(e)\n a = ConcatFromSequence<axis = 0>(s)", "outside a sequence of 0"),
        (
            "e = SequenceEmpty<dtype = 7>()\n s = SequenceInsert(e, x)\n a = ConcatFromSequence<axis = 0>(s)",
            "puts float32 into a sequence of int64",
        ),
    ],
)
def test_wrong_models(wrong: str, said: str) -> None:
    with pytest.raises(ModelInvalid, match=said):
        ew.build(_model(f"g (float[4] x) => (float[1] a) {{ {wrong} }}"), CONFIG)


def test_optionals_that_hold_a_tensor() -> None:
    model = _model("g (float[2] x) => (float[2] a, bool b) { a = OptionalGetElement(x)\n b = OptionalHasElement(x) }")
    with ew.load(ew.build(model, CONFIG)) as engine:
        found = engine.run({"x": np.array([1, 2], np.float32)})
    assert found["a"].tolist() == [1, 2]
    assert found["b"]
