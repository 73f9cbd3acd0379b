"""Writes an array of texts as bytes, and reads it back: int64 offsets from the start, then UTF-8."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = np.ndarray[Any, Any]
_ERRORS = "surrogateescape"  # bytes of a model that are no UTF-8 come back as they were


def encode_texts(array: Array) -> npt.NDArray[np.uint8]:
    """The bytes of an array of texts, row by row."""
    data = [str(text).encode(errors=_ERRORS) for text in array.reshape(-1)]
    ends = np.cumsum([8 * (len(data) + 1), *map(len, data)]).astype("<i8")
    return np.frombuffer(ends.tobytes() + b"".join(data), np.uint8)


def decode_texts(memory: npt.NDArray[np.uint8], shape: Sequence[int]) -> Array:
    """The array of texts of this shape; ValueError where the bytes hold none."""
    count = math.prod(shape)
    if any(size < 0 for size in shape) or memory.size < 8 * (count + 1):
        raise ValueError(f"{memory.size} bytes hold no {count} texts")
    ends = memory[: 8 * (count + 1)].view("<i8").tolist()
    if ends[0] != 8 * (count + 1) or ends != sorted(ends) or ends[-1] != memory.size:
        raise ValueError("the offsets of texts are not in order")
    data = memory.tobytes()
    array = np.empty(count, object)
    array[:] = [data[a:b].decode(errors=_ERRORS) for a, b in itertools.pairwise(ends)]
    return array.reshape(tuple(shape))
