"""AppendRows: new keys or values behind those of earlier steps, each sequence at its own place, as a KV cache grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.dims import require, same
from enginewright.errors import ShapeError
from enginewright.ops.contents import sizes_of
from enginewright.ops.element_types import check_same_type, check_type
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, TensorSpec, float16, float32, int64

Array = np.ndarray[Any, Any]


@operator("ew::AppendRows")
class AppendRows:
    """`past` [B, G, P, D], of which each sequence keeps its first `lengths` [B] rows, then its rows of `new`.

    new is [B, G, S, D]; the result is [B, G, `total`, D], with zeros behind the new rows. total is one integer.
    """

    def infer(self, past: TensorSpec, new: TensorSpec, lengths: TensorSpec, total: TensorSpec) -> TensorSpec:
        """[B, G, total, D] in the type of past."""
        dtype = check_same_type(past, new)
        if not past.rank == new.rank == 4:
            raise ShapeError(f"past and new have {past.rank} and {new.rank} axes", hint="Each has 4: see the operator.")
        check_type(lengths, (int64,), "lengths")
        for axis in (0, 1, 3):
            same(past.shape[axis], new.shape[axis])
        same(lengths.shape[0], past.shape[0])
        (size,) = sizes_of(total, "total")
        require("at_least", size, new.shape[2])
        return TensorSpec(dtype, (*past.shape[:2], size, past.shape[3]))

    def reference(self, past: Array, new: Array, lengths: Array, total: Array) -> Array:
        """Sequence by sequence."""
        made = np.zeros((*past.shape[:2], int(total.reshape(())), past.shape[3]), past.dtype)
        for index, length in enumerate(map(int, lengths)):
            if not 0 <= length <= min(past.shape[2], made.shape[2] - new.shape[2]):
                raise ShapeError(
                    f"sequence {index} keeps {length} rows of {past.shape[2]}, and {new.shape[2]} new ones follow in "
                    f"{made.shape[2]}",
                    hint="Give lengths that the past has and the result has room for.",
                )
            made[index, :, :length] = past[index, :, :length]
            made[index, :, length : length + new.shape[2]] = new[index]
        return made

    @staticmethod
    def examples() -> Iterator[tuple[AppendRows, list[TensorSpec | Array]]]:
        """A growing cache, one with room left, sequences of several lengths, no past; every width of element."""
        for b, g, p, s, d, lengths, total in [
            (1, 2, 5, 1, 8, [5], 6),
            (2, 1, 7, 3, 4, [4, 1], 9),
            (3, 2, 16, 1, 33, [0, 15, 7], 16),
            (2, 3, 0, 4, 8, [0, 0], 4),
            (1, 1, 4, 0, 2, [2], 4),
            (0, 1, 4, 2, 2, [], 6),
        ]:
            past, new = (TensorSpec(float32, (b, g, rows, d)) for rows in (p, s))
            yield AppendRows(), [past, new, np.array(lengths, np.int64), np.array([total], np.int64)]
        for dtype in (DataType.INT8, float16, DataType.FLOAT64):
            past, new = (TensorSpec(dtype, (2, 2, rows, 5)) for rows in (6, 2))
            yield AppendRows(), [past, new, np.array([6, 3]), np.array(8)]
