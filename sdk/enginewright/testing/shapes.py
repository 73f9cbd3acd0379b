"""Shapes: the rule `infer` is pure, and says what the reference really gives, for numbers and for symbols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from enginewright.dims import Atom, Check, Dim, Size, collect_checks, substitute
from enginewright.errors import EnginewrightError, InputError, PluginError
from enginewright.registry.registry import infer_specs
from enginewright.tensors import DataType, TensorSpec
from enginewright.testing.checks import Skipped, check
from enginewright.testing.subject import Case, Subject

MAX_CASES = 8


@check(
    "shapes/pure",
    "infer is pure",
    "Let infer depend on its arguments and the fields only.",
)
def pure(subject: Subject) -> Iterator[str]:
    """Ask again after all other cases were asked."""
    first = [case.infer() for case in subject.usable()]
    for case, before in zip(subject.usable(), first, strict=True):
        after = case.infer()
        if after != before:
            yield f"{case.label}: infer gives {_listed(before)}, and later {_listed(after)}"


@check(
    "shapes/static",
    "infer says what the reference gives",
    "Let infer and reference agree in number, data types, shapes and known contents of the outputs.",
)
def static(subject: Subject) -> Iterator[str]:
    """With all sizes known."""
    for case in subject.usable():
        yield from _compared(case, case.infer(), {})


@check(
    "shapes/symbolic",
    "infer agrees with symbolic sizes, 0 and 1 among them",
    "Calculate sizes with ew.Dim's operations; raise ew.ShapeError for sizes that the operator does not take.",
)
def symbolic(subject: Subject) -> Iterator[str]:
    """One symbol for each axis, at the sizes of the case and with each size replaced by 0, 1 and another number."""
    tried = 0
    for case in subject.usable()[:MAX_CASES]:
        symbols = _symbols(case)
        if not symbols:
            continue
        tried += 1
        specs, checks, problem = _symbolic_specs(case)
        if problem:
            yield problem
            continue
        for variant in (case, *_resized(case)):
            yield from _at_sizes(variant, specs, checks)
    if not tried:
        raise Skipped("no case has a size above 1")


def _at_sizes(variant: Case, specs: tuple[TensorSpec, ...], checks: Sequence[Check]) -> Iterator[str]:
    """Yield how the symbolic rule, the static rule and the reference differ at these sizes."""
    symbols = _symbols(variant)
    try:
        known = variant.infer()
    except PluginError as error:
        yield f"{variant.label}: {error.message}"
        return
    except EnginewrightError:
        return  # sizes that the operator refuses
    if not _runs(variant):
        return  # an index may be outside other sizes
    broken = [c for c in checks if not _holds(c, symbols)]
    if broken:
        one = broken[0]
        yield f"{variant.label}: infer accepts the sizes, and its check fails: {one.a} {one.kind} {one.b}"
        return
    yield from _compared(variant, known, symbols)
    yield from _compared(variant, specs, symbols)


def _runs(case: Case) -> bool:
    """False where the reference refuses the data, or fails at integers, which may be indices."""
    has_indices = any(spec is not None and spec.dtype.is_integer for spec in case.specs())
    try:
        case.reference(case.arrays())
    except EnginewrightError as error:
        return not (has_indices or isinstance(error, InputError))
    return True


def _holds(one: Check, symbols: Mapping[str, int]) -> bool:
    a, b = (substitute(size, _lookup(symbols)) for size in (one.a, one.b))
    if not isinstance(a, int) or not isinstance(b, int):
        return True
    return {"equal": a == b, "broadcast": a == b or 1 in (a, b), "at_least": a >= b, "at_most": a <= b}[one.kind]


def _symbols(case: Case) -> dict[str, int]:
    """The symbol of each axis with its size; an axis of size 1 in the case itself is no symbol."""
    return {
        f"d{number}_{axis}": int(size)
        for number, item in enumerate(case.inputs)
        if isinstance(item, TensorSpec)
        for axis, size in enumerate(item.shape)
        if isinstance(size, int)
    }


def _symbolic_specs(case: Case) -> tuple[tuple[TensorSpec, ...], list[Check], str]:
    """What infer says of symbols, the checks that it recorded, and why it failed."""
    given: list[TensorSpec | None] = []
    for number, (item, spec) in enumerate(zip(case.inputs, case.specs(), strict=True)):
        if isinstance(item, TensorSpec):
            sizes = (size if size == 1 else Dim(f"d{number}_{axis}") for axis, size in enumerate(item.shape))
            given.append(TensorSpec(item.dtype, tuple(sizes), uid=number))
        else:
            given.append(spec)
    try:
        with collect_checks() as checks:
            return infer_specs(case.op, given), checks, ""
    except EnginewrightError as error:
        return (), [], f"{case.label}, each size a symbol: {error.message}"


def _resized(case: Case) -> Iterator[Case]:
    """The case with all axes of one size changed, to 0, to 1, and to another size."""
    sizes = sorted({size for size in _symbols(case).values() if size > 1})
    for size in sizes[:4]:
        for new in (0, 1, size + 3):
            yield case.with_sizes({size: new}, f"{new} for {size}")


@check(
    "shapes/bounds",
    "upper bounds of data-dependent sizes hold",
    "Give ew.Dim.data an upper bound that holds for all data: the kernel's memory has that size.",
)
def bounds(subject: Subject) -> Iterator[str]:
    """Random data, zeros, ones, ascending and negative numbers."""
    found = False
    for case in subject.usable():
        specs = case.infer()
        bounded = [(i, axis, u) for i, spec in enumerate(specs) for axis, u in enumerate(map(_upper, spec.shape)) if u]
        found = found or bool(bounded)
        for arrays in _data(case) if bounded else ():
            outputs = case.reference(arrays)
            for index, axis, upper in bounded:
                real = np.shape(outputs[index])[axis]
                if isinstance(upper, int) and real > upper:
                    yield f"{case.label}: output {index} has the size {real} on axis {axis}, its upper bound is {upper}"
    if not found:
        raise Skipped("no size depends on data")


def _data(case: Case) -> Iterator[list[Any]]:
    yield from (case.arrays(seed) for seed in range(4))
    for make in (np.zeros_like, np.ones_like, _ascending):
        yield [
            make(array) if isinstance(item, TensorSpec) and array is not None and not item.dtype.is_integer else array
            for item, array in zip(case.inputs, case.arrays(), strict=True)
        ]


def _ascending(array: Any) -> Any:
    return np.arange(array.size).reshape(array.shape).astype(array.dtype)


def _upper(size: Size) -> Any:
    """The upper bound of a data-dependent size, None for any other."""
    if isinstance(size, int) or size.atoms[0].kind != "data" or not size.atoms[0].sizes:
        return None
    return size.atoms[0].sizes[0]


def _lookup(symbols: Mapping[str, int]) -> Any:
    def find(atom: Atom) -> Size | None:
        return symbols.get(str(atom.args[0])) if atom.kind == "symbol" else None

    return find


def _compared(case: Case, specs: tuple[TensorSpec, ...], symbols: Mapping[str, int]) -> Iterator[str]:
    """Yield how specs differ from what the reference gives."""
    try:
        outputs = case.reference(case.arrays())
    except PluginError as error:
        yield f"{case.label}: infer accepts it, and {error.message}"
        return
    if len(specs) != len(outputs):
        yield f"{case.label}: infer says {len(specs)} outputs, the reference gives {len(outputs)}"
        return
    for index, (spec, output) in enumerate(zip(specs, map(np.asarray, outputs), strict=True)):
        problem = _difference(spec, output, symbols)
        if problem:
            yield f"{case.label}: output {index}: {problem}"


def _difference(spec: TensorSpec, output: Any, symbols: Mapping[str, int]) -> str:
    if DataType.of(output) is not spec.dtype:
        return f"infer says {spec.dtype}, the reference gives {DataType.of(output)}"
    sizes = [substitute(size, _lookup(symbols)) for size in spec.shape]
    if len(sizes) != output.ndim or not all(_fits(a, b) for a, b in zip(sizes, output.shape, strict=True)):
        shown = ", ".join(map(str, sizes))
        return f"infer says the shape ({shown}), the reference gives {output.shape}"
    if spec.value is None:
        return ""
    known = [substitute(v, _lookup(symbols)) if isinstance(v, Dim) else v for v in spec.value]
    if any(isinstance(v, Dim) for v in known) or np.array_equal(np.array(known).reshape(output.shape), output):
        return ""
    return f"infer says it holds {known}, the reference gives {output.reshape(-1).tolist()}"


def _fits(size: Size, real: int) -> bool:
    """Whether a size is the real one, or depends on data."""
    return size == real or (isinstance(size, Dim) and any(atom.kind in ("data", "value") for atom in size.atoms))


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(map(str, specs))
