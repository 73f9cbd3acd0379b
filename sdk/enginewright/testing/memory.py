"""Memory: kernels stay inside what they were given, and depend on nothing that is in it by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from enginewright.compiler.checking import disagreement
from enginewright.errors import EnginewrightError
from enginewright.tensors import DataType
from enginewright.testing.checks import Skipped, check
from enginewright.testing.kernel_calls import NAN, QUIET, Surroundings, WatchedKernel, repeatable, same_bits, watched
from enginewright.testing.subject import Array, Case, Subject


def kernels(subject: Subject, which: Callable[[Case], Iterator[WatchedKernel]] = watched) -> list[WatchedKernel]:
    """All kernels at all cases; `Skipped` if there is none."""
    found = [kernel for case in subject.usable() for kernel in which(case)]
    if not found:
        raise Skipped("no tactic has a kernel whose memory can be watched")
    return found


@check(
    "memory/guards",
    "kernels write only inside outputs and workspace",
    "Check the kernel's loops against sizes and params, and Launch.workspace against what it uses.",
)
def guards(subject: Subject) -> Iterator[str]:
    """Guard bytes before and behind every piece of memory."""
    for kernel in kernels(subject):
        for problem in kernel.call().overruns:
            yield f"{kernel.label}: {problem}"


@check(
    "memory/reads",
    "kernels use only their inputs",
    "Check the kernel's loops: it reads before or behind an input.",
)
def reads(subject: Subject) -> Iterator[str]:
    """Other bytes around the memory must not matter."""
    for kernel in kernels(subject, repeatable):
        first = kernel.call(around=Surroundings(fill=QUIET, guard=0))
        for guard in (0x41, NAN):
            if not same_bits(first, kernel.call(around=Surroundings(fill=QUIET, guard=guard))):
                yield f"{kernel.label}: the result depends on bytes outside its inputs"
                break


@check(
    "memory/inputs",
    "inputs are left as they are",
    "Work on a copy, or declare alias= in ew.operator or inplace= in ew.tactic.",
)
def inputs(subject: Subject) -> Iterator[str]:
    """Neither kernels nor the reference write into inputs."""
    for case in subject.usable():
        arrays = case.arrays()
        kept = [None if a is None else a.copy() for a in arrays]
        case.op.reference(*arrays)
        for index, (before, after) in enumerate(zip(kept, arrays, strict=True)):
            if before is not None and after is not None and not _equal(before, after):
                yield f"reference, {case.label}: writes into input {index}"
        for kernel in watched(case):
            for index in kernel.call().changed:
                yield f"{kernel.label}: writes into input {index}"


def _equal(a: Array, b: Array) -> bool:
    return a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()


@check(
    "memory/undefined",
    "what is in outputs and workspace before a call does not matter",
    "Write every element of each output, and nothing is in the workspace before the kernel writes it.",
)
def undefined(subject: Subject) -> Iterator[str]:
    """NaN in all of it, then zeros."""
    for kernel in kernels(subject, repeatable):
        if not same_bits(kernel.call(around=Surroundings(fill=QUIET)), kernel.call(around=Surroundings(fill=NAN))):
            yield f"{kernel.label}: the result depends on what was in its outputs or workspace before the call"


@check(
    "memory/misaligned",
    "inputs and outputs may lie at any address that fits their type",
    "Use unaligned loads: memory of users is aligned to its element, not to 64 bytes.",
)
def misaligned(subject: Subject) -> Iterator[str]:
    """One element off the alignment to 64 bytes."""
    for kernel in kernels(subject, repeatable):
        aligned, found = kernel.call(), kernel.call(around=Surroundings(offset=1))
        problem = disagreement(kernel.case.op, aligned.outputs, found.outputs)
        if problem:
            yield f"{kernel.label}: {problem.replace('the reference', 'aligned memory')}"
        for overrun in found.overruns if not aligned.overruns else ():
            yield f"{kernel.label}: {overrun}"


@check(
    "memory/strided",
    "the reference takes arrays that are not contiguous",
    "Use NumPy's indexing, not the memory behind an array; numpy.ascontiguousarray makes a copy.",
)
def strided(subject: Subject) -> Iterator[str]:
    """Every second element of a larger array, axes in reverse order, and backwards."""
    for case in subject.usable():
        expected, again = ([np.asarray(a) for a in case.reference(case.arrays())] for _ in range(2))
        if disagreement(case.op, expected, again):
            continue  # behaviour/repeated tells
        for how in ("every second element", "Fortran order", "backwards"):
            try:
                found = case.reference([None if a is None else _strided(a, how) for a in case.arrays()])
            except EnginewrightError as error:
                yield f"{case.label}, {how}: {error.message}"
                continue
            problem = disagreement(case.op, expected, [np.asarray(a) for a in found])
            if problem:
                yield f"{case.label}, {how}: {problem.replace('the reference', 'contiguous inputs')}"


def _strided(array: Array, how: str) -> Array:
    """The same numbers with other strides."""
    if array.ndim == 0:
        return array
    if how == "Fortran order":
        return np.asfortranarray(array)
    step = 2 if how == "every second element" else -1
    size = array.shape[-1]
    memory = np.zeros((*array.shape[:-1], size * abs(step)), array.dtype)
    view = memory[..., ::step]
    view[...] = array
    return view


@check(
    "memory/shared",
    "shared memory of input and output gives the same result",
    "Read each element before it is overwritten, or leave inplace= out.",
)
def shared(subject: Subject) -> Iterator[str]:
    """In-place tactics on one piece of memory, and on two; aliases against the reference."""
    found = False
    for kernel in kernels(subject, repeatable):
        for index in kernel.choice.launch.inplace:
            found = True
            same = kernel.call(around=Surroundings(shared=index))
            if not same_bits(same, kernel.call()):
                yield f"{kernel.label}: in place of input {index} it gives another result"
        if kernel.alias is not None:
            found = True
            expected = [np.asarray(a) for a in kernel.case.reference(kernel.case.arrays())]
            problem = disagreement(kernel.case.op, expected, kernel.call().outputs)
            if problem:
                yield f"{kernel.label}: on the memory of input {kernel.alias}, {problem}"
    for case in subject.usable():
        for output, index in type(case.op).ALIAS.items():
            found = True
            array, result = case.arrays()[index], case.reference(case.arrays())[output]
            if array is None or np.shape(result) != array.shape or DataType.of(result) is not DataType.of(array):
                yield f"{case.label}: output {output} of the reference can't be the memory of input {index}"
    if not found:
        raise Skipped("nothing is declared with alias= or inplace=")
