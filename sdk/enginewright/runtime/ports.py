"""Checks what a caller binds to an engine's inputs and outputs, and says what was given and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.errors import InputDetails, InputError, UsageError
from enginewright.plan.meta import Port, ProfileRecord
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PortInfo:
    """An input or output of an engine: name, type, and its shape, where a text names a size that may vary."""

    name: str
    dtype: DataType
    shape: tuple[int | str, ...]

    @staticmethod
    def of(port: Port) -> PortInfo:
        """The port that a plan records."""
        return PortInfo(port.name, DataType(port.dtype), tuple(port.shape))

    def __str__(self) -> str:
        return f"{' x '.join(str(size) for size in self.shape) or 'scalar'}   {self.dtype}"

    def check(self, array: Array, allowed: str) -> None:
        """Raise `InputError` unless type, rank and fixed sizes of the array are right."""
        if array.dtype != self.dtype.numpy:
            hint = "astype(object)" if self.dtype is DataType.STRING else f"astype({self.dtype})"
            raise self._error("has the wrong data type", array, allowed, f"Convert it with {hint}.")
        if self.dtype is DataType.STRING and not all(isinstance(text, str) for text in array.reshape(-1)):
            raise self._error("holds other things than texts", array, allowed, "Give str objects: decode bytes first.")
        if array.ndim != len(self.shape):
            raise self._error("has the wrong rank", array, allowed, f"Give {len(self.shape)} axes.")
        axes = [axis for axis, size in enumerate(self.shape) if isinstance(size, int) and size != array.shape[axis]]
        if axes:
            sizes = ", ".join(f"axis {axis} must be {self.shape[axis]}" for axis in axes)
            raise self._error("has the wrong shape", array, allowed, f"{sizes}; or build for another shape.")

    def refuse(self, array: Array, allowed: str, hint: str) -> InputError:
        """The error for an array whose sizes no profile admits."""
        return self._error("is outside every profile", array, allowed, hint)

    def _error(self, what: str, array: Array, allowed: str, hint: str) -> InputError:
        given = f"{' x '.join(map(str, array.shape)) or 'scalar'}   {array.dtype}"
        return InputError(
            f'input "{self.name}" {what}', hint=hint, details=InputDetails(self.name, given, allowed or str(self))
        )


def check_names(given: Mapping[str, Any], ports: Sequence[PortInfo]) -> None:
    """Raise `InputError` if an input is missing or unknown, `UsageError` where nothing has a name."""
    names = [port.name for port in ports]
    if not isinstance(given, dict | Mapping):  # dict first: it is the quick answer
        raise UsageError(f"the inputs are one {type(given).__name__}", hint=f"Give arrays by name: {', '.join(names)}.")
    missing = [name for name in names if name not in given]
    extra = [name for name in given if name not in names]
    if missing or extra:
        parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(extra)}"] * bool(extra)
        tensor = (missing or extra)[0]
        raise InputError(
            f"the inputs are not those of the engine; {'; '.join(parts)}",
            hint="Give each input once, by its name.",
            details=InputDetails(tensor, ", ".join(given) or "nothing", ", ".join(names)),
        )


def fitting_profile(profiles: Sequence[ProfileRecord], arrays: Mapping[str, Array]) -> int | None:
    """The first profile whose ranges hold all shapes, None if there is none; 0 where the plan has no profiles."""
    if not profiles:
        return 0
    for index, profile in enumerate(profiles):
        if all(_within(array.shape, profile.shapes[name]) for name, array in arrays.items()):
            return index
    return None


def _within(shape: tuple[int, ...], ranges: Sequence[tuple[int, int, int]]) -> bool:
    return all(low <= size <= high for size, (low, _, high) in zip(shape, ranges, strict=True))


def profile_text(profiles: Sequence[ProfileRecord], name: str) -> str:
    """The ranges of an input over all profiles, in words."""
    texts = []
    for profile in profiles:
        sizes = [str(low) if low == high else f"{low}..{high}" for low, _, high in profile.shapes[name]]
        texts.append(f"{' x '.join(sizes)} ({profile.name})")
    return " or ".join(texts)
