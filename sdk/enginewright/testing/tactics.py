"""Tactics: each gives what the reference gives, for every case, data type and field value that it accepts."""

from __future__ import annotations

from collections.abc import Iterator

from enginewright.compiler.checking import disagreement
from enginewright.compiler.choice import Choice
from enginewright.compiler.one_step import one_step
from enginewright.device.c_compiler import compiler
from enginewright.device.kernels import CudaSource, KernelSource
from enginewright.device.nvrtc import has_nvrtc
from enginewright.errors import EnginewrightError, PluginError
from enginewright.registry.faults import plugin_faults
from enginewright.registry.registry import Launch, Tactic, run_reference
from enginewright.tensors import DataType, TensorSpec
from enginewright.testing.checks import Skipped, check
from enginewright.testing.gpu import gpu_choices, has_gpu_tactics, late_run, no_gpu
from enginewright.testing.kernel_calls import watched_kernel
from enginewright.testing.subject import FLOATS, Case, Subject, choices_of, layer_of


def declared_tactics(subject: Subject) -> list[Tactic]:
    """All tactics; `Skipped` if there is none."""
    if not subject.tactics:
        raise Skipped("the operator has no tactic but its reference")
    return subject.tactics


COMMON = "sm_80"
"""An architecture that sources are compiled for where there is no GPU."""


@check(
    "tactics/kernels",
    "every kernel can be compiled or opened",
    "Correct the source, or build the library with the header of this host.",
)
def kernels(subject: Subject) -> Iterator[str]:
    """Load each one."""
    missing = ""
    for tactic in declared_tactics(subject):
        if not isinstance(tactic.kernel, KernelSource):
            continue
        if lacking := _missing(tactic.kernel):
            missing = lacking
            continue
        try:
            _make_ready(tactic.kernel)
        except EnginewrightError as error:
            yield f"tactic {tactic.name}: [{error.code}] {error.message}"
    if missing:
        raise Skipped(missing)


def _missing(kernel: KernelSource) -> str:
    """What is not on this machine that a kernel needs to be made ready; empty for a kernel that can be."""
    if kernel.level == 1 and compiler() is None:
        return "there is no C compiler"
    if isinstance(kernel, CudaSource):
        return "" if has_nvrtc() else "there is no NVRTC"
    return no_gpu() if kernel.target == "cuda" else ""


def _make_ready(kernel: KernelSource) -> None:
    """Load a kernel; CUDA source is only compiled where there is no GPU."""
    if isinstance(kernel, CudaSource) and no_gpu():
        kernel.compile(COMMON)
    else:
        kernel.load()


@check(
    "tactics/refusals",
    "tactics accept something, and say why they refuse",
    "Return ew.Launch or a reason; let examples() or cases= show what the tactic accepts.",
)
def refusals(subject: Subject) -> Iterator[str]:
    """Ask each tactic about every case in every data type."""
    for tactic in declared_tactics(subject):
        answers = [(case, _answer(tactic, case)) for case in every_case(subject)]
        for case, answer in answers:
            if isinstance(answer, str) and not answer.strip():
                yield f"tactic {tactic.name} refuses {case.label} without a reason"
            elif not isinstance(answer, str | Launch | PluginError):
                yield f"tactic {tactic.name} returns {type(answer).__name__} for {case.label}"
        if all(isinstance(answer, str) for _, answer in answers):
            yield f"tactic {tactic.name} accepts no case; the first answer: {answers[0][1]}"


def _answer(tactic: Tactic, case: Case) -> object:
    """What the tactic returns, or the error for what it raises, of which behaviour/methods tells."""
    try:
        with plugin_faults(str(case.op.KEY), f"tactic {tactic.name}"):
            return tactic.plan(case.op, *[None if t is None else t.spec for t in layer_of(case).inputs])
    except PluginError as error:
        return error


@check(
    "tactics/agree",
    "every tactic gives what the reference gives",
    "Correct the kernel or its params, refuse what it does not do, or declare tolerance= in ew.operator.",
)
def agree(subject: Subject) -> Iterator[str]:
    """Run each kernel on every case, in every data type it accepts, and with other values of the fields."""
    declared_tactics(subject)
    given, wild = subject.usable(), set[str]()
    for case in (*every_case(subject), *subject.varied()):
        for choice in choices_of(case):
            kernel = watched_kernel(case, choice)
            overruns = kernel.call().overruns if kernel else ()
            if overruns and case in given:
                wild.add(choice.tactic)  # memory/guards tells; it is never run in memory that is not watched
            problem = "" if choice.tactic in wild else overruns[0] if overruns else compared(case, choice)
            if problem:
                yield f"tactic {choice.tactic}, {case.label}: {problem}"
        for choice in gpu_choices(case) if has_gpu_tactics(subject) and not no_gpu() else ():
            if problem := late_run(case, choice):
                yield f"tactic {choice.tactic}, {case.label}: {problem}"


def every_case(subject: Subject) -> Iterator[Case]:
    """All cases, those of floats again in the other float types that shape rule and reference take."""
    for case in subject.usable():
        yield case
        first = next((item.dtype for item in case.inputs if isinstance(item, TensorSpec)), None)
        for dtype in FLOATS if first in FLOATS else ():
            made = case.with_dtype(first, dtype) if first is not None and dtype is not first else None
            if made is not None and _is_possible(made):
                yield made


def _is_possible(case: Case) -> bool:
    try:
        specs, outputs = case.infer(), case.reference(case.arrays())
    except (EnginewrightError, TypeError):
        return False
    return [spec.dtype for spec in specs] == [DataType.of(output) for output in outputs]


def compared(case: Case, choice: Choice) -> str:
    """How a tactic's outputs differ from the reference's; empty if they don't."""
    layer = layer_of(case)
    made = one_step(layer, choice, [None if t is None else t.spec for t in layer.inputs], 1)
    if made is None:
        return "no plan of this layer alone can be made"
    arrays, position = case.arrays(7), 0
    for index, item in enumerate(case.inputs):
        array = arrays[index]
        if isinstance(item, TensorSpec) and array is not None and item.dtype is not DataType.STRING:
            made.session.bind_input(position, array)
        position += isinstance(item, TensorSpec)
    expected = run_reference(case.op, case.arrays(7))
    try:
        made.session.run()
    except EnginewrightError as error:
        return f"fails where the reference does not: {error.message}"
    return disagreement(case.op, expected, made.outputs())
