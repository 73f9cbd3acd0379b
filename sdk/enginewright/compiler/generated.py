"""Makes arrays that a model can accept from a rule and a seed, the same numbers in every release."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from enginewright.plan.meta import Record
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]
FALLBACK_LIMIT = 2
SAMPLE_RATE = 16_000
_MASK = re.compile(r"mask", re.IGNORECASE)
_POSITION = re.compile(r"^pos(ition)?(_?ids?)?$|position_ids", re.IGNORECASE)
_RATE = re.compile(r"^sr$|sampl\w*_?rate", re.IGNORECASE)
_MIDDLE = 2 * (2**16 - 1)
_DEVIATION = 37837
"""Of the sum of four evenly spread numbers of 16 bits: its middle, and its standard deviation."""


class InputRule(Record, frozen=True):
    """How an input is made.

    `kind`: "normal" floats; "integers" from 0 to below `limit`; "positions", which count along the last axis and begin
    again at `limit`; "constant" `limit`; "text".
    """

    name: str
    dtype: int
    shape: list[int]
    kind: str
    limit: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * DataType(self.dtype).bits // 8


def rule_of(name: str, dtype: DataType, shape: tuple[int, ...], limit: int | None = None) -> InputRule:
    """The rule for an input, by name and type; `limit` bounds indices (exclusive).

    What has "mask" in its name is one; positions count from 0; a sample rate is 16000; indices lie inside their table;
    other integers and booleans are 0 or 1.
    """
    kind, bound = "integers", limit or FALLBACK_LIMIT
    if dtype is DataType.STRING:
        kind, bound = "text", 0
    elif _MASK.search(name):
        kind, bound = "constant", 1
    elif dtype is DataType.BOOL:
        bound = 2
    elif not dtype.is_integer:
        kind, bound = "normal", 0
    elif _RATE.search(name):
        kind, bound = "constant", SAMPLE_RATE
    elif _POSITION.search(name) and shape:
        kind, bound = "positions", limit or shape[-1] or 1
    return InputRule(name, int(dtype), list(shape), kind, bound)


def generate(rule: InputRule, seed: int) -> Array:
    """The array: raw bits of PCG64, whose stream NumPy never changes, basic arithmetic; `ValueError` for no rule."""
    dtype, shape = DataType(rule.dtype).numpy, tuple(rule.shape)
    count = math.prod(shape)
    match rule.kind:
        case "text":
            return np.full(shape, "text", dtype=object)
        case "constant":
            return np.full(shape, rule.limit).astype(dtype)
        case "positions":
            return np.broadcast_to(np.arange(shape[-1]) % rule.limit, shape).astype(dtype)
        case "integers":
            return (np.random.PCG64(seed).random_raw(count) % np.uint64(rule.limit)).reshape(shape).astype(dtype)
        case "normal":
            parts = np.random.PCG64(seed).random_raw(count).astype("<u8", copy=False).view("<u2").reshape(count, 4)
            made: Array = (parts.sum(1, dtype=np.int64) - _MIDDLE) / _DEVIATION
            return made.reshape(shape).astype(dtype)
        case _:
            raise ValueError(f"inputs of kind {rule.kind!r} are not known")
