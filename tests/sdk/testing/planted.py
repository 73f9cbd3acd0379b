"""Plugins with one planted fault each, the lines of the test kit that must find it, and words that must be told."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = '''
"""A plugin for tests."""
import os, threading
import numpy as np
import enginewright as ew

float32 = ew.float32
state = {"calls": 0}
kept = []

'''
OPERATOR = '''
@ew.operator("acme::Op", version=1)
class Op:
    """x * factor."""

    factor: float = 2.0

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        INFER

    def reference(self, x):
        REFERENCE
'''
TACTIC = '''
SOURCE = r"""
#include <stdlib.h>
#include <signal.h>
#include <unistd.h>
#include "enginewright.h"
static int64_t calls;
static float scratch[65536];
int32_t op_f32(const ew_call *call) {
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data, *w = call->workspace;
    const int64_t n = call->params[0].i;
    const float factor = (float)call->params[1].f;
    (void)x, (void)y, (void)w, (void)n, (void)factor, (void)calls, (void)scratch;
    BODY
    return EW_OK;
}
"""


@ew.tactic(Op, kernel=ew.c_source(SOURCE, "op_f32")OPTIONS)
def op_c(op, x):
    """One pass."""
    ANSWER
'''
LOOP = "for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor;"
ANSWER = 'return ew.Launch((x.size, op.factor), x.size * 4) if x.dtype is ew.float32 else "needs float32"'


def operator(infer: str = "return x", reference: str = "return x * np.asarray(self.factor, x.dtype)") -> str:
    """An operator that multiplies, with other bodies of its methods."""
    indented = (text.strip().replace("\n", "\n        ") for text in (infer, reference))
    return HEAD + OPERATOR.replace("INFER", next(indented)).replace("REFERENCE", next(indented))


def kernel(body: str = LOOP, answer: str = ANSWER, options: str = "", op: str = "") -> str:
    """The operator with a tactic in C, with other code."""
    text = TACTIC.replace("BODY", body).replace("OPTIONS", options).replace("ANSWER", answer)
    return (op or operator()) + text


@dataclass(frozen=True)
class Fault:
    """A plugin with a fault: exactly these lines must fail, and one of their problems contains `words`."""

    name: str
    source: str
    lines: tuple[str, ...]
    words: str

    def __str__(self) -> str:
        return self.name


EXAMPLES = """
    @staticmethod
    def examples():
        yield Op(), [ew.TensorSpec(ew.float32, (5, 12))]
"""
TWICE = """
    def __post_init__(self):
        object.__setattr__(self, "factor", self.factor * 2)
"""
IGNORED = """
    def __post_init__(self):
        object.__setattr__(self, "factor", 2.0)
"""
SWALLOWING = """
    def __init__(self, **fields):
        self.__dict__.update(factor=2.0)
        self.__post_init__()
"""
RAISING = """
    def __post_init__(self):
        raise KeyError("no")
"""
NONZERO = operator(
    "return ew.TensorSpec(ew.int64, (ew.Dim.data(upper=x.size // 2),))",
    "return np.flatnonzero(x)",
)
HOOK = """
@ew.hookimpl
def enginewright_{name}({arguments}):
    raise OSError("hook {name}")
