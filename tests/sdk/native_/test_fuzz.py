"""Any words whatever give an error or a model that is safe to run: every word of valid programs is changed."""

from __future__ import annotations

from pathlib import Path

from tests.sdk.native_.test_threads import in_subprocess

FUZZ = """
import random, resource, sys, threading
from pathlib import Path
import numpy as np
from tests.sdk.native_.toys import sign_in
sign_in(Path(sys.argv[1]))
if len(sys.argv) == 3:
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))  # sizes that a changed word asks for are not there
from enginewright import _native
from enginewright.errors import EnginewrightError
from tests.sdk.native_ import test_control as control, test_data_dependent as data, test_errors as errors
from tests.sdk.native_ import test_shapes as shapes, words as w

INTERESTING = [0, 1, -1, 2, 3, 7, 8, -2, -3, 64, 100, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1]
INTERESTING += [-(2**63), -(2**63) + 1]
WEIGHTS = np.zeros(64, np.uint8)

def samples():
    words, _ = errors.make_valid()
    yield words, [np.ones(5, np.float32)]
    words = w.Words()
    program = words.program()
    found = data.nonzero(program, grown=True, as_output=False)
    program.step("toy_add_i64", [found, found], [program.output([program.tensors[found][5]], w.I64)])
    yield words, [np.array([0, 1, 0, 2], np.float32)]
    words = w.Words()
    data.nonzero(words.program(), grown=False, as_output=True)
    yield words, [np.array([0, 1, 0, 2], np.float32)]
    words = w.Words()
    control.add_loop(words, below=12.0, scan=True)
    yield words, [np.array(4), np.array(True), np.ones(2, np.float32), np.ones(2, np.float32)]
    words = w.Words()
    program = words.program()
    condition = program.input([], w.BOOL)
    x, dims = program.dynamic_input(1)
    program.step("if", [condition, x], [program.output(dims)], programs=[1, 2], workspace=100)
    control.affine(words, 2, 0.5)
    control.affine(words, 3, 0.5)
    yield words, [np.array(True), np.ones(4, np.float32)]
    words = w.Words()
    program = words.program()
    shape, (n,) = program.dynamic_input(1, w.I64)
    size = program.expr(w.VALUE, shape, 1)
    program.check(w.AT_LEAST, size, 1, "label")
    scaled = program.scale(program.expr(w.SELECT, program.expr(w.LESS, n, 3), ~program.expr(w.PAIR, n, size)), 2.5)
    program.step("toy_fill_i64", [], [program.output([size], w.I64)], [w.Expr(scaled)])
    yield words, [np.array([9, 4])]

def attempt(words, strings, inputs):
    try:
        model = _native.Model(words, strings, WEIGHTS)
        context = _native.Context(model, threads=2)
        for index, array in enumerate(inputs):
            context.bind_input(index, array)
        context.resolve()
        context.output_shape(0)
        watchdog = threading.Timer(1, context.cancel)  # a loop without end is valid
        watchdog.start()
        try:
            context.run()
            context.run()
        finally:
            watchdog.cancel()
        context.output(0)
        return "ran"
    except EnginewrightError:
        return "refused"

counts = {"ran": 0, "refused": 0}
generator = random.Random(0)
for words, inputs in samples():
    good, strings = words.encode()
    assert attempt(good, strings, inputs) == "ran"
    for position in range(len(good)):
        for value in [*INTERESTING, *(int(good[position]) + d for d in (1, -1))]:
            changed = good.copy()
            changed[position] = max(-(2**63), min(2**63 - 1, value))
            counts[attempt(changed, strings, inputs)] += 1
    for _ in range(int(sys.argv[2])):
        changed = good.copy()
        for _ in range(generator.randint(2, 6)):
            changed[generator.randrange(len(good))] = generator.choice([*INTERESTING, *good.tolist()])
        counts[attempt(changed, strings, inputs)] += 1
    for length in range(len(good)):
        attempt(good[:length], strings, inputs)
print(counts)
assert counts["ran"] > 50 and counts["refused"] > 1000
"""


def test_changed_words(toy_kernels: Path) -> None:
    done = in_subprocess(FUZZ, str(toy_kernels), "300", timeout=300)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
