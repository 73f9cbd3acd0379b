"""Writes an operator's fields into a plan and reads them back; no pickle, only numbers, text and tuples of them."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from enginewright.dims import Dim
from enginewright.errors import BuildError, EnginewrightError, PlanDetails, PlanInvalid, PluginInvalid
from enginewright.plan.meta import OperatorRecord
from enginewright.registry.registry import Key, registry
from enginewright.tensors import DataType


def operator_record(op: Any) -> OperatorRecord:
    """The record of an operator: its key and each field as (name, kind, text)."""
    return OperatorRecord(str(op.KEY), [(f.name, *_write(getattr(op, f.name), op)) for f in dataclasses.fields(op)])


def restore_operator(record: OperatorRecord) -> Any:
    """The operator that a record describes; `PluginNotFound` if its class is not registered, else `PlanInvalid`."""
    try:
        values = {name: _read(kind, text) for name, kind, text in record.fields}
        key = Key.parse(record.key)
    except (ValueError, TypeError, KeyError, RecursionError, PluginInvalid) as error:
        raise _unreadable(record, error) from None
    cls = registry.operator(key)
    try:
        return cls(**values)
    except (ValueError, TypeError, ArithmeticError, EnginewrightError) as error:
        raise _unreadable(record, error) from None


def _unreadable(record: OperatorRecord, error: Exception) -> PlanInvalid:
    text = f"operator {record.key!r} of the plan can't be restored: {type(error).__name__}: {error}"
    return PlanInvalid(text, hint="Build the plan again.", details=PlanDetails("plan", "operators"))


def _write(value: Any, op: Any) -> tuple[str, str]:
    if value is None:
        return "none", ""
    if isinstance(value, DataType):
        return "dtype", value.name
    if isinstance(value, bool):
        return "bool", str(int(value))
    if isinstance(value, int):
        return "int", str(value)
    if isinstance(value, float):
        return "float", value.hex()
    if isinstance(value, str):
        return "str", value
    if isinstance(value, bytes):
        return "bytes", base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return "tuple", json.dumps([_write(item, op) for item in value], separators=(",", ":"))
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return "array", json.dumps([DataType.of(value).name, list(value.shape), data], separators=(",", ":"))
    hint = "Give the layer a kernel, or fields of plain types."
    if isinstance(value, Dim):
        raise BuildError(f"{op.KEY} holds the size {value}, which a Python step can't carry", hint=hint)
    raise BuildError(f"{op.KEY} holds a {type(value).__name__}, which a Python step can't carry", hint=hint)


def _read(kind: str, text: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "none": lambda t: None,
        "dtype": lambda t: DataType[t],
        "bool": lambda t: bool(int(t)),
        "int": int,
        "float": float.fromhex,
        "str": str,
        "bytes": base64.b64decode,
        "tuple": lambda t: tuple(_read(inner, value) for inner, value in json.loads(t)),
        "array": _array,
    }
    return readers[kind](text)


def _array(text: str) -> Any:
    dtype, shape, data = json.loads(text)
    return np.frombuffer(base64.b64decode(data), DataType[dtype].numpy).reshape(shape)
