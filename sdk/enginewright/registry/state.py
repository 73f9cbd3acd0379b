"""The typed fields of a plugin's operator: which types they may have, their values made canonical, their schema.

Fields are an operator's whole state: what a plan saves and what attributes of ONNX nodes become. So their types are
checked when the class is declared, and their values whenever an instance is made.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum
from typing import Any, ClassVar

import numpy as np

from enginewright.errors import NetworkError, PluginInvalid
from enginewright.tensors import DataType

ALLOWED = (
    "bool, int, float, str, bytes, an Enum, ew.DataType, a tuple of one of these (tuple[int, ...], not of "
    "tuples), np.ndarray (for tables), or one of these | None"
)
_SCALARS: dict[Any, str] = {bool: "bool", int: "int", float: "float", str: "str", bytes: "bytes", DataType: "dtype"}


@dataclass(frozen=True, slots=True)
class FieldType:
    """What a field may hold: `kind` is bool, int, float, str, bytes, dtype, enum or array.

    `length`: of a tuple of these; -1 for any length, None for a single value. `optional`: None is allowed, too.
    """

    kind: str
    enum: type[Enum] | None = None
    length: int | None = None
    optional: bool = False

    def __str__(self) -> str:
        name = self.enum.__name__ if self.enum else self.kind
        if self.length is not None:
            name = f"tuple[{name}, ...]" if self.length < 0 else f"tuple of {self.length} {name}"
        return f"{name} | None" if self.optional else name

    def canonical(self, value: Any) -> Any:
        """The value in the one form in which it is saved; ValueError where it is none of this type."""
        if value is None and self.optional:
            return None
        if self.length is None:
            return self._one(value)
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = value.tolist()
        if not isinstance(value, list | tuple) or self.length not in (-1, len(value)):
            raise ValueError(f"{value!r} is no {self}")
        return tuple(self._one(item) for item in value)

    def _one(self, value: Any) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        try:
            return _READERS[self.kind](value, self.enum)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ValueError(f"{_shortened(value)} is no {self}") from None


def _exactly(*types_: type) -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, types_) or (isinstance(value, bool) and bool not in types_):
            raise TypeError
        return value

    return read


def _bool(value: Any, _: Any) -> bool:
    if not isinstance(value, int) or value not in (0, 1):  # ONNX has no boolean attributes
        raise TypeError
    return bool(value)


def _float(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _dtype(value: Any, _: Any) -> DataType:
    return DataType[value.upper()] if isinstance(value, str) else DataType(value)


def _enum(value: Any, enum: type[Enum]) -> Enum:
    if isinstance(value, enum):
        return value
    return enum[value] if isinstance(value, str) and value in enum.__members__ else enum(value)


def _array(value: Any, _: Any) -> np.ndarray[Any, Any]:
    array = np.array(value, order="C")  # a copy: what a frozen operator holds never changes
    if DataType.of(array) is DataType.STRING:
        raise TypeError
    array.flags.writeable = False
    return array


def _bytes(value: Any, _: Any) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(_exactly(bytes)(value, None))


_READERS: dict[str, Callable[[Any, Any], Any]] = {
    "bool": _bool, "int": _exactly(int), "float": _float, "str": _exactly(str), "bytes": _bytes,
    "dtype": _dtype, "enum": _enum, "array": _array,
}  # fmt: skip


def field_types(cls: type[Any], key: object) -> dict[str, FieldType]:
    """The type of each field of a dataclass; `PluginInvalid` names the first that can't be saved."""
    try:
        hints = typing.get_type_hints(cls)
    except Exception as error:
        raise PluginInvalid(
            f"{key}: the types of its fields can't be read: {error}",
            hint="Import the names that the annotations use, at the top of the module.",
        ) from error
    return {item.name: _field_type(item, hints[item.name], key) for item in fields(cls)}


