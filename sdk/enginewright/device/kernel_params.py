"""How the numbers of a launch reach kernels on a GPU: a step keeps integers and doubles, so their kinds go in front."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from enginewright.dims import Size

_INT, _DOUBLE, _FLOAT = 0, 1, 2
_CTYPES: dict[int, Callable[..., Any]] = {_INT: ctypes.c_int64, _DOUBLE: ctypes.c_double, _FLOAT: ctypes.c_float}
Value = int | float


class Float32(float):
    """A param that a CUDA kernel takes as `float`; for other kernels a float as any."""


def f32(value: float) -> Float32:
    """A number for `ew.Launch(params=...)` that a CUDA kernel takes as `float`; a plain one would be a `double`."""
    return Float32(value)


@dataclass(frozen=True)
class Given:
    """The numbers of a call, read back: whether it has a workspace, and each param with its C type."""

    has_workspace: bool
    values: tuple[Value, ...]
    kinds: tuple[int, ...]

    def arguments(self) -> list[Any]:
        """The params as C has them."""
        return [_CTYPES[kind](value) for kind, value in zip(self.kinds, self.values, strict=True)]


def written(params: Sequence[Size | float], *, has_workspace: bool) -> tuple[Size | float, ...]:
    """The params of a step: whether there is a workspace, a kind for each param, the params."""
    kinds = [_FLOAT if isinstance(p, Float32) else _DOUBLE if isinstance(p, float) else _INT for p in params]
    return (int(has_workspace), *kinds, *(float(p) if isinstance(p, float) else p for p in params))


def read(params: Sequence[int]) -> Given:
    """What `written` wrote, from the bits that a call has."""
    count = len(params) // 2
    kinds, bits = params[1 : 1 + count], params[1 + count :]
    values = (
        b if kind == _INT else struct.unpack("d", struct.pack("q", b))[0] for kind, b in zip(kinds, bits, strict=True)
    )
    return Given(bool(params[0]), tuple(values), tuple(kinds))
