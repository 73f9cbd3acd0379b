"""Writes an operator's fields into a plan and reads them back; no pickle, only numbers, text and tuples of them.

Arrays of a plugin's operator, and all texts, become weights of the plan; numbers of the SDK's own operators, which are
few, stay with the fields.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from enginewright._native.arrays import SUB_BYTE, unpack_sub_byte
from enginewright.dims import Dim
from enginewright.errors import BuildError, EnginewrightError, PlanDetails, PlanInvalid, PluginInvalid
from enginewright.plan.meta import OperatorRecord, Weight
from enginewright.plan.texts import decode_texts
from enginewright.registry.faults import OWN, plugin_faults
from enginewright.registry.registry import Key, registry
from enginewright.tensors import DataType


def operator_record(op: Any, add_weight: Callable[[str, Any], int]) -> OperatorRecord:
    """The record of an operator: its key and each field as (name, kind, text); `add_weight` keeps a large array."""
    fields = []
    for item in dataclasses.fields(op):
        value = getattr(op, item.name)
        if isinstance(value, np.ndarray) and (op.KEY.namespace != OWN or DataType.of(value) is DataType.STRING):
            place = [DataType.of(value).name, list(value.shape), add_weight(f"{op.KEY} {item.name}", value)]
            fields.append((item.name, "weight", json.dumps(place, separators=(",", ":"))))
        else:
            fields.append((item.name, *_write(value, op)))
    return OperatorRecord(str(op.KEY), fields)


def restore_operator(
    record: OperatorRecord, weights: Sequence[Weight] = (), data: npt.NDArray[np.uint8] | None = None
) -> Any:
    """The operator that a record describes; `PluginNotFound` if its class is not registered, else `PlanInvalid`."""
    try:
        values = {
            name: _weight(text, weights, data) if kind == "weight" else _read(kind, text)
            for name, kind, text in record.fields
        }
        key = Key.parse(record.key)
    except (ValueError, TypeError, KeyError, RecursionError, PluginInvalid) as error:
        raise _unreadable(record, error) from None
    cls = registry.operator(key)
    try:
        with plugin_faults(str(key), "__init__"):
            return cls(**values)
    except (ValueError, TypeError, ArithmeticError, EnginewrightError) as error:
        raise _unreadable(record, error) from None


def operator_weights(record: OperatorRecord, weights: Sequence[Weight]) -> Iterator[Weight]:
    """Yield the weights that the fields of an operator name, which `restore_operator` has read."""
    yield from (weights[json.loads(text)[2]] for _, kind, text in record.fields if kind == "weight")


def _unreadable(record: OperatorRecord, error: Exception) -> PlanInvalid:
    text = f"operator {record.key!r} of the plan can't be restored: {type(error).__name__}: {error}"
    return PlanInvalid(text, hint="Build the plan again.", details=PlanDetails("plan", "operators"))


def _write(value: Any, op: Any) -> tuple[str, str]:
    if value is None:
        return "none", ""
    if isinstance(value, DataType):
        return "dtype", value.name
    if isinstance(value, Enum):
        return "enum", value.name
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
    if isinstance(getattr(value, "KEY", None), Key):
        fields = [(item.name, *_write(getattr(value, item.name), op)) for item in dataclasses.fields(value)]
        return "operator", json.dumps([str(value.KEY), fields], separators=(",", ":"))
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
        "enum": str,  # the class knows which
        "bytes": base64.b64decode,
        "tuple": lambda t: tuple(_read(inner, value) for inner, value in json.loads(t)),
        "array": _array,
        "operator": _operator,
    }
    return readers[kind](text)


def _weight(text: str, weights: Sequence[Weight], data: npt.NDArray[np.uint8] | None) -> Any:
    dtype, shape, index = json.loads(text)
    kind = DataType[dtype]
    if data is None or not isinstance(index, int) or not 0 <= index < len(weights):
        raise ValueError(f"weight {index} is not there")
    memory = data[weights[index].offset : weights[index].offset + weights[index].length]
    if kind is DataType.STRING:
        return decode_texts(memory, shape)
    if kind in SUB_BYTE:
        return unpack_sub_byte(memory, shape, kind.numpy)
    return memory.view(kind.numpy).reshape(shape)


def _operator(text: str) -> Any:
    """An operator inside another, as its anchor."""
    key, fields = json.loads(text)
    return registry.operator(Key.parse(key))(**{name: _read(kind, value) for name, kind, value in fields})


def _array(text: str) -> Any:
    dtype, shape, data = json.loads(text)
    return np.frombuffer(base64.b64decode(data), DataType[dtype].numpy).reshape(shape)
