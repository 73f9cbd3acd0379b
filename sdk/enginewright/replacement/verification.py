"""Compares a subgraph with the operator that is to replace it: both run on generated inputs, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from enginewright.dims import Atom, Size, evaluate, substitute
from enginewright.errors import EnginewrightError
from enginewright.graph.network import Layer, Tensor
from enginewright.graph.opaque import Opaque
from enginewright.graph.pattern_fields import IGNORED
from enginewright.graph.patterns import Match
from enginewright.graph.sorting import in_order
from enginewright.registry.tolerance import tolerance_of
from enginewright.replacement.rules import Rule
from enginewright.tensors import DataType, TensorSpec

Array = np.ndarray[Any, Any]
Sizes = Mapping[str, int]
CASES = (
    ("normal", 1), ("normal", 0), ("normal", 2), ("ten", 1), ("ten", 2), ("zeros", 1), ("thousand", 1), ("thousand", 0),
)  # fmt: skip
"""The numbers of each input, and which of the smallest, usual and largest sizes it has."""
RANGES = {"ten": 10.0, "thousand": 1e3}
SENSITIVITY = 4
"""How many times as much as the original itself changes, when its inputs change in their last bit, is allowed more."""
UNKNOWN_SIZE = 5
MAX_ELEMENTS = 2**26
"""Larger cases run at the usual sizes instead."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether both agree: the status, the worst relative error, the number of inputs that ran, and what was wrong."""

    status: str
    error: float | None = None
    cases: int = 0
    reason: str = ""


class _Unverifiable(Exception):
    """Nothing can evaluate the original."""


def verify_match(rule: Rule, match: Match, op: Any, sizes: Sequence[Sequence[Sizes]]) -> Verdict:
    """Run the layers of a match and `op` on the same inputs.

    `sizes` are the smallest, usual and largest ones; of each several may be given, the first that can be used is taken.
    """
    original = _Original(rule, match)
    errors: list[float] = []
    compared, trouble = 0, ""
    for number, (numbers, which) in enumerate(CASES):
        case = _Case(numbers, np.random.default_rng(number))
        try:
            inputs, wanted = _run_original(original, case, [*sizes[which], *sizes[1]])
        except _Unverifiable as reason:
            trouble = str(reason)
            continue
        try:
            with np.errstate(all="ignore"):
                made = op.reference(*inputs)
            found = [np.asarray(item) for item in (made if isinstance(made, tuple) else (made,))]
            tolerance = max((tolerance_of(op, DataType.of(array)) for array in wanted), default=0.0)
            limit = tolerance + SENSITIVITY * original.sensitivity(inputs, wanted, case)
            error, reason_text = _compare(found, wanted)
        except Exception as failure:  # noqa: BLE001 - a plugin may raise anything
            return Verdict("failed", None, len(errors) + 1, f"{op.KEY} raised {type(failure).__name__}: {failure}")
        errors.append(error)
        compared += sum(array.size for array in wanted)
        if not error <= limit:
            text = reason_text or f"on {numbers} inputs the error is {error:.2g}, allowed is {limit:.2g}"
            return Verdict("failed", error if np.isfinite(error) else None, len(errors), text)
    if 2 * len(errors) < len(CASES):
        return Verdict("unverified", None, len(errors), trouble)
    if not compared:
        return Verdict("unverified", None, len(errors), "all outputs were empty for generated inputs")
    return Verdict("verified", max(errors), len(errors))


@dataclass(frozen=True)
class _Case:
    """How the numbers of one set of inputs are drawn."""

    numbers: str
    rng: np.random.Generator

    def make(self, tensor: Tensor, sizes: Sizes, *, small: bool) -> Array:
        """An array for a tensor; `small` integers are 0 or 1, valid indices nearly everywhere."""
        if tensor.const is not None:
            return tensor.const
        spec = tensor.spec
        shape = tuple(_number(size, sizes) for size in spec.shape)
        if spec.value is not None:
            known = [_number(value, sizes) if not isinstance(value, float) else value for value in spec.value]
            return np.array(known, spec.dtype.numpy).reshape(shape)
        return self._random(spec, shape, small=small)

    def _random(self, spec: TensorSpec, shape: tuple[int, ...], *, small: bool) -> Array:
        if spec.dtype is DataType.STRING:
            return np.full(shape, "text", object)
        if spec.dtype is DataType.BOOL:
            return self.rng.integers(0, 2, shape).astype(bool)
        if self.numbers == "zeros":
            return np.zeros(shape, spec.dtype.numpy)
        if spec.dtype.is_integer:
            low, high = (0, 2) if small or self.numbers == "normal" else (-10, 11)
            return self.rng.integers(0 if spec.dtype.name.startswith("UINT") else low, high, shape).astype(
                spec.dtype.numpy
            )
        reach = RANGES.get(self.numbers)
        drawn = self.rng.standard_normal(shape) if reach is None else self.rng.uniform(-reach, reach, shape)
        return drawn.astype(spec.dtype.numpy)


