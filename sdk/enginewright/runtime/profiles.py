"""Finds the profile that inputs belong to, or says which tensor and axis keep them out of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from enginewright.errors import InputError
from enginewright.plan.meta import ProfileRecord
from enginewright.runtime.ports import Items, PortInfo

Array = np.ndarray[Any, Any]


def fitting_profile(profiles: Sequence[ProfileRecord], arrays: Mapping[str, Array | Items]) -> int | None:
    """The first profile whose ranges hold all shapes, None if there is none; 0 where the plan has no profiles."""
    if not profiles:
        return 0
    for index, profile in enumerate(profiles):
        if all(_within(array, profile.shapes[name]) for name, array in arrays.items()):
            return index
    return None


def _within(array: Array | Items, ranges: Sequence[tuple[int, int, int]]) -> bool:
    sizes = () if isinstance(array, list) else array.shape
    return all(low <= size <= high for size, (low, _, high) in zip(sizes, ranges, strict=True))


def profile_text(profiles: Sequence[ProfileRecord], name: str) -> str:
    """The ranges of an input over all profiles, in words."""
    texts = []
    for profile in profiles:
        sizes = [str(low) if low == high else f"{low}..{high}" for low, _, high in profile.shapes[name]]
        texts.append(f"{' x '.join(sizes)} ({profile.name})")
    return " or ".join(texts)


def no_profile(
    profiles: Sequence[ProfileRecord], ports: Sequence[PortInfo], arrays: Mapping[str, Array | Items]
) -> InputError:
    """The error for inputs that fit no profile: the first axis that leaves the one which most axes fit."""
    misfits = min((list(_misfits(profile, arrays)) for profile in profiles), key=len)
    name, axis, allowed = misfits[0]
    port = next(port for port in ports if port.name == name)
    array = np.asarray(arrays[name])
    texts = [f"{p.name}: {profile_text(profiles, p.name)}" for p in ports if p.shape]
    return port.refuse(f"axis {axis} is {array.shape[axis]}, not {allowed}", array, "; ".join(texts))


def _misfits(profile: ProfileRecord, arrays: Mapping[str, Array | Items]) -> Iterator[tuple[str, int, str]]:
    """Yield tensor, axis and range of each size outside a profile."""
    for name, array in arrays.items():
        sizes = () if isinstance(array, list) else array.shape
        for axis, (size, (low, _, high)) in enumerate(zip(sizes, profile.shapes[name], strict=True)):
            if not low <= size <= high:
                yield name, axis, _range_text(low, high)


def _range_text(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
