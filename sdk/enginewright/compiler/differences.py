"""Compares arrays of numbers: relative error of the whole, the largest difference, and where the maximum lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
RTOL_HALF = 1e-2
"""The least tolerance of 16-bit outputs, whatever is asked for the rest."""


@dataclass(frozen=True, slots=True)
class OutputComparison:
    """One output over all cases: `error` is the worst ‖out - ref‖/‖ref‖, `same_argmax` a share of rows, or None."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    error: float
    largest: float
    same_argmax: float | None
    passed: bool
    note: str = ""


def compare_output(name: str, pairs: Sequence[tuple[Array, Array]], rtol: float, atol: float) -> OutputComparison:
    """One output of several cases; `pairs` are (ours, reference)."""
    first = pairs[0][1]
    results = [compare(out, ref) for out, ref in pairs]
    error = max(result[0] for result in results)
    largest = max(result[1] for result in results)
    limit = max(rtol, RTOL_HALF) if first.dtype.itemsize == 2 and first.dtype.kind in "fV" else rtol
    passed = (error <= limit or largest <= atol) if _is_float(first) else error == 0.0
    shares = [share for out, ref in pairs if (share := _same_argmax(out, ref)) is not None]
    notes = "; ".join(dict.fromkeys(result[2] for result in results if result[2]))
    return OutputComparison(
        name, str(first.dtype), first.shape, error, largest, float(np.mean(shares)) if shares else None, passed, notes
    )


def _is_float(array: Array) -> bool:
    return array.dtype.kind in "fcV"


def compare(out: Array, ref: Array) -> tuple[float, float, str]:
    """(relative error, largest difference, note); both are infinite where shape, type or special values differ."""
    if out.shape != ref.shape or out.dtype != ref.dtype:
        text = f"{out.dtype} {list(out.shape)} here, {ref.dtype} {list(ref.shape)} there"
        return np.inf, np.inf, text
    if not _is_float(ref):
        wrong = np.count_nonzero(out != ref)
        return (np.inf, np.inf, f"{wrong} of {ref.size} elements differ") if wrong else (0.0, 0.0, "")
    return _compare_floats(_wide(out), _wide(ref))


def _compare_floats(out: Array, ref: Array) -> tuple[float, float, str]:
    special = ~np.isfinite(ref)
    same = np.array_equal(out[special], ref[special], equal_nan=True) and not np.any(~np.isfinite(out[~special]))
    if not same:
        return np.inf, np.inf, "NaN or infinity on one side only"
    note = "all NaN or infinite: nothing was compared" if special.size and special.all() else ""
    difference, scale = out[~special] - ref[~special], float(np.linalg.norm(ref[~special]))
    distance = float(np.linalg.norm(difference))
    largest = float(np.abs(difference).max(initial=0.0))
    return (distance / scale if scale else (np.inf if distance else 0.0)), largest, note


def _wide(array: Array) -> Array:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _same_argmax(out: Array, ref: Array) -> float | None:
    """The share of rows whose largest element is at the same place; None where there are no rows of scores."""
    if not _is_float(ref) or ref.dtype.kind == "c" or ref.ndim < 1 or ref.shape[-1] < 2 or not ref.size:
        return None
    if out.shape != ref.shape:
        return 0.0
    return float(np.mean(_wide(out).argmax(-1) == _wide(ref).argmax(-1)))
