"""Finds the large weights in the bytes of a model, so that they are read where they lie: no copy of them is made.

Of the encoding of protocol buffers this reads only what leads to `ModelProto.graph.initializer[i].raw_data`.
"""

from __future__ import annotations

from collections.abc import Iterator

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
"""The numbers of these fields in onnx.proto."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LARGE = 64 << 10

Field = tuple[int, int, int, int]
"""Number, where it begins, where its content begins (0: it has no bytes), and where it ends."""


class _Unreadable(ValueError):
    """Not what exporters write; the parser of protocol buffers says what it is."""


def take_apart(model: memoryview) -> tuple[bytes | memoryview, dict[int, memoryview]]:
    """The model without its large weights, and these by their place among the initializers.

    The model as it is, and no weights, where its graph or one of these fields comes several times, or is damaged.
    """
    try:
        graph = _only(GRAPH, model, 0, len(model))
        return (model, {}) if graph is None else _without_weights(model, graph)
    except (_Unreadable, IndexError):
        return model, {}


def _without_weights(model: memoryview, graph: Field) -> tuple[bytes | memoryview, dict[int, memoryview]]:
    """The light model is written anew around the graph, whose length is another one."""
    _, before, begin, end = graph
    parts: list[bytes | memoryview] = []
    weights: dict[int, memoryview] = {}
    done, index = begin, 0
    for number, start, content, stop in _fields(model, begin, end):
        if number != INITIALIZER or not content:
            continue
        raw = _only(RAW_DATA, model, content, stop) if stop - content > LARGE else None
        if raw is not None and raw[3] - raw[2] > LARGE:
            weights[index] = model[raw[2] : raw[3]]
            light = stop - content - (raw[3] - raw[1])
            parts += [model[done:start], _head(INITIALIZER, light), model[content : raw[1]], model[raw[3] : stop]]
            done = stop
        index += 1
    if not weights:
        return model, {}
    parts.append(model[done:end])
    return b"".join((model[:before], _head(GRAPH, sum(map(len, parts))), *parts, model[end:])), weights


def _only(number: int, data: memoryview, begin: int, end: int) -> Field | None:
    """The field of this number, if there is one; `_Unreadable` for several, of which a parser makes one."""
    found = [field for field in _fields(data, begin, end) if field[0] == number]
    if len(found) > 1 or (found and not found[0][2]):
        raise _Unreadable
    return found[0] if found else None


def _fields(data: memoryview, begin: int, end: int) -> Iterator[Field]:
    """The fields of a message, one after the other."""
    at = begin
    while at < end:
        start = at
        tag, at = _varint(data, at)
        content, kind = 0, tag & 7
        if kind == VARINT:
            _, at = _varint(data, at)
        elif kind == BYTES:
            size, content = _varint(data, at)
            at = content + size
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
        else:
            raise _Unreadable
        if at > end:
            raise _Unreadable
        yield tag >> 3, start, content, at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise _Unreadable


def _head(number: int, size: int) -> bytes:
    """What stands before so many bytes of a field."""
    made = bytearray([number << 3 | BYTES])
    while size >= 0x80:
        made.append(size & 0x7F | 0x80)
        size >>= 7
    made.append(size)
    return bytes(made)
