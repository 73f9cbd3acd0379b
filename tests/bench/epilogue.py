"""Interpreted pointwise programs beside C code written for one of them: python -m tests.bench.epilogue.

On three shapes and one thread: a program as a step of its own, a loop with the same formulas that the C compiler
vectorizes for this machine, and what the same program adds to a matrix product that it is fused behind.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.registry.registry import registry

ROUNDS, CALLS = 41, 20
LOOP = """
#include <string.h>
#include "enginewright.h"
static inline float exponential(float x) {
    x = x < -104.0f ? -104.0f : x > 88.0f ? 88.0f : x;
    const float n = __builtin_rintf(x * 1.44269504f);
    const float r = __builtin_fmaf(n, -1.42860677e-6f, __builtin_fmaf(n, -0.693145752f, x));
    float p = 0.00139517173f;
    p = __builtin_fmaf(p, r, 0.00836959841f);
    p = __builtin_fmaf(p, r, 0.0416661873f);
    p = __builtin_fmaf(p, r, 0.166665129f);
    p = __builtin_fmaf(p, r, 0.50000001f);
    p = __builtin_fmaf(p * r, r, r) + 1.0f;
    const union { int i; float f; } power = {((int)n + 127) << 23};
    return p * power.f;
}
int32_t bench_epilogue(const ew_call *call) {
    const float *restrict x = call->inputs[0].data, *restrict b = call->inputs[1].data;
    float *restrict y = call->outputs[0].data;
    const int64_t rows = call->params[0].i, columns = call->params[1].i, step = call->params[2].i;
    for (int64_t i = 0; i < rows; ++i, x += columns, y += columns, b += step)
        for (int64_t j = 0; j < columns; ++j) {
            const float s = x[j] + b[j];
            y[j] = EXPRESSION;
        }
    return EW_OK;
}
"""


@dataclass(frozen=True)
class Case:
    """s = x + b, then `formula` of s in the network and `expression` in C; b is a row for all rows, or as large as x.

    Where the program is fused, x is a product over `depth`.
    """

    name: str
    shape: tuple[int, int]
    whole: bool
    formula: Callable[[ew.Network, ew.Tensor], ew.Tensor]
    expression: str
    reference: Callable[[Any], Any]
    depth: int


CASES = (
    Case(
        "residual, ReLU",
        (3136, 256),
        True,
        lambda net, s: net.relu(s),
        "s > 0.0f ? s : 0.0f",
        lambda s: np.maximum(s, 0),
        64,
    ),
    Case(
        "bias, SiLU",
        (1600, 96),
        False,
        lambda net, s: net.mul(s, net.sigmoid(s)),
        "s / (1.0f + exponential(-s))",
        lambda s: s / (1 + np.exp(-s)),
        48,
    ),
    Case(
        "bias, GELU (tanh)",
        (128, 3072),
        False,
        lambda net, s: net.gelu(s, approximate="tanh"),
        "s / (1.0f + exponential(-1.59576912f * s * (1.0f + 0.044715f * s * s)))",
        lambda s: s / (1 + np.exp(-1.59576912 * s * (1 + 0.044715 * s * s))),
        768,
    ),
)


def interpreted(case: Case) -> ew.Network:
    """The network whose pointwise layers become one program."""
    net, x, b = _inputs(case)
    net.output("y", case.formula(net, net.add(x, b)))
    return net


def product(case: Case, fused: bool) -> ew.Network:
    """x = a w, and the program behind it, if it shall be."""
    net, depth, rng = ew.Network(), case.depth, np.random.default_rng(1)
    weight = net.constant(rng.standard_normal((depth, case.shape[1]), np.float32) / np.float32(depth) ** 0.5)
    y = net.matmul(net.input("a", ew.float32, (case.shape[0], depth)), weight)
    if fused:
        y = case.formula(net, net.add(y, net.input("b", ew.float32, _sides(case)["b"].shape)))
    net.output("y", y)
    return net


def specialized(case: Case) -> ew.Network:
    """One layer of a plugin whose kernel is written for this case."""

    @ew.operator("bench::Epilogue")
    class Epilogue:
        def infer(self, x: ew.TensorSpec, b: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any, b: Any) -> Any:
            return case.reference(x + b).astype(np.float32)

    @ew.tactic(Epilogue, kernel=ew.c_source(LOOP.replace("EXPRESSION", case.expression), "bench_epilogue"))
    def by_loop(op: Epilogue, x: ew.TensorSpec, b: ew.TensorSpec) -> ew.Launch:
        return ew.Launch(params=(*case.shape, case.shape[1] if case.whole else 0))

    net, x, b = _inputs(case)
    net.output("y", net.add(Epilogue(), x, b)[0])
    return net


def _inputs(case: Case) -> tuple[ew.Network, ew.Tensor, ew.Tensor]:
    net = ew.Network()
    return net, net.input("x", ew.float32, case.shape), net.input("b", ew.float32, _sides(case)["b"].shape)


def _sides(case: Case) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    rows, columns = case.shape
    shapes = {"x": case.shape, "b": (rows if case.whole else 1, columns), "a": (rows, case.depth)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def _context(net: ew.Network, case: Case) -> tuple[Any, np.ndarray[Any, Any]]:
    engine = ew.load(ew.build(net, ew.BuilderConfig(timing_cache="", threads=1)))
    context = engine.create_context()
    for spec in engine.inputs:
        context.bind_input(spec.name, _sides(case)[spec.name])
    y = np.empty(case.shape, np.float32)
    context.bind_output("y", y)
    context.run()
    return context, y


def measure(case: Case) -> tuple[float, float, float, float]:
    """Microseconds of program, loop, product, and product with program, in turns, medians."""
    networks = (interpreted(case), product(case, fused=False), product(case, fused=True))
    with registry.isolated():
        loop, theirs = _context(specialized(case), case)
    (program, ours), (alone, _), (fused, _) = (_context(net, case) for net in networks)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    contexts = (program, loop, alone, fused)
    times: dict[int, list[float]] = {id(context): [] for context in contexts}
    for _ in range(ROUNDS):
        for context in contexts:
            start = time.perf_counter_ns()
            for _ in range(CALLS):
                context.run()
            times[id(context)].append((time.perf_counter_ns() - start) / 1e3 / CALLS)
    program, loop, alone, fused = (statistics.median(times[id(context)]) for context in contexts)
    return program, loop, alone, fused


def main() -> int:
    """Print the table."""
    print("program  shape  interpreted us  specialized us  product us  fused adds us")
    for case in CASES:
        program, loop, alone, fused = measure(case)
        rows, columns = case.shape
        print(f"{case.name}  {rows} x {columns}  {program:.1f}  {loop:.1f}  {alone:.1f}  {fused - alone:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