def _number(size: Size, sizes: Sizes) -> int:
    """A size as a number; what only a run can tell is some small one."""

    def known(atom: Atom) -> Size | None:
        if atom.kind == "symbol":
            return sizes.get(str(atom.args[0]), UNKNOWN_SIZE)
        return UNKNOWN_SIZE if atom.kind in ("value", "data") else None

    found = evaluate(substitute(size, known), {}) if not isinstance(size, int) else size
    if found < 0:
        raise ValueError(f"a size would be {found}")
    return found


class _Original:
    """The layers of a match, run by their references."""

    def __init__(self, rule: Rule, match: Match) -> None:
        self.rule, self.match = rule, match
        self.inputs = rule.inputs(match)
        self.order = in_order(reversed(match.layers))

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The match's results for these inputs."""
        values: dict[Tensor, Any] = dict(zip(self.inputs, arrays, strict=True))
        for layer in self.order:
            given = [None if t is None else values.get(t, t.const) for t in layer.inputs]
            made = self._reference(layer)(*given)
            outputs = made if isinstance(made, tuple | list) else (made,)
            values.update(zip(layer.outputs, map(np.asarray, outputs), strict=False))
        return [values[tensor] for tensor in self.match.results]

    def _reference(self, layer: Layer) -> Callable[..., Any]:
        op = layer.op
        if not isinstance(op, Opaque) or op.waits:
            found: Callable[..., Any] = op.reference
            return found
        name = f"{op.domain}::{op.op_type}"
        function = self.rule.reference(name)
        if function is None:
            raise _Unverifiable(f"nothing says what {name} computes: the rule has no reference= for it")
        attributes = {item: value for item, value in op.attributes.items() if item not in IGNORED}
        return lambda *arrays: function(*arrays, **attributes)

    def sensitivity(self, inputs: Sequence[Array], wanted: Sequence[Array], case: _Case) -> float:
        """How much the results change, relative to the largest one, where the inputs change in their last bit."""
        nudged = {
            tensor: array if tensor.const is not None else _nudge(array, case.rng)
            for tensor, array in zip(self.inputs, inputs, strict=True)
        }
        with np.errstate(all="ignore"):
            error, reason = _compare(self.run([nudged[tensor] for tensor in self.inputs]), wanted)
        return error if not reason and np.isfinite(error) else 0.0


def _run_original(original: _Original, case: _Case, sizes: Sequence[Sizes]) -> tuple[list[Array], list[Array]]:
    """Inputs and results at the first sizes at which the original can be run."""
    trouble = "no sizes are known"
    for chosen in sizes:
        for small in (False, True):
            try:
                arrays = {tensor: case.make(tensor, chosen, small=small) for tensor in dict.fromkeys(original.inputs)}
                inputs = [arrays[tensor] for tensor in original.inputs]
                if sum(array.size for array in inputs) > MAX_ELEMENTS:
                    trouble = "the inputs are too large"
                    continue
                with np.errstate(all="ignore"):
                    return inputs, original.run(inputs)
            except _Unverifiable:
                raise
            except Exception as error:  # noqa: BLE001 - generated inputs may be invalid in any way
                text = error.message if isinstance(error, EnginewrightError) else f"{type(error).__name__}: {error}"
                trouble = f"the original can't be run on generated inputs: {text}"
    raise _Unverifiable(trouble)


def _nudge(array: Array, rng: np.random.Generator) -> Array:
    if not DataType.of(array).is_float:
        return array
    step = float(ml_dtypes.finfo(array.dtype).eps) * rng.choice([-1.0, 1.0], array.shape)  # type: ignore[no-untyped-call]
    moved: Array = (array.astype(np.float64) * (1 + step)).astype(array.dtype)
    return moved


def _compare(found: Sequence[Array], wanted: Sequence[Array]) -> tuple[float, str]:
    """The largest difference relative to the largest number, of the worst output; a text where it is no number."""
    if len(found) != len(wanted):
        return np.inf, f"it gives {len(found)} outputs, the original {len(wanted)}"
    errors = [_difference(a, b) for a, b in zip(found, wanted, strict=True)]
    return max(errors, default=(0.0, ""))


def _difference(found: Array, wanted: Array) -> tuple[float, str]:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return np.inf, f"it gives {found.dtype}{list(found.shape)}, the original {wanted.dtype}{list(wanted.shape)}"
    if wanted.dtype.kind == "c":
        found, wanted = (np.stack((array.real, array.imag)) for array in (found, wanted))
    if not DataType.of(wanted).is_float:
        wrong = int(np.count_nonzero(found != wanted))
        return (np.inf, f"{wrong} of {wanted.size} elements differ") if wrong else (0.0, "")
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return np.inf, "NaN or infinity is on one side only"
    scale = float(np.abs(b[finite]).max(initial=0.0))
    largest = float(np.abs(a[finite] - b[finite]).max(initial=0.0))
    return (largest / scale if scale else (np.inf if largest else 0.0)), ""
