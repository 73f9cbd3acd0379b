"""Refusal: what is left of a branch whose sizes can't fit those that a profile fixed; an error only if it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

import numpy as np

from enginewright.dims import Dim
from enginewright.errors import ShapeError
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, TensorSpec

Array = np.ndarray[Any, Any]


@operator("ew::Refusal")
class Refusal:
    """Raises `ShapeError` with this message when it runs; gives outputs of these types and numbers of axes."""

    INTERNAL: ClassVar[bool] = True  # made where sizes are fixed, no method of Network

    message: str
    hint: str
    where: str
    dtypes: tuple[DataType, ...] = ()
    ranks: tuple[int, ...] = ()

    def infer(self) -> tuple[TensorSpec, ...]:
        """Sizes that nobody knows."""
        pairs = zip(self.dtypes, self.ranks, strict=True)
        return tuple(TensorSpec(dtype, tuple(Dim.data() for _ in range(rank))) for dtype, rank in pairs)

    def reference(self) -> NoReturn:
        """The error."""
        raise ShapeError(self.message, hint=self.hint, where=self.where)

    @staticmethod
    def examples() -> Iterator[tuple[Refusal, list[TensorSpec]]]:
        """None: it has no result to compare."""
        return iter(())