def _field_type(item: Field[Any], hint: Any, key: object) -> FieldType:
    found = read_type(hint)
    if found is None:
        shown = getattr(hint, "__name__", None) if isinstance(hint, type) and not typing.get_args(hint) else hint
        raise PluginInvalid(f'{key}: field "{item.name}" is {shown}, which is not saved', hint=f"Use {ALLOWED}.")
    if item.default is not MISSING:
        try:
            found.canonical(item.default)
        except ValueError as error:
            raise PluginInvalid(
                f'{key}: the default of field "{item.name}": {error}', hint=f"Give it a value of type {found}."
            ) from None
    return found


def read_type(hint: Any) -> FieldType | None:
    """The field type that an annotation means, None where fields can't have it."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        inner = read_type(rest[0]) if len(rest) == 1 else None
        return None if inner is None else FieldType(inner.kind, inner.enum, inner.length, optional=True)
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        if len(parts) == 2 and parts[1] is Ellipsis:
            return _tuple_type(parts[0], -1)
        return _tuple_type(parts[0], len(parts)) if parts and all(part == parts[0] for part in parts) else None
    if hint is np.ndarray or typing.get_origin(hint) is np.ndarray:
        return FieldType("array")
    return _scalar_type(hint)


def _tuple_type(element: Any, length: int) -> FieldType | None:
    inner = _scalar_type(element)
    return None if inner is None else FieldType(inner.kind, inner.enum, length)


def _scalar_type(hint: Any) -> FieldType | None:
    if hint in _SCALARS:
        return FieldType(_SCALARS[hint])
    return FieldType("enum", hint) if isinstance(hint, type) and issubclass(hint, Enum) else None


def schema_hash(types_: Mapping[str, FieldType]) -> str:
    """A digest of the names and types of the fields, in order: what a saved state must fit."""
    listed = [[name, str(kind), [*kind.enum.__members__] if kind.enum else []] for name, kind in types_.items()]
    return hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).hexdigest()[:32]


class State:
    """Mixed into a plugin's operator class: makes the values of its fields canonical, compares arrays by content."""

    KEY: ClassVar[Any]
    FIELDS: ClassVar[Mapping[str, FieldType]]

    def _set_fields(self) -> None:
        for name, kind in self.FIELDS.items():
            try:
                object.__setattr__(self, name, kind.canonical(getattr(self, name)))
            except ValueError as error:
                raise NetworkError(
                    f'{self.KEY}: field "{name}": {error}', hint=f"Give a value of type {kind}.", where=f"{self.KEY}"
                ) from None


def identity(op: Any) -> tuple[Any, ...]:
    """What two instances of a class have in common if they are equal; arrays and NaN by their content."""
    return tuple(_content(getattr(op, name)) for name in op.FIELDS)


def _content(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, float):
        return value.hex() if math.isfinite(value) else str(value)
    return tuple(_content(item) for item in value) if isinstance(value, tuple) else value


def check_field_names(cls: type[Any], given: Mapping[str, Any]) -> None:
    """`NetworkError` for names that are no fields of the operator, with the nearest one, and for missing ones."""
    known = {item.name: item for item in fields(cls)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            guess = f' Did you mean "{near[0]}"?' if near else ""
            raise NetworkError(
                f'{cls.KEY} has no field "{name}"',
                hint=f"Its fields are: {describe_fields(cls)}.{guess}",
            )
    for name, item in known.items():
        if name not in given and item.default is MISSING and item.default_factory is MISSING:
            raise NetworkError(f'{cls.KEY} needs the field "{name}"', hint=f"Its fields are: {describe_fields(cls)}.")


def describe_fields(cls: type[Any]) -> str:
    """The fields with types and defaults, as one line: ``beta: float = 1.0``."""
    listed = getattr(cls, "FIELDS", {})
    parts = []
    for item in fields(cls):
        default = "" if item.default is MISSING else f" = {_shortened(item.default)}"
        parts.append(f"{item.name}: {listed.get(item.name, item.type)}{default}")
    return ", ".join(parts) or "none"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