"""
HOOKS = {
    "build_started": "network", "tactic_timed": "layer", "build_finished": "plan", "plan_loaded": "info",
    "engine_closed": "info", "doctor": "",
}  # fmt: skip

OPERATORS = [
    Fault(
        "wrong shape", operator("return x.with_shape(*x.shape, 1)"), ("shapes/static", "shapes/symbolic"), "the shape"
    ),
    Fault(
        "wrong data type", operator("return x.with_dtype(ew.float64)"), ("shapes/static", "shapes/symbolic"), "float64"
    ),
    Fault("output too many", operator("return x, x"), ("shapes/static", "shapes/symbolic"), "2 outputs"),
    Fault(
        "wrong at sizes that are not even",
        operator("return x.with_shape(*x.shape[:-1], x.shape[-1] // 2)", "return x[..., ::2]") + EXAMPLES,
        ("shapes/symbolic",),
        "infer says the shape",
    ),
    Fault(
        "wrong at size 0",
        operator("return x.with_shape(ew.dim_max(x.shape[0], 1), *x.shape[1:])") + EXAMPLES,
        ("shapes/symbolic",),
        "with 0 for 5",
    ),
    Fault(
        "reference that can't do size 0",
        operator("return x.with_shape(*x.shape[:-1])", "return x.max(-1)") + EXAMPLES,
        ("shapes/symbolic",),
        "infer accepts it",
    ),
    Fault(
        "compares symbols",
        operator("return x if x.shape[0] > 3 else x.with_shape(3)") + EXAMPLES,
        ("shapes/symbolic",),
        "each size a symbol",
    ),
    Fault(
        "infer that counts",
        operator('state["calls"] += 1\nreturn x if state["calls"] % 5 else x.with_dtype(ew.float64)'),
        ("shapes/pure", "shapes/static", "shapes/symbolic"),
        "and later",
    ),
    Fault(
        "contents that are not so",
        operator("return ew.TensorSpec(ew.int64, (1,), (7,))", "return np.array([x.ndim])"),
        ("shapes/static", "shapes/symbolic"),
        "it holds [7]",
    ),
    Fault("upper bound exceeded", NONZERO, ("shapes/bounds",), "its upper bound is"),
    Fault(
        "state hidden in the operator",
        operator(reference='object.__setattr__(self, "cache", x)\nreturn x * np.asarray(self.factor, x.dtype)'),
        ("state/fields",),
        "keeps cache",
    ),
    Fault(
        "field changed by a method",
        operator(reference='object.__setattr__(self, "factor", self.factor + 1)\nreturn x'),
        ("state/fields",),
        "changed a field",
    ),
    Fault("saved state that is not what is loaded", operator() + TWICE, ("state/saved",), "loaded as"),
    Fault("field without effect", operator() + IGNORED, ("state/plan",), "the same plan"),
    Fault(
        "fields accepted that are none",
        operator() + SWALLOWING,
        ("state/refused", "state/plan"),
        "no_such_field",
    ),
    Fault("exception when it is made", operator() + RAISING, ("behaviour/methods",), "__post_init__ raised KeyError"),
    Fault("exception in infer", operator("raise KeyError('no')"), ("behaviour/methods",), "infer raised KeyError"),
    Fault(
        "exception in the reference",
        operator(reference="raise KeyError('no')"),
        ("behaviour/methods",),
        "reference raised",
    ),
    Fault(
        "exception in examples",
        operator() + "\n    @staticmethod\n    def examples():\n        raise KeyError('no')\n",
        ("behaviour/methods",),
        "examples raised KeyError",
    ),
    Fault(
        "SystemExit", operator(reference="raise SystemExit(1)"), ("behaviour/methods",), "reference raised SystemExit"
    ),
    Fault(
        "reference that remembers",
        operator(reference='state["calls"] += 1\nreturn x + np.float32(state["calls"])'),
        ("behaviour/repeated",),
        "three runs",
    ),
    Fault(
        "reference that draws numbers",
        operator(reference="return x + np.random.default_rng().standard_normal(x.shape).astype(x.dtype)"),
        ("behaviour/repeated",),
        "three runs",
    ),
    Fault(
        "reference that writes its input", operator(reference="x *= 2\nreturn x"), ("behaviour/methods",), "read-only"
    ),
    Fault(
        "reference that writes its input by force",
        operator(reference="x.flags.writeable = True\nx *= 2\nreturn x.copy()"),
        ("memory/inputs",),
        "writes into input 0",
    ),
    Fault(
        "reference that looks at memory",
        operator(reference="return x.ravel(order='K').reshape(x.shape)"),
        ("memory/strided",),
        "Fortran order",
    ),
    Fault(
        "reference that keeps arrays",
        operator(reference="kept.append(x.copy())\nreturn x.copy()"),
        ("behaviour/growth",),
        "each run leaves",
    ),
    Fault(
        "reference on global memory",
        operator(
            reference="n = x.size\nbuffer = state.setdefault(x.dtype, np.empty(70000, x.dtype))\n"
            "buffer[:n] = x.ravel()\nbuffer[:n] *= np.asarray(self.factor, x.dtype)\n"
            "return buffer[:n].reshape(x.shape).copy()"
        ),
        ("behaviour/threads",),
        "several threads",
    ),
    Fault(
        "result that depends on the process",
        operator(reference="return x + x.dtype.type(os.getpid() % 1000)"),
        ("life/new-process",),
        "in a new process",
    ),
    *(
        Fault(
            f"exception in hook {name}",
            (kernel() if name == "tactic_timed" else operator()) + HOOK.format(name=name, arguments=arguments),
            ("behaviour/hooks",),
            f"enginewright_{name} raised OSError",
        )
        for name, arguments in HOOKS.items()
    ),
]

SHIFTED = "for (int64_t i = 0; i < n; ++i) y[i] = x[n - 1 - i] * factor;"
REVERSED = operator(reference="return x.ravel()[::-1].reshape(x.shape) * np.asarray(self.factor, x.dtype)")
FOUND = """
int64_t k = 0;
for (int64_t i = 0; i < n; ++i)
    if (x[i] != 0) ((int64_t *)y)[k++] = i;
