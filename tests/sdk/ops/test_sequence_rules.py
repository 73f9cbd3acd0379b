"""Sequences that are known while importing leave only tensors; the others are Python objects at run time."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

import enginewright as ew
from enginewright.errors import ModelInvalid, RunError, UnsupportedModel

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


def test_known_sequences_leave_only_tensors() -> None:
    steps = ew.build(_with_constants(KNOWN["list"]), CONFIG).meta.programs[0].steps
    assert not [step for step in steps if step.operator is not None]


def _run(text: str, **inputs: Any) -> dict[str, Any]:
    with ew.load(ew.build(_model(text), CONFIG)) as engine:
        return engine.run(inputs)


X = np.arange(4, dtype=np.float32)


def test_a_computed_position() -> None:
    text = "g (float[4] x, int64 i) => (float[1] a) { s = SplitToSequence(x)\n a = SequenceAt(s, i) }"
    assert _run(text, x=X, i=np.array(-1))["a"].tolist() == [3]
    with pytest.raises(RunError, match="position 4 is outside a sequence of 4"):
        _run(text, x=X, i=np.array(4))


def test_insert_and_erase_at_computed_positions() -> None:
    text = """g (float[4] x, int64 i) => (float[M] a, int64 n) {
        s = SplitToSequence(x)
        one = Constant<value = float[1] {9}>()
        t = SequenceInsert(s, one, i)
        u = SequenceErase(t, i)
        v = SequenceErase(u)
        w = SequenceInsert(v, one)
        n = SequenceLength(w)
        both = ConcatFromSequence<axis = 0>(t)
        rest = ConcatFromSequence<axis = 0>(w)
        a = Concat<axis = 0>(both, rest) }"""
    found = _run(text, x=X, i=np.array(1))
    assert found["a"].tolist() == [0, 9, 1, 2, 3, 0, 1, 2, 9]
    assert found["n"] == 4


@pytest.mark.parametrize(("sizes", "expected"), [([1, 3], [[0], [1, 2, 3]]), ([4, 0], [[0, 1, 2, 3], []])])
def test_parts_of_computed_sizes(sizes: list[int], expected: list[list[int]]) -> None:
    text = "g (float[N] x, int64[2] n) => (seq(float[M]) s) { s = SplitToSequence(x, n) }"
    found = _run(text, x=X, n=np.array(sizes))["s"]
    assert [item.tolist() for item in found] == expected


def test_parts_that_do_not_fit() -> None:
    text = "g (float[N] x, int64 n) => (seq(float[M]) s) { s = SplitToSequence(x, n) }"
    assert [len(item) for item in _run(text, x=X, n=np.array(3))["s"]] == [3, 1]
    with pytest.raises(RunError, match="parts of 0"):
        _run(text, x=X, n=np.array(0))
    text = text.replace("int64 n", "int64[2] n")
    with pytest.raises(RunError, match="do not make an axis of 4"):
        _run(text, x=X, n=np.array([1, 2]))


@pytest.mark.parametrize(("keepdims", "shape"), [(0, ()), (1, (1,))])
def test_each_index_of_an_axis_of_open_size(keepdims: int, shape: tuple[int, ...]) -> None:
    text = """g (float[N] x) => (seq(float) s, int64 n) {
        s = SplitToSequence<keepdims = KEEP>(x)
        n = SequenceLength(s) }"""
    found = _run(text.replace("KEEP", str(keepdims)), x=X)
    assert [(item.shape, item.item()) for item in found["s"]] == [(shape, index) for index in range(4)]
    assert found["n"] == 4


def test_join_of_what_a_caller_gives() -> None:
    text = """g (seq(float[N, 2]) s) => (float[M, 2] a, float[K, N, 2] b) {
        a = ConcatFromSequence<axis = 0>(s)
        b = ConcatFromSequence<axis = 0, new_axis = 1>(s) }"""
    items = [np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)]
    found = _run(text, s=items)
    assert found["a"].tolist() == [[1, 1], [0, 0]]
    assert found["b"].shape == (2, 1, 2)
    with pytest.raises(RunError, match="a sequence without tensors"):
        _run(text, s=[])
    with pytest.raises(RunError, match="cannot join"):
        _run(text, s=[items[0], np.zeros((2, 2), np.float32)])


def test_a_sequence_read_in_a_branch() -> None:
    text = """g (float[4] x, bool c) => (int64 a) { s = SplitToSequence(x)
        a = If(c) <then_branch = t () => (int64 p) { p = SequenceLength(s) },
                   else_branch = e () => (int64 q) { y = SequenceErase(s)
                                                     q = SequenceLength(y) }> }"""
    assert _run(text, x=X, c=np.array(True))["a"] == 4
    assert _run(text, x=X, c=np.array(False))["a"] == 3


def test_a_sequence_that_branches_give() -> None:
    text = """g (float[4] x, bool c) => (float[N] a) {
        s = If(c) <then_branch = t () => (seq(float[N]) p) { p = SplitToSequence(x) },
                   else_branch = e () => (seq(float[N]) q) { q = SequenceConstruct(x, x) }>
        a = ConcatFromSequence<axis = 0>(s) }"""
    assert _run(text, x=X, c=np.array(True))["a"].tolist() == X.tolist()
    assert _run(text, x=X, c=np.array(False))["a"].tolist() == [*X, *X]


LIST = """g (int64 n, float[2] x) => (float[M, 2] a, seq(float[2]) s) {
    empty = SequenceEmpty()
    s = Loop(n, , empty) <body = b (int64 i, bool c, seq(float[2]) t) => (bool d, seq(float[2]) u) {
        d = Identity(c)
        f = Cast<to = 1>(i)
        y = Mul(x, f)
        u = SequenceInsert(t, y) }>
    a = ConcatFromSequence<axis = 0, new_axis = 1>(s) }"""


@pytest.mark.parametrize("level", [0, 3])
def test_a_list_that_a_loop_fills(level: int) -> None:
    plan = ew.build(_model(LIST), ew.BuilderConfig(level=level, timing_cache=""))
    with ew.load(plan.to_bytes()) as engine:
        for count in (3, 1, 4):
            found = engine.run({"n": np.array(count), "x": np.array([1, 2], np.float32)})
            expected = [[i, 2 * i] for i in range(count)]
            assert found["a"].tolist() == expected
            assert [item.tolist() for item in found["s"]] == expected


def test_optionals() -> None:
    text = """g (optional(float[N]) o) => (bool has, optional(float[N]) same, float[M] y) {
        has = OptionalHasElement(o)
        same = Identity(o)
        y = If(has) <then_branch = t () => (float[N] p) { p = OptionalGetElement(o) },
                     else_branch = e () => (float[1] q) { q = Constant<value = float[1] {7}>() }> }"""
    found = _run(text, o=X)
    assert found["has"]
    assert found["same"].tolist() == found["y"].tolist() == X.tolist()
    found = _run(text, o=None)
    assert not found["has"]
    assert found["same"] is None
    assert found["y"].tolist() == [7]


def test_an_optional_that_holds_nothing() -> None:
    proto = _model("g () => (bool a) { o = Optional()\n a = OptionalHasElement(o) }")
    kind = onnx.helper.make_sequence_type_proto(onnx.helper.make_tensor_type_proto(1, [2]))
    proto.graph.node[0].attribute.append(onnx.helper.make_attribute("type", kind))
    with ew.load(ew.build(proto, CONFIG)) as engine:
        assert not engine.run({})["a"]


REFUSED = {
    "g (seq(float) s, int64 i) => (float[N] a) { t = SequenceInsert(s, s0)\n a = SequenceAt(t, i) }": "numbers of axes",
    "g (seq(float) s, int64 i) => (float[N] a) { t = SequenceInsert(s, s0)\n"
    " a = ConcatFromSequence<axis = 0>(t) }": "numbers of axes",
}


@pytest.mark.parametrize("text", REFUSED)
def test_items_of_unknown_rank(text: str) -> None:
    model = _model(text.replace("s0", "i0").replace("{ t", "{ i0 = Constant<value = float[1] {1}>()\n t"))
    with pytest.raises(UnsupportedModel) as caught:
        ew.build(model, CONFIG)
    assert any(REFUSED[text] in node.reason for node in caught.value.nodes)


def test_sizes_of_parts_keep_the_axis() -> None:
    """As ONNX says: keepdims is ignored if split is given."""
    text = """g (float[4, N] x) => (float[2, N] a) {
        parts = SplitToSequence<axis = 0, keepdims = 0>(x, two)
        a = SequenceAt(parts, last) }"""
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    with ew.load(ew.build(_with_constants(text), CONFIG)) as engine:
        assert (engine.run({"x": x})["a"] == x[2:]).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("s = SplitToSequence(x)\n i = Constant<value_int = 4>()\n a = SequenceAt(s, i)", "position 4"),
        ("s = SplitToSequence(x)\n i = Constant<value_int = -5>()\n a = SequenceAt(s, i)", "position -5"),
        ("z = Constant<value_int = 0>()\n s = SplitToSequence(x, z)\n a = SequenceAt(s, z)", "parts of 0"),
        ("s = SplitToSequence(x)\n a = Relu(s)", "a sequence of float32\\[1\\], which is not allowed"),
        ("z = Constant<value_int = 0>()\n a = SequenceAt(x, z)", "is float32, which is not allowed"),
        ("e = SequenceEmpty()\n s = SequenceErase(e)\n a = ConcatFromSequence<axis = 0>(s)", "outside a sequence of 0"),
        (
            "e = SequenceEmpty<dtype = 7>()\n s = SequenceInsert(e, x)\n a = ConcatFromSequence<axis = 0>(s)",
            "a sequence of int64 takes no float32",
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
