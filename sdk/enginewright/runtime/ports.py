"""Checks what a caller binds to an engine's inputs and outputs, and says what was given and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.errors import InputDetails, InputError, UsageError
from enginewright.plan.meta import Items as ItemRecord, Port
from enginewright.tensors import DataType, ItemSpec, as_objects

Array = np.ndarray[Any, Any]
Items = list[Any]


@dataclass(frozen=True)
class PortInfo:
    """An input or output of an engine: name, type, and its shape, where a text names a size that may vary.

    `items`: what a sequence (a list of arrays) or an optional (None, or what it holds) may hold.
    """

    name: str
    dtype: DataType
    shape: tuple[int | str, ...]
    items: ItemSpec | None = None

    @staticmethod
    def of(port: Port) -> PortInfo:
        """The port that a plan records."""
        return PortInfo(port.name, DataType(port.dtype), tuple(port.shape), _items(port.items))

    def __str__(self) -> str:
        if self.items is not None:
            return f"{self.dtype} of {self.items}"
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

    def array(self, given: Any) -> Array:
        """An array, or what NumPy makes one of; `InputError` for lists of different lengths and the like."""
        try:
            return np.asarray(given)
        except (ValueError, TypeError) as error:
            raise self._refused(f"is {type(given).__name__}, no array: {error}", "Give a NumPy array.") from error

    def hold(self, given: Any) -> Items:
        """What a slot holds of a sequence or an optional: a list of checked arrays; `InputError` for another."""
        assert self.items is not None
        held: Items = self._held(given, ItemSpec(self.dtype, (), self.items))
        return held

    def _held(self, given: Any, wanted: ItemSpec) -> Any:
        """An item of a sequence, as it is kept."""
        if wanted.items is None:
            return self._item(as_objects(self.array(given)), wanted)
        if wanted.dtype is DataType.OPTIONAL:
            return [] if given is None else [self._held(given, wanted.items)]
        if not isinstance(given, list | tuple):
            raise self._refused(f"is {type(given).__name__}", "Give a list of arrays.")
        return [self._held(item, wanted.items) for item in given]

    def _item(self, array: Array, wanted: ItemSpec) -> Array:
        found = ItemSpec(DataType.of(array), array.shape)
        fits = found.dtype is wanted.dtype and (
            wanted.shape is None
            or (
                len(wanted.shape) == array.ndim
                and all(size in (None, given) for size, given in zip(wanted.shape, array.shape, strict=True))
            )
        )
        if not fits:
            raise self._refused(f"holds {found}", f"Each item must be {wanted}.")
        return np.ascontiguousarray(array).reshape(array.shape)

    def _refused(self, what: str, hint: str) -> InputError:
        details = InputDetails(self.name, what.partition(" ")[2], str(self))
        return InputError(f'input "{self.name}" {what}', hint=hint, details=details)

    def give(self, held: Items) -> Any:
        """What a slot holds of a sequence or an optional, for the caller: copies of the arrays."""
        found = [item.copy() if isinstance(item, np.ndarray) else [part.copy() for part in item] for item in held]
        if self.dtype is DataType.OPTIONAL:
            return found[0] if found else None
        return found

    def refuse(self, what: str, array: Array, allowed: str) -> InputError:
        """The error for an array whose sizes no profile admits."""
        hint = "Give shapes inside one profile, or build with another."
        return self._error(f"is outside every profile: {what}", array, allowed, hint)

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


def _items(record: ItemRecord | None) -> ItemSpec | None:
    if record is None:
        return None
    shape = None if record.shape is None else tuple(record.shape)
    return ItemSpec(DataType(record.dtype), shape, _items(record.items))
