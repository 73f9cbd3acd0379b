"""Turns frozen dataclasses into canonical JSON and back, refusing every byte sequence that it would not write itself.

The rules of the plan format, section 4: sorted keys, no spaces, only objects, arrays, strings, booleans, null and
integers of 64 bits; a real number is a string made by `float.hex()`. Field types may be `str`, `int`, `bool`, `float`,
`X | None`, `tuple[X, ...]` and dataclasses of these.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from functools import cache
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from enginewright_compat.layout import MAX_DEPTH, MAX_NAME

Record = TypeVar("Record")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def canonical_json(value: object) -> bytes:
    """Return the one spelling of a plain value as UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse_canonical(data: bytes) -> object:
    """Return the plain value of canonical JSON; raise ValueError if it is JSON in another spelling, or none."""
    try:
        value = json.loads(data.decode(), parse_float=_refuse_real, parse_constant=_refuse_real)
        _check_plain(value, 0)
        canonical = canonical_json(value)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from None
    if canonical != data:
        raise ValueError("not in canonical form: keys unsorted or twice, spaces, or another spelling")
    return value


def to_plain(value: object) -> object:
    """Return a record as plain JSON values."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_plain(element) for element in value]
    return value.hex() if isinstance(value, float) else value


def from_plain(cls: type[Record], value: object, *, strict: bool) -> Record:
    """Return a record from plain JSON values; raise ValueError that names the field at fault.

    With `strict` the keys must be exactly the fields. Without, as for an artifact of another release, unknown keys are
    ignored and missing ones take their default.
    """
    record = _convert(cls, value, cls.__name__, strict)
    assert isinstance(record, cls)
    return record


def _refuse_real(text: str) -> NoReturn:
    raise ValueError(f"the real number {text}, which must be a string made by float.hex()")


def _check_plain(value: object, depth: int) -> None:
    """Check depth, integer range and text of everything in a decoded value; texts first, as most values are."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    kind = type(value)
    if kind is str:
        check_text(value)  # type: ignore[arg-type]
    elif kind is dict:
        for key, element in value.items():  # type: ignore[attr-defined]
            check_text(key)
            _check_plain(element, depth + 1)
    elif kind is list:
        for element in value:  # type: ignore[attr-defined]
            _check_plain(element, depth + 1)
    elif kind is int and not -(1 << 63) <= value < 1 << 63:  # type: ignore[operator]
        raise ValueError("an integer of more than 64 bits")


def check_text(text: str) -> None:
    """Raise ValueError unless the text is at most 1,024 bytes of UTF-8 without control characters."""
    if len(text) * 4 > MAX_NAME and len(text.encode()) > MAX_NAME:
        raise ValueError(f"a text of more than {MAX_NAME} bytes")
    if _CONTROL.search(text):
        raise ValueError(f"control characters in {text[:40]!r}")


@cache
def _field_types(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


@cache
def _form(kind: Any) -> tuple[str, Any]:
    """Return what a field type is: a record, an array or an optional value of another type, or a plain type."""
    if dataclasses.is_dataclass(kind):
        return "record", kind
    if get_origin(kind) is tuple:
        return "array", get_args(kind)[0]
    return ("optional", get_args(kind)[0]) if get_origin(kind) is types.UnionType else ("plain", kind)


def _convert(kind: Any, value: object, where: str, strict: bool) -> object:
    """Return `value` as the type `kind`, which stands at `where`."""
    form, inner = _form(kind)
    if form == "array":
        if not isinstance(value, list):
            raise ValueError(f"{where} is no array")
        return tuple(_convert(inner, v, f"{where}[{i}]", strict) for i, v in enumerate(value))
    if form == "record":
        return _convert_record(inner, value, where, strict)
    if form == "optional":
        return None if value is None else _convert(inner, value, where, strict)
    if kind is float:
        return _convert_real(value, where)
    if type(value) is not kind:
        raise ValueError(f"{where} is no {kind.__name__}")
    return value


def _convert_record(cls: Any, value: object, where: str, strict: bool) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no object")
    hints = _field_types(cls)
    if strict and value.keys() != hints.keys():
        raise ValueError(f"{where} has the keys {', '.join(value)}; expected {', '.join(sorted(hints))}")
    fields = {
        name: _convert(kind, value[name], f"{where}.{name}", strict) for name, kind in hints.items() if name in value
    }
    try:
        record: object = cls(**fields)
    except TypeError:
        raise ValueError(f"{where} lacks a key that every release writes") from None
    return record


def _convert_real(value: object, where: str) -> float:
    """Return a real number from its one spelling."""
    try:
        number = float.fromhex(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or number.hex() != value:
        raise ValueError(f"{where} is no real number made by float.hex()")
    return number