call->outputs[0].size_out[0] = k EXTRA;
"""
POSITIONS = operator(
    "return ew.TensorSpec(ew.int64, (ew.Dim.data(upper=x.size),))",
    "return np.flatnonzero(x).astype(np.int64)",
)
PACKED = (
    HEAD
    + '''
SOURCE = r"""
#include "enginewright.h"
int32_t pack(const ew_call *call) {
    const float *w = call->inputs[0].data;
    float *packed = call->outputs[0].data;
    for (int64_t i = 0; i < call->params[0].i; ++i) packed[i] = w[call->params[0].i - 1 - i];
    return EW_OK;
}
int32_t scale(const ew_call *call) {
    const float *x = call->inputs[0].data, *w = call->inputs[1].data;
    float *y = call->outputs[0].data;
    const int64_t rows = call->params[0].i, n = call->params[1].i;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < n; ++i) y[r * n + i] = x[r * n + i] * w[n - 1 - i];
    return EW_OK;
}
"""


@ew.operator("acme::Op")
class Op:
    """x * w, w a vector."""

    def infer(self, x: ew.TensorSpec, w: ew.TensorSpec) -> ew.TensorSpec:
        return x.with_shape(*x.shape[:-1], ew.same(x.shape[-1], w.shape[0]))

    def reference(self, x, w):
        return x * w

    @staticmethod
    def examples():
        yield Op(), [ew.TensorSpec(ew.float32, (3, 4)), np.arange(4, dtype=np.float32)]


@ew.tactic(Op, kernel=ew.c_source(SOURCE, "scale"))
def op_packed(op, x, w):
    """w backwards."""
    if x.dtype is not ew.float32 or not isinstance(w.size, int):
        return "needs float32"
    pack = ew.Pack(ew.c_source(SOURCE, "pack"), w.size * 4, (w.size,))
    return ew.Launch((x.size // w.size, w.size), pack={"w": pack})
'''
)
GOOD = {
    "in place": kernel(options=', inplace={0: "x"}'),
    "data-dependent size": kernel(FOUND.replace("EXTRA", ""), op=POSITIONS),
    "packed weights": PACKED,
}

KERNELS = [
    Fault(
        "upper bound exceeded by a kernel",
        kernel(FOUND.replace("EXTRA", "+ 1"), op=POSITIONS),
        ("memory/guards",),
        "its upper bounds are",
    ),
    Fault(
        "wrong numbers",
        kernel("for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor + 1;"),
        ("tactics/agree",),
        "differs",
    ),
    Fault(
        "wrong at a size that is no multiple of 4",
        kernel("for (int64_t i = 0; i < n; ++i) y[i] = i < n / 4 * 4 ? x[i] * factor : 0;"),
        ("tactics/agree",),
        "differs",
    ),
    Fault(
        "data type not looked at",
        kernel(answer="return ew.Launch((x.size, op.factor))"),
        ("tactics/agree",),
        "in float64",
    ),
    Fault("field not looked at", kernel(answer=ANSWER.replace("op.factor", "2.0")), ("tactics/agree",), "with factor="),
    Fault(
        "refusal without a reason",
        kernel(answer=ANSWER.replace('"needs float32"', '""')),
        ("tactics/refusals",),
        "without a reason",
    ),
    Fault("tactic that never accepts", kernel(answer='return "not today"'), ("tactics/refusals",), "accepts no case"),
    Fault(
        "exception in a tactic",
        kernel(answer="return ew.Launch((1 // 0,))"),
        ("behaviour/methods",),
        "tactic op_c raised ZeroDivisionError",
    ),
    Fault("tactic that returns something else", kernel(answer="return 3"), ("tactics/refusals",), "returns int"),
    Fault("source that is no C", kernel("this is no C"), ("tactics/kernels",), "the C compiler refuses"),
    Fault(
        "kernel that fails",
        kernel('return call->host->error(call, EW_FAILED, "not today");'),
        ("tactics/agree",),
        "not today",
    ),
    Fault("write behind the output", kernel(LOOP + " y[n] = 1;"), ("memory/guards",), "writes behind output 0"),
    Fault("write before the output", kernel(LOOP + " y[-2] = 1;"), ("memory/guards",), "writes before output 0"),
    Fault(
        "workspace overrun",
        kernel(LOOP + " for (int64_t i = 0; i <= n; ++i) w[i] = 1;"),
        ("memory/guards",),
        "behind its workspace",
    ),
    Fault("write into the input", kernel(LOOP + " if (n) ((float *)x)[0] = 7;"), ("memory/inputs",), "op_c"),
    Fault(
        "output that is not written",
        kernel("for (int64_t i = 0; i < n; ++i) if (x[i] != 0 && i != 1) y[i] = x[i] * factor;"),
        ("tactics/agree", "memory/undefined"),
        "was in its outputs",
    ),
    Fault(
        "workspace read before it is written",
        kernel(LOOP + " if (n && w[0] != 0) y[0] = 1;"),
        ("tactics/agree", "memory/undefined"),
        "workspace",
    ),
    Fault(
        "read behind the input",
        kernel(LOOP + " if (n && x[n] != 0) y[0] = 1;"),
        ("tactics/agree", "memory/reads"),
        "outside its inputs",
    ),
    Fault(
        "alignment taken for granted",
        kernel("x = (const float *)((uintptr_t)x & ~(uintptr_t)15); " + LOOP),
        ("memory/misaligned",),
        "aligned memory",
    ),
    Fault(
        "in place where it can't be",
        kernel(SHIFTED, options=', inplace={0: "x"}', op=REVERSED),
        ("memory/shared",),
        "in place of input 0",
    ),
    Fault(
        "alias where memory can't be shared",
        kernel(SHIFTED, op=REVERSED.replace("version=1", 'version=1, alias={0: "x"}')),
        ("tactics/agree", "memory/shared"),
        "on the memory of input 0",
    ),
    Fault(
        "kernel that counts its calls",
        kernel(LOOP + " if (n) y[0] += (float)calls++;"),
        ("tactics/agree", "behaviour/repeated"),
        "three runs",
    ),
    Fault(
        "kernel that draws numbers",
        kernel(LOOP + " for (int64_t i = 0; n > 1 && i < n; ++i) y[i] *= 1 + (float)rand() * 8e-15f;"),
        ("behaviour/repeated",),
        "three runs",
    ),
    Fault(
        "kernel on static memory",
        kernel(
            "for (int64_t i = 0; i < n; ++i) scratch[i] = x[i] * factor;"
            "for (int64_t i = 0; i < n; ++i) y[i] = scratch[i];"
        ),
        ("behaviour/threads",),
        "several threads",
    ),
    Fault(
        "kernel that leaks",
        kernel(LOOP + " float *p = malloc(40); if (p) *(volatile float *)p = 1;"),
        ("behaviour/growth",),
        "bytes of memory",
    ),
]

CRASHES = [
    Fault("segmentation fault", kernel("*(volatile float *)8 = 1;"), ("tactics/agree",), "SIGSEGV"),
    Fault("abort", kernel("abort();"), ("tactics/agree",), "SIGABRT"),
    Fault("exit", kernel("exit(3);"), ("tactics/agree",), "exit code 3"),
    Fault("endless loop", kernel("for (volatile int i = 0;; ++i) {}"), ("tactics/agree",), "ran for more than"),
    Fault(
        "crash in the reference",
        operator(reference="import ctypes\nctypes.string_at(8)\nreturn x"),
        ("behaviour/methods",),
        "SIGSEGV",
    ),
    Fault(
        "end of the process in the reference", operator(reference="os._exit(0)"), ("behaviour/methods",), "exit code 0"
    ),
]
