"""What a plugin's tactic may offer: numbers, workspace, packed weights, shared memory; and how it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.registry.registry import registry

pytestmark = pytest.mark.needs_cc
QUIET = ew.BuilderConfig(timing_cache="", threads=1, level=1)
HEAD = '#include "enginewright.h"\n#include <string.h>\n'
SCALE = (
    HEAD
    + """
int32_t scale(const ew_call *call) {
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    for (int64_t i = 0; i < call->params[0].i; ++i) y[i] = (float)call->params[1].f * x[i];
    return EW_OK;
}
"""
)
Array = np.ndarray[Any, Any]
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    with registry.isolated():
        yield


def scale_operator(**options: Any) -> type[Any]:
    """An operator that multiplies by its field."""

    @ew.operator("acme::Scale", **options)
    class Scale:
        factor: float = 2.0

        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x * np.float32(self.factor)

    return Scale


def plan_of(op: Any, *more: Array, config: ew.BuilderConfig = QUIET) -> ew.Plan:
    """A plan of one layer: x of any number of rows, then constants."""
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 3))
    net.output("y", net.add(op, x, *(net.constant(array) for array in more))[0])
    return ew.build(net, config)


def report_of(plan: ew.Plan) -> ew.LayerReport:
    """The report on the only layer."""
    (layer,) = plan.report.layers
    return layer  # type: ignore[no-any-return]


def output(plan: ew.Plan, x: Array = X) -> Array:
    """What the plan makes of x."""
    with ew.load(plan) as engine:
        return engine.run({"x": x})["y"]


def test_a_tactic_that_gives_other_numbers_is_refused() -> None:
    cls = scale_operator()

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"))
    def wrong(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size, op.factor * 1.001))

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"))
    def right(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size, op.factor))

    plan = plan_of(cls(factor=3))
    layer = report_of(plan)
    assert layer.tactic == "right"
    (rejected,) = layer.rejected
    assert rejected.tactic == "wrong"
    assert "differs from the reference: by up to" in rejected.reason
    np.testing.assert_array_equal(output(plan), 3 * X)


def test_a_tolerance_of_the_operator() -> None:
    cls = scale_operator(tolerance={ew.float32: 0.01})

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"))
    def rough(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size, op.factor * 1.001))

    assert report_of(plan_of(cls())).tactic == "rough"


def test_a_kernel_that_fails_where_the_reference_does_not() -> None:
    cls = scale_operator()
    text = HEAD + 'int32_t no(const ew_call *call) { return call->host->error(call, EW_FAILED, "not %d", 7); }'

    @ew.tactic(cls, kernel=ew.c_source(text, "no"))
    def failing(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch()

    plan = plan_of(cls())
    assert report_of(plan).tactic == "reference"
    assert "fails where the reference does not: Scale: not 7" in report_of(plan).rejected[0].reason


def test_not_deterministic() -> None:
    cls = scale_operator()

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"), deterministic=False)
    def loose(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size, op.factor))

    assert "allow_nondeterministic" in report_of(plan_of(cls())).rejected[0].reason
    allowed = ew.BuilderConfig(timing_cache="", threads=1, level=1, allow_nondeterministic=True)
    assert report_of(plan_of(cls(), config=allowed)).tactic == "loose"


def test_reasons_are_in_the_report() -> None:
    cls = scale_operator()

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"))
    def never(op: Any, x: ew.TensorSpec) -> str:
        return "needs float16"

    @ew.tactic(cls, kernel=ew.cuda_source("", "scale"))
    def cuda(op: Any, x: ew.TensorSpec) -> ew.Launch:
        raise AssertionError("not asked")

    @ew.tactic(cls, kernel=ew.c_source("int32_t broken(", "broken"))
    def broken(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch()

    @ew.tactic(cls, kernel="no_such_kernel")
    def unknown(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch()

    reasons = {item.tactic: item.reason for item in report_of(plan_of(cls())).rejected}
    assert reasons["never"] == "needs float16"
    assert reasons["cuda"] == "runs on cuda, and this plan is for the CPU"
    assert "the C compiler refuses broken" in reasons["broken"]
    assert "no kernel no_such_kernel is built in" in reasons["unknown"]


def test_formats() -> None:
    cls = scale_operator()

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"), formats=["nhwc"])
    def channels_last(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size, op.factor))

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"), formats=["nhwc", ("linear", "linear")])
    def both(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size, op.factor))

    net = ew.Network()
    net.output("y", net.add(cls(), net.input("x", ew.float32, (1, 2, 3, 4)))[0])
    layer = report_of(ew.build(net, QUIET))
    assert layer.tactic == "both"
    assert layer.rejected[0].reason == "offers the formats nhwc; the tensors here are linear"
    assert report_of(plan_of(cls())).tactic == "channels_last", "formats are those of 4-D tensors"


@pytest.mark.parametrize(
    ("launch", "message"),
    [
        (None, "returned NoneType"),
        (ew.Launch(params=("n",)), "'n' .str. in params"),  # type: ignore[arg-type]
        (ew.Launch(params=(True,)), "True .bool. in params"),
        (ew.Launch(params=3), "params as int"),  # type: ignore[arg-type]
        (ew.Launch(workspace=1.5), "1.5 .float. in workspace"),  # type: ignore[arg-type]
        (ew.Launch(workspace=-1), "a workspace of -1 bytes"),
        (ew.Launch(pack={"w": ew.Pack("cpu_copy", 4)}), "the input 'w'"),
        (ew.Launch(pack={"x": 3}), "3 in pack"),  # type: ignore[dict-item]
        (ew.Launch(inplace=(7,)), "the input 7"),
    ],
)
def test_launches_that_break_the_contract(launch: Any, message: str) -> None:
    cls = scale_operator()

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"))
    def odd(op: Any, x: ew.TensorSpec) -> Any:
        return launch

    with pytest.raises(ew.PluginInvalid, match=message) as caught:
        plan_of(cls())
    assert (caught.value.details.plugin, caught.value.details.method) == ("acme::Scale@1", "tactic odd")  # type: ignore[union-attr]
    assert caught.value.details.layer == "Scale"  # type: ignore[union-attr]


def test_a_tactic_that_raises() -> None:
    cls = scale_operator()

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"))
    def raising(op: Any, x: ew.TensorSpec) -> ew.Launch:
        raise ZeroDivisionError("oops")

    with pytest.raises(ew.PluginError, match="acme::Scale@1: tactic raising raised ZeroDivisionError: oops") as caught:
        plan_of(cls())
    assert caught.value.code == "EW-G002"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


WORKSPACE = (
    HEAD
    + """
