"""Collects the constant arrays of a plan: each once, packed as its step wants it, aligned to 64 bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from enginewright import _native
from enginewright.compiler.choice import Choice
from enginewright.graph.network import Layer
from enginewright.plan.hashing import chunk_digests
from enginewright.plan.meta import Weight
from enginewright.plan.texts import encode_texts
from enginewright.registry.registry import Pack

Array = np.ndarray[Any, Any]
ALIGN = 64
LARGE = 1 << 20
PAGE = 4096
"""What the first weight is aligned to, as in a mapped file: vectors across two lines of the cache cost up to 40 %."""

Packed = tuple[Array, bytes, Array]
"""An array as it lies in the plan, its digest, and the array itself, which is kept so that no other has its id."""


@dataclass
class WeightPool:
    """The weights of a plan while it is written; equal bytes are stored once.

    `room` is where they will lie, so that a kernel packs right there: as large as they will be, if that is known, else
    it grows. `packed`, by array, how it is packed and by what: shared by pools of the same arrays, which then pack them
    once.
    """

    room: Array = field(default_factory=lambda: np.zeros(0, np.uint8))
    records: list[Weight] = field(default_factory=list)
    size: int = 0
    packed: dict[tuple[int, Pack | None, str], Packed] = field(default_factory=dict)
    _by_content: dict[bytes, int] = field(default_factory=dict)
    _by_identity: dict[tuple[int, Pack | None], tuple[int, Array]] = field(default_factory=dict)

    def add(self, name: str, array: Array, pack: Pack | None = None, kernel: str = "") -> int:
        """The index of the weight that holds this array; `kernel` packs it first where `pack` says so."""
        known = self._by_identity.get((id(array), pack))
        if known is not None:
            return known[0]
        data, digest, _ = self._packed(array, pack, kernel)
        index = self._by_content.get(digest)
        if index is None:
            index = self._by_content[digest] = self._append(name, data, pack)
        self._by_identity[id(array), pack] = index, array
        return index

    def data(self) -> Array:
        """All weights as they lie in the WEIGHTS section."""
        return self.room[: self.size]

    def _packed(self, array: Array, pack: Pack | None, kernel: str) -> Packed:
        key = id(array), pack, kernel
        if key not in self.packed:
            data = dense_bytes(array) if pack is None else self._pack(array, pack, kernel)
            digest = chunk_digests(data.data) + len(data).to_bytes(8, "little")
            same = self._by_content.get(digest)
            if pack is not None and same is not None:
                data[:] = 0  # the next weight will lie there
                data = self._at(self.records[same].offset, len(data))
            self.packed[key] = data, digest, array
        return self.packed[key]

    def _append(self, name: str, data: Array, pack: Pack | None) -> int:
        offset = self._end()
        place = self._at(offset, len(data))
        if not np.may_share_memory(place, data):
            _copy(data, place)
        params = [] if pack is None else [p if isinstance(p, int) else float(p).hex() for p in pack.params]
        kernel = "" if pack is None else str(pack.kernel)  # by now a name, whatever the tactic gave
        self.records.append(Weight(name, offset, len(data), pack=kernel, params=list(params)))
        self.size = offset + len(data)
        return len(self.records) - 1

    def _pack(self, array: Array, pack: Pack, kernel: str) -> Array:
        packed = self._at(self._end(), pack.size)
        # A kernel that only moves elements sees them in their type.
        moved = packed.view(array.dtype) if pack.size == array.nbytes else packed
        _native.call_kernel(kernel, [array], [moved], pack.params)
        return packed

    def _end(self) -> int:
        """Where the next weight will lie."""
        return -(-self.size // ALIGN) * ALIGN

    def _at(self, offset: int, size: int) -> Array:
        """The bytes at an offset: zeros, unless a weight lies there."""
        if offset + size > len(self.room):
            wider = zeros_at_page(max(2 * len(self.room), offset + size))
            wider[: self.size] = self.data()
            self.room = wider
        return self.room[offset : offset + size]


def room_for(choices: Mapping[Layer, Choice]) -> Array:
    """Room for the weights of all these layers: memory that the system provides as it is written."""
    sizes: dict[tuple[int, Pack | None], int] = {}
    for layer, choice in choices.items():
        for index, tensor in enumerate(layer.inputs):
            if tensor is not None and tensor.const is not None:
                pack = choice.launch.pack.get(index)
                sizes[id(tensor.const), pack] = tensor.const.nbytes if pack is None else pack.size
    return zeros_at_page(sum(sizes.values()) + ALIGN * len(sizes))


def zeros_at_page(size: int) -> Array:
    """Zeros that begin at a page; large arrays of NumPy begin 16 bytes behind one."""
    room = np.zeros(size + PAGE, np.uint8)
    begin = -room.ctypes.data % PAGE
    return room[begin : begin + size]


def _copy(data: Array, place: Array) -> None:
    """Copy bytes; many by all CPUs, as most of the time goes to the system, which provides the memory."""
    if len(data) <= LARGE:
        place[:] = data
    else:
        _native.call_kernel(f"cpu_copy@{_native.isas()[0]}", [data], [place])


def dense_bytes(array: Array) -> Array:
    """The array as the bytes of a plan: row-major, small integers several to a byte, texts behind their offsets."""
    if array.dtype.kind in "OUT":
        return encode_texts(array)
    if _native.is_sub_byte(array):
        return _native.pack_sub_byte(array)
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
