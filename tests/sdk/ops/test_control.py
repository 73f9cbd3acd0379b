"""Tests of If, Loop and Scan: shapes that leave nested networks, and what ONNX graphs import to."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx.parser import parse_model

import enginewright as ew
from enginewright.dims import Dim
from enginewright.errors import DataTypeError, NetworkError, ShapeError, UnsupportedModel
from enginewright.graph.network import Network, Tensor
from enginewright.onnx_io.parser import parse
from enginewright.tensors import bool_, float32, int64

Array = np.ndarray[Any, Any]
HEADER = '<ir_version: 10, opset_import: ["" : 21]>\n'


def check_against_onnx(text: str, feeds: dict[str, Array]) -> Network:
    """The imported network evaluates to what ONNX Runtime gives."""
    model = parse_model(HEADER + text)
    expected = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    network = parse(model)
    found = network.evaluate(feeds)
    for name, array in zip([item.name for item in model.graph.output], expected, strict=True):
        assert found[name].dtype == array.dtype
        np.testing.assert_allclose(found[name], array, rtol=1e-6)
    return network


def test_sizes_that_a_profile_fixes_are_fixed_inside_a_loop() -> None:
    model = parse_model(
        HEADER
        + """
        g (float[n] x, float[n] w) => (float[n] y, float rows) {
            trips = Constant<value: tensor = int64 {3}>()
            go = Constant<value: tensor = bool {1}>()
            y, rows = Loop(trips, go, x) <body = b (int64 i, bool c, float[k] s)
                => (bool c_out, float[k] s_out, float[k] row) {
                c_out = Identity(c)
                s_out = Add(s, w)
                row = Mul(s_out, w)
            }>
        }
        """
    )
    x, w = np.float32([1, 2]), np.float32([3, 4])
    profile = ew.Profile({"x": (2,), "w": (2,)})
    found = ew.load(ew.build(model, ew.BuilderConfig(timing_cache="", level=1, profiles=[profile]))).run(
        {"x": x, "w": w}
    )
    np.testing.assert_allclose(found["y"], x + 3 * w)
    np.testing.assert_allclose(found["rows"], [(x + k * w) * w for k in (1, 2, 3)])


def branch(outer: Network, captured: Tensor, *, repeat: int) -> Network:
    """A network that repeats its input along axis 0."""
    net = Network("branch", parent=outer)
    x = net.input(captured.name, captured.dtype, captured.shape)
    net.output("y", net.concat(*[x] * repeat, axis=0))
    return net


def outer_network() -> tuple[Network, Tensor, Tensor]:
    net = Network()
    return net, net.input("c", bool_, ()), net.input("x", float32, ("n", 3))


def test_sizes_on_which_branches_agree_are_kept() -> None:
    net, cond, x = outer_network()
    (y,) = net.if_(cond, x, then_branch=branch(net, x, repeat=2), else_branch=branch(net, x, repeat=2))
    assert y.shape == (Dim("n") * 2, 3)


def test_other_sizes_are_known_after_the_branch() -> None:
    net, cond, x = outer_network()
    (y,) = net.if_(cond, x, then_branch=branch(net, x, repeat=2), else_branch=branch(net, x, repeat=3))
    (size, three) = y.shape
    assert three == 3
    assert isinstance(size, Dim)
    (atom,) = size.atoms
    assert (atom.kind, atom.sizes) == ("data", (Dim("n") * 3,))


def test_if_runs_one_branch() -> None:
    net, cond, x = outer_network()
    net.output("y", net.if_(cond, x, then_branch=branch(net, x, repeat=2), else_branch=branch(net, x, repeat=3))[0])
    data = np.ones((2, 3), np.float32)
    for value, rows in ((True, 4), (False, 6)):
        assert net.evaluate({"c": np.array(value), "x": data})["y"].shape == (rows, 3)


def test_branches_must_fit() -> None:
    net, cond, x = outer_network()
    flat = Network("flat", parent=net)
    inner = flat.input("x", float32, x.shape)
    flat.output("y", flat.reshape(inner, flat.constant(np.array([-1]))))
    whole = Network("whole", parent=net)
    inner = whole.input("x", float32, x.shape)
    whole.output("y", whole.cast(inner, to=int64))
    good = branch(net, x, repeat=1)
    with pytest.raises(ShapeError):
        net.if_(cond, x, then_branch=good, else_branch=flat)
    with pytest.raises(DataTypeError):
        net.if_(cond, x, then_branch=good, else_branch=whole)
    with pytest.raises(NetworkError):
        net.if_(cond, then_branch=good, else_branch=good)
    with pytest.raises(DataTypeError):
        net.if_(x, x, then_branch=good, else_branch=good)


IF = """
agraph (bool c, float[n] x) => (float[m] y, int64[k] s) {
  y, s = If (c) <
    then_branch = g1 () => (float[a] ty, int64[b] ts) { ty = Add (x, x)  ts = Shape (x) },
    else_branch = g2 () => (float[a] ey, int64[b] es) { ey = Concat <axis = 0> (x, x)  es = Shape (ey) }
  >
}
"""


@pytest.mark.parametrize("cond", [True, False])
def test_if_of_onnx(cond: bool) -> None:
    network = check_against_onnx(IF, {"c": np.array(cond), "x": np.ones(4, np.float32)})
    y, s = (tensor for _, tensor in network.outputs)
    assert isinstance(y.shape[0], Dim)
    assert y.shape[0].atoms[0].sizes == (Dim("n") * 2,)
    assert s.shape == (1,)


def test_known_condition_puts_the_branch_in_place() -> None:
    text = """
    agraph (float[3, n] x) => (float[m] y) {
      shape = Shape (x)
      zero = Constant <value_int = 0> ()
      rows = Gather (shape, zero)
      three = Constant <value_int = 3> ()
      c = Equal (rows, three)
      y = If (c) <
        then_branch = g1 () => (float[a] ty) { ty = ReduceSum <keepdims = 0> (x, axes) },
        else_branch = g2 () => (float[a, b] ey) { ey = Identity (x) }
      >
    }
    """.replace("zero = Constant", "axes = Constant <value_ints = [0]> ()\n      zero = Constant", 1)
    network = check_against_onnx(text, {"x": np.ones((3, 4), np.float32)})
    assert "If" not in {layer.key.name for layer in network.layers}


SQUEEZE = """
agraph (float[n, k] x) => (float[m] y) {
  shape = Shape (x)
  one = Constant <value_int = 1> ()
  axes = Constant <value_ints = [1]> ()
  columns = Gather (shape, one)
  c = Equal (columns, one)
  z = If (c) <
    then_branch = g1 () => (float[a] ty) { ty = Squeeze (x, axes) },
    else_branch = g2 () => (float[a, b] ey) { ey = Identity (x) }
  >
  y = Add (z, z)
}
"""


def test_squeeze_if_the_size_is_one() -> None:
    network = parse(parse_model(HEADER + SQUEEZE))
    assert [str(check.a) for layer in network.layers for check in layer.checks] == ["k"]
    found = network.evaluate({"x": np.ones((3, 1), np.float32)})
    np.testing.assert_array_equal(found["y"], [2, 2, 2])


def test_branches_of_different_rank() -> None:
    with pytest.raises(UnsupportedModel, match="different numbers of axes"):
        parse(parse_model(HEADER + SQUEEZE.replace("Squeeze (x, axes)", "ReduceSum <keepdims = 0> (x, axes)")))


LOOP = """
agraph (int64 count, float[2] start) => (float[2] last, float[k, 2] all) {
  yes = Constant <value = bool {1}> ()
  last, all = Loop (count, yes, start) <
    body = g (int64 i, bool going, float[2] state) => (bool on, float[2] next, float[2] out) {
      on = Identity (going)
      step = CastLike (i, state)
      next = Add (state, step)
      out = Add (next, start)
    }
  >
}
"""


@pytest.mark.parametrize("count", [0, 1, 4])
def test_loop_of_onnx(count: int) -> None:
    feeds = {"count": np.array(count), "start": np.array([1, 2], np.float32)}
    network = check_against_onnx(LOOP, feeds)
    last, stacked = (tensor.shape for _, tensor in network.outputs)
    assert last == (2,)
    assert stacked[1] == 2


def test_known_trip_count_gives_the_size() -> None:
    text = LOOP.replace("int64 count, ", "").replace("yes =", "count = Constant <value_int = 5> ()\n  yes =")
    network = parse(parse_model(HEADER + text))
    assert network.outputs[1][1].shape == (5, 2)
    stopped = parse(parse_model(HEADER + text.replace("on = Identity (going)", "on = Not (going)")))
    size = stopped.outputs[1][1].shape[0]
    assert isinstance(size, Dim)
    assert size.atoms[0].kind == "data"


def test_loop_ends_by_its_condition() -> None:
    text = LOOP.replace("on = Identity (going)", "two = Constant <value_int = 2> ()\n      on = Less (i, two)")
    check_against_onnx(text, {"count": np.array(9), "start": np.array([1, 2], np.float32)})


def test_growing_state_gets_a_size_of_its_own() -> None:
    text = """
    agraph (int64 count, float[n] start) => (float[m] last) {
      none = Constant <value = bool {1}> ()
      last = Loop (count, none, start) <
        body = g (int64 i, bool going, float[k] state) => (bool on, float[j] next) {
          on = Identity (going)
          next = Concat <axis = 0> (state, start)
        }
      >
    }
    """
    network = check_against_onnx(text, {"count": np.array(3), "start": np.arange(2, dtype=np.float32)})
    size = network.outputs[0][1].shape[0]
    assert isinstance(size, Dim)
    assert size.atoms[0].kind == "data"
    (loop,) = [layer for layer in network.layers if layer.key.name == "Loop"]
    state = loop.op.body.inputs[2].shape[0]  # type: ignore[attr-defined]
    assert str(state).endswith("carried0.axis0")


SCAN = """
agraph (float[2] start, float[2, t] x, float[t] f) => (float[2] last, float[2, k] all) {{
  last, all = Scan <num_scan_inputs = 2, scan_input_axes = [1, 0], scan_output_axes = [1],
    scan_input_directions = [{back}, 0], scan_output_directions = [{out}],
    body = g (float[2] state, float[2] column, float factor) => (float[2] next, float[2] seen) {{
      part = Mul (column, factor)
      next = Add (state, part)
      seen = Add (next, start)
    }}
  > (start, x, f)
}}
"""


@pytest.mark.parametrize("back", [0, 1])
@pytest.mark.parametrize("out", [0, 1])
def test_scan_is_a_loop(back: int, out: int) -> None:
    rng = np.random.default_rng(0)
    feeds = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in {"start": (2,), "x": (2, 5), "f": (5,)}.items()
    }
    network = check_against_onnx(SCAN.format(back=back, out=out), feeds)
    assert network.outputs[1][1].shape == (2, Dim("t"))


def test_carried_type_must_stay() -> None:
    net = Network()
    x = net.input("x", float32, (2,))
    body = Network("body", parent=net)
    body.input("i", int64, ())
    going = body.input("going", bool_, ())
    state = body.input("state", float32, (2,))
    body.output("on", going)
    body.output("next", body.cast(state, to=int64))
    with pytest.raises(DataTypeError):
        net.loop(net.constant(np.array(3)), None, x, body=body, n_carried=1)
    with pytest.raises(NetworkError):
        net.loop(net.constant(np.array(3)), None, body=body, n_carried=1)


def test_changed_rank_is_not_supported() -> None:
    text = LOOP.replace(
        "next = Add (state, step)", "one = Constant <value_ints = [0]> ()\n next = Unsqueeze (state, one)"
    )
    with pytest.raises(UnsupportedModel, match="changes its number of axes"):
        parse(parse_model(HEADER + text.replace("float[2] next, float[2] out", "float[1, 2] next, float[1, 2] out")))


def test_reads_of_captured_contents_mean_the_same_outside() -> None:
    """Both branches make a tensor as large as a captured number says."""
    net = Network()
    cond, size = net.input("c", bool_, ()), net.input("size", int64, (1,))
    branches = []
    for value in (1.0, 2.0):
        inner = Network("branch", parent=net)
        inner.output("y", inner.constant_of_shape(inner.input("size", int64, (1,)), value=value))
        branches.append(inner)
    (y,) = net.if_(cond, size, then_branch=branches[0], else_branch=branches[1])
    assert y.shape == (Dim.value(size.spec, 0),)


def test_sizes_that_only_a_branch_knows() -> None:
    net = Network()
    cond, x = net.input("c", bool_, ()), net.input("x", float32, (9,))
    branches = []
    for _ in range(2):
        inner = Network("branch", parent=net)
        inner.output("y", inner.nonzero(inner.input("x", float32, (9,))))
        branches.append(inner)
    (y,) = net.if_(cond, x, then_branch=branches[0], else_branch=branches[1])
    assert y.shape[0] == 1
    assert isinstance(y.shape[1], Dim)
    assert y.shape[1].atoms[0].sizes == ()


def test_equal_contents_stay_known() -> None:
    net = Network()
    cond = net.input("c", bool_, ())
    branches = []
    for number in (3, 3):
        inner = Network("branch", parent=net)
        inner.output("y", inner.constant(np.array([number])))
        branches.append(inner)
    (y,) = net.if_(cond, then_branch=branches[0], else_branch=branches[1])
    assert y.spec.value == (3,)


def test_loop_without_trip_count() -> None:
    text = LOOP.replace("Loop (count, yes, start)", "Loop (, yes, start)").replace(
        "on = Identity (going)", "three = Constant <value_int = 3> ()\n      on = Less (i, three)"
    )
    feeds = {"count": np.array(0), "start": np.array([1, 2], np.float32)}
    network = parse(parse_model(HEADER + text))
    assert network.evaluate(feeds)["all"].shape == (4, 2)