int32_t reversed_rows(const ew_call *call) {
    const int64_t rows = call->params[0].i, bytes = 4 * call->params[1].i;
    if (call->workspace_size < (uint64_t)bytes || (uintptr_t)call->workspace % 64) return EW_FAILED;
    const char *x = call->inputs[0].data;
    char *y = call->outputs[0].data;
    for (int64_t r = 0; r < rows; ++r) {
        memcpy(call->workspace, x + r * bytes, bytes);
        memcpy(y + (rows - 1 - r) * bytes, call->workspace, bytes);
    }
    return EW_OK;
}
"""
)


def test_workspace_of_a_symbolic_size() -> None:
    @ew.operator("acme::Reversed")
    class Reversed:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x[::-1]

    @ew.tactic(Reversed, kernel=ew.c_source(WORKSPACE, "reversed_rows"))
    def by_row(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=x.shape, workspace=4 * x.shape[1] + 0 * x.shape[0])

    plan = plan_of(Reversed())
    assert report_of(plan).tactic == "by_row"
    np.testing.assert_array_equal(output(plan), X[::-1])


PACKED = (
    HEAD
    + """
int32_t pack_twice(const ew_call *call) {
    const float *w = call->inputs[0].data;
    float *packed = call->outputs[0].data;
    for (int64_t i = 0; i < call->params[0].i; ++i) packed[i] = 2.0f * w[i];
    return EW_OK;
}
int32_t half_of_packed(const ew_call *call) {
    const float *x = call->inputs[0].data, *w = call->inputs[1].data;
    float *y = call->outputs[0].data;
    if (call->inputs[1].format != EW_PACKED) return EW_FAILED;
    for (int64_t i = 0; i < call->params[0].i; ++i) y[i] = x[i] * w[i % call->params[1].i] / 2.0f;
    return EW_OK;
}
"""
)


def weighted() -> type[Any]:
    """An operator with a weight that a kernel wants packed."""

    @ew.operator("acme::Weighted")
    class Weighted:
        def infer(self, x: ew.TensorSpec, w: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any, w: Any) -> Any:
            return x * w

    @ew.tactic(Weighted, kernel=ew.c_source(PACKED, "half_of_packed"))
    def packed(op: Any, x: ew.TensorSpec, w: ew.TensorSpec) -> ew.Launch:
        n = w.shape[0]
        assert isinstance(n, int)
        return ew.Launch((x.size, n), pack={"w": ew.Pack(ew.c_source(PACKED, "pack_twice"), size=4 * n, params=(n,))})

    return Weighted


def test_packed_weights_are_in_the_plan(tmp_path: Any) -> None:
    w = np.array([1, 2, 3], np.float32)
    plan = plan_of(weighted()(), w)
    assert report_of(plan).tactic == "packed"
    np.testing.assert_array_equal(plan.weights.view(np.float32)[:3], 2 * w)
    plan.save(tmp_path / "a.plan")
    np.testing.assert_array_equal(output(ew.Plan.load(tmp_path / "a.plan")), X * w)


def test_what_is_not_constant_cannot_be_packed() -> None:
    net = ew.Network()
    x, w = net.input("x", ew.float32, (2, 3)), net.input("w", ew.float32, (3,))
    net.output("y", net.add(weighted()(), x, w)[0])
    layer = report_of(ew.build(net, QUIET))
    assert layer.tactic == "reference"
    assert "not constant" in layer.rejected[0].reason


def in_place(cls: type[Any]) -> None:
    """A tactic that may overwrite its input."""

    @ew.tactic(cls, kernel=ew.c_source(SCALE, "scale"), inplace={0: "x"})
    def over(op: Any, x: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(x.size, op.factor))


def test_inplace_shares_memory_where_nobody_needs_the_input() -> None:
    cls = scale_operator()
    in_place(cls)
    net = ew.Network()
    a = net.add(cls(factor=2), net.input("x", ew.float32, (2, 3)))[0]
    b = net.add(cls(factor=3), a)[0]
    c = net.add(cls(factor=5), b)[0]
    net.output("y", net.add(cls(factor=7), c)[0])
    net.output("b", b)
    plan = ew.build(net, QUIET)
    (program,) = plan.meta.programs
    storages = [program.tensors[step.outputs[0]].storage for step in program.steps]
    assert storages[0] == storages[1] != storages[2] == storages[3], "the caller keeps b, so the third may not use it"
    with ew.load(plan) as engine:
        found = engine.run({"x": X})
    np.testing.assert_array_equal(found["y"], 210 * X)
    np.testing.assert_array_equal(found["b"], 6 * X)


def aliasing(*, kernel: bool) -> type[Any]:
    """An operator whose output must be the memory of its first input: y = x, but for row i, which becomes row."""

    @ew.operator("acme::SetRow", alias={0: "x"})
    class SetRow:
        index: int = 0

        def infer(self, x: ew.TensorSpec, row: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any, row: Any) -> Any:
            made = x.copy()
            made[self.index] = row
            return made

    text = (
        HEAD
        + """
    int32_t set_row(const ew_call *call) {
        if (call->inputs[0].data != call->outputs[0].data) return call->host->error(call, EW_FAILED, "not aliased");
        const int64_t bytes = 4 * call->params[1].i;
        memcpy((char *)call->outputs[0].data + call->params[0].i * bytes, call->inputs[1].data, bytes);
        return EW_OK;
    }
    """
    )
    if kernel:

        @ew.tactic(SetRow, kernel=ew.c_source(text, "set_row"))
        def set_row(op: Any, x: ew.TensorSpec, row: ew.TensorSpec) -> ew.Launch:
            return ew.Launch(params=(op.index, x.shape[1]))

    return SetRow


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("keep", [True, False], ids=["old value needed", "old value dies"])
def test_alias(kernel: bool, keep: bool) -> None:
    cls = aliasing(kernel=kernel)
    net = ew.Network()
    x, row = net.input("x", ew.float32, ("N", 3)), net.input("row", ew.float32, (3,))
    first = net.neg(x)
    second = net.add(cls(index=0), first, row)[0]
    net.output("y", net.add(cls(index=1), second, row)[0])
    if keep:
        net.output("old", first)
        net.output("second", second)
    plan = ew.build(net, QUIET)
    assert {layer.tactic for layer in plan.report.layers if "SetRow" in layer.operator} == {
        "set_row" if kernel else "reference"
    }
    copies = [step for step in plan.meta.programs[0].steps if "copy of" in step.layer]
    assert len(copies) == (2 if keep else 0)
    given = {"x": X, "row": np.full(3, 9, np.float32)}
    with ew.load(plan.to_bytes()) as engine:
        for _ in range(2):
            found = engine.run(given)
    np.testing.assert_array_equal(found["y"], [[9, 9, 9], [9, 9, 9]])
    if keep:
        np.testing.assert_array_equal(found["old"], -X)
        np.testing.assert_array_equal(found["second"], [[9, 9, 9], -X[1]])
    np.testing.assert_array_equal(given["x"], X)


def test_alias_of_an_input_of_the_engine_copies_first() -> None:
    cls = aliasing(kernel=True)
    net = ew.Network()
    x, row = net.input("x", ew.float32, (2, 3)), net.input("row", ew.float32, (3,))
    net.output("y", net.add(cls(index=1), x, row)[0])
    given = {"x": X.copy(), "row": np.zeros(3, np.float32)}
    with ew.load(ew.build(net, QUIET)) as engine:
        np.testing.assert_array_equal(engine.run(given)["y"], [X[0], [0, 0, 0]])
    np.testing.assert_array_equal(given["x"], X)


def test_an_alias_of_another_shape_is_refused() -> None:
    @ew.operator("acme::Half", alias={0: "x"})
    class Half:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x.with_shape(1)

        def reference(self, x: Any) -> Any:
            return x[:1]

    net = ew.Network()
    with pytest.raises(ew.PluginInvalid, match="whose memory it shares"):
        net.add(Half(), net.input("x", ew.float32, (2,)))


def test_an_extension_gives_a_tactic_to_a_builtin_operator() -> None:
    from enginewright.ops.softmax import Softmax

    text = (
        HEAD
        + """#include <math.h>
    int32_t plain_softmax(const ew_call *call) {
        const int64_t n = call->params[1].i;
        for (int64_t r = 0; r < call->params[0].i; ++r) {
            const float *x = (const float *)call->inputs[0].data + r * n;
            float *y = (float *)call->outputs[0].data + r * n, top = x[0], sum = 0;
            for (int64_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
            for (int64_t i = 0; i < n; ++i) sum += y[i] = expf(x[i] - top);
            for (int64_t i = 0; i < n; ++i) y[i] /= sum;
        }
        return EW_OK;
    }
    """
    )

    @ew.tactic(Softmax, kernel=ew.c_source(text, "plain_softmax"))
    def plain_softmax(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
        return ew.Launch(params=(x.shape[0], x.shape[1])) if x.rank == 2 else "needs two axes"

    net = ew.Network()
    net.output("y", net.softmax(net.input("x", ew.float32, ("N", 3))))
    plan = ew.build(net, ew.BuilderConfig(timing_cache="", threads=1))
    names = [timing.tactic for timing in report_of(plan).candidates]
    assert "plain_softmax" in names
    assert "reference" not in names
    assert all(timing.nanoseconds for timing in report_of(plan).candidates)
