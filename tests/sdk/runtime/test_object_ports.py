"""Texts at the inputs and outputs of an engine: shapes, views, control flow, bound arrays, files, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

import enginewright as ew
from enginewright.errors import InputError, ShapeError, UnsupportedModel, UsageError

Array = np.ndarray[Any, Any]
LEVELS = (0, 1, 3)
HEAD = '<ir_version: 10, opset_import: ["": 21]>\n'


def _texts(*items: str) -> Array:
    return np.array(items, object)


def _build(source: Any, level: int = 1) -> ew.Plan:
    return ew.build(source, ew.BuilderConfig(level=level, timing_cache=""))


def _model(text: str) -> onnx.ModelProto:
    model = parser.parse_model(HEAD + text)
    onnx.checker.check_model(model)
    return model


def _greeting() -> ew.Network:
    net = ew.Network("greeting")
    name = net.input("name", ew.string, ("N",))
    net.output("text", net.string_concat(net.constant(_texts("hello ")), name))
    net.output("size", net.shape(name))
    return net


def _shapes() -> ew.Network:
    """All that moves texts, and sizes that only their contents tell."""
    net = ew.Network("shapes")
    x, index = net.input("x", ew.string, ("N", 3)), net.input("index", ew.int64, ("K",))
    parts, counts = net.string_split(x, delimiter="-")
    flat = net.reshape(x, net.constant(np.array([-1])))
    row = net.constant(np.array(["a", "ö", ""]).reshape(1, 3))
    found = {
        "parts": parts,
        "counts": counts,
        "sizes": net.shape(parts),
        "words": net.reshape(parts, net.constant(np.array([-1]))),
        "columns": net.gather(x, index, axis=1),
        "across": net.transpose(x),
        "below": net.concat(x, row, x, axis=0),
        "same": x,
        "row": row,
        "is": net.equal(x, row),
        "where": net.where(net.equal(x, row), x, net.constant(np.array("no", object))),
        "one": net.gather(flat, net.constant(np.array(0))),
        "first": net.slice(x, net.constant(np.array([0])), net.constant(np.array([1])), net.constant(np.array([1]))),
        "twice": net.tile(x, net.constant(np.array([2, 1]))),
    }
    for name, tensor in found.items():
        net.output(name, tensor)
    return net


@pytest.mark.parametrize("level", LEVELS)
def test_results_are_those_of_the_references(level: int) -> None:
    network = _shapes()
    with ew.load(_build(network, level).to_bytes()) as engine:
        for items in (["a-b-c", "b", "ü-x"], ["a", "ö", "", *"defghi"], ["", "", ""]):
            inputs = {"x": _texts(*items).reshape(-1, 3), "index": np.array([2, 0])}
            wanted = network.evaluate(inputs)
            found = engine.run(inputs)
            for name, array in wanted.items():
                assert found[name].dtype == array.dtype, name
                assert found[name].shape == array.shape, name
                assert (found[name] == array).all(), name


def test_a_file_keeps_constant_texts(tmp_path: Path) -> None:
    path = tmp_path / "greeting.plan"
    _build(_greeting()).save(path)
    for source in (path, path.read_bytes()):
        with ew.load(source) as engine:
            assert engine.run({"name": _texts("you", "")})["text"].tolist() == ["hello you", "hello "]


def test_bytes_that_are_no_utf8_come_back() -> None:
    net = ew.Network("odd")
    odd = b"\xff\xfe".decode(errors="surrogateescape")
    net.output("y", net.string_concat(net.input("x", ew.string, (1,)), net.constant(_texts(odd))))
    with ew.load(_build(net).to_bytes()) as engine:
        assert engine.run({"x": _texts("")})["y"].tolist() == [odd]


@pytest.mark.parametrize("kind", ["U3", np.dtypes.StringDType()])
def test_texts_of_numpy_are_converted(kind: Any) -> None:
    with ew.load(_build(_greeting())) as engine:
        found = engine.run({"name": np.array(["you"], kind)})["text"]
    assert found.dtype == object
    assert found.tolist() == ["hello you"]


def test_bound_arrays_are_read_and_written_at_each_run() -> None:
    with ew.load(_build(_greeting())) as engine:
        context = engine.create_context()
        name, text = _texts("a", "b"), np.empty(2, object)
        context.bind_input("name", name)
        context.bind_output("text", text)
        with pytest.raises(UsageError):
            context.output("text")
        context.run()
        assert text.tolist() == ["hello a", "hello b"]
        name[1] = "c"
        context.run()
        assert text.tolist() == ["hello a", "hello c"]
        assert context.output_shape("text") == (2,)
        context.bind_output("text", None)
        context.bind_input("name", _texts("d"))
        context.run()
        assert context.output("text").tolist() == ["hello d"]
        assert context.output("size").tolist() == [1]
        context.bind_output("text", text)
        with pytest.raises(UsageError, match=r"shape \(1,\)"):
            context.run()


def test_results_are_the_callers_own() -> None:
    net = ew.Network("same")
    net.output("y", net.input("x", ew.string, ("N",)))
    with ew.load(_build(net)) as engine:
        given = _texts("a")
        found = engine.run({"x": given})["y"]
        found[0] = "changed"
        assert given.tolist() == ["a"]
        assert engine.run({"x": given})["y"].tolist() == ["a"]


def test_wrong_inputs_are_named() -> None:
    with ew.load(_build(_greeting())) as engine:
        for wrong, said in (
            (np.zeros(2), "data type"),
            (np.array([1, 2], object), "other things than texts"),
            (np.array([b"a"], object), "other things than texts"),
            (np.array([b"a"]), "data type"),
            (_texts("a").reshape(1, 1), "rank"),
        ):
            with pytest.raises(InputError, match=said) as caught:
                engine.run({"name": wrong})
            assert caught.value.tensor == "name"
    net = ew.Network("two")
    net.output("y", net.string_concat(net.input("a", ew.string, ("N",)), net.input("b", ew.string, ("M",))))
    with ew.load(_build(net)) as engine, pytest.raises(ShapeError):
        engine.run({"a": _texts("a", "b"), "b": _texts("a", "b", "c")})


IF = """g (bool c, string[N] a, string[N] b) => (string[N] p, string[N] q, string[1] r) {
  p, q, r = If(c) <
    then_branch = t () => (string[N] p1, string[N] q1, string[1] r1) {
      p1 = Identity(a)
      q1 = StringConcat(a, b)
      r1 = Constant<value_strings = ["yes"]>()
    },
    else_branch = e () => (string[N] p2, string[N] q2, string[1] r2) {
      p2 = StringConcat(b, a)
      q2 = Identity(b)
      r2 = Constant<value_strings = ["no"]>()
    }>
}"""
LOOP = """g (int64 n, string[2] a, string[2] b, string[N] c) => (string[2] p, string[2] q, string[M] r, string[2] s) {
  p, q, r, s = Loop(n, , a, b, c, b) <
    body = b (int64 i, bool k, string[2] x, string[2] y, string[L] z, string[2] v)
           => (bool k2, string[2] y2, string[2] x2, string[L2] z2, string[2] a2) {
      k2 = Identity(k)
      y2 = Identity(y)
      x2 = Identity(x)
      a2 = Identity(a)
      z2 = Concat<axis = 0>(z, y)
    }>
}"""
STACKED = """g (int64 n, string[2] a) => (string[2] last, string[M, 2] all) {
  last, all = Loop(n, , a) <
    body = b (int64 i, bool k, string[2] x) => (bool k2, string[2] x2, string[2] y) {
      k2 = Identity(k)
      x2 = StringConcat(x, a)
      y = StringConcat(x, x)
    }>
}"""


@pytest.mark.parametrize("level", LEVELS)
def test_branches_read_and_give_texts(level: int) -> None:
    a, b = _texts("1", "2"), _texts("3", "4")
    with ew.load(_build(_model(IF), level).to_bytes()) as engine:
        for _ in range(2):
            yes = engine.run({"c": np.array(True), "a": a, "b": b})
            assert [yes[name].tolist() for name in "pqr"] == [["1", "2"], ["13", "24"], ["yes"]]
            no = engine.run({"c": np.array(False), "a": a, "b": b})
            assert [no[name].tolist() for name in "pqr"] == [["31", "42"], ["3", "4"], ["no"]]


@pytest.mark.parametrize("level", LEVELS)
def test_loops_swap_and_collect_texts(level: int) -> None:
    a, b = _texts("1", "2"), _texts("3", "4")
    with ew.load(_build(_model(LOOP), level).to_bytes()) as engine:
        for n in (3, 0, 1, 2):
            found = engine.run({"n": np.array(n), "a": a, "b": b, "c": _texts()})
            left, right, collected = ["1", "2"], ["3", "4"], []
            for _ in range(n):
                collected += right
                left, right = right, left
            assert found["p"].tolist() == left
            assert found["q"].tolist() == right
            assert found["r"].tolist() == collected
            assert found["s"].tolist() == (["1", "2"] if n else ["3", "4"])


def test_texts_cannot_be_stacked() -> None:
    with pytest.raises(UnsupportedModel, match="stacks the texts"):
        _build(_model(STACKED))


def test_texts_are_compared_exactly() -> None:
    model = _model("g (string[N] a) => (string[N] p) { p = StringConcat(a, a) }")
    for against in ("onnxruntime", "reference"):
        found = ew.verify(model, against=against, config=ew.BuilderConfig(level=1, timing_cache=""))
        assert found.passed
        assert found.error == 0


def test_profiles_bound_texts() -> None:
    config = ew.BuilderConfig(level=1, timing_cache="", profiles=[ew.Profile({"name": ((1,), (2,), (2,))})])
    with ew.load(ew.build(_greeting(), config)) as engine:
        assert engine.run({"name": _texts("a", "b")})["text"].tolist() == ["hello a", "hello b"]
        with pytest.raises(InputError, match="outside every profile"):
            engine.run({"name": _texts("a", "b", "c")})
