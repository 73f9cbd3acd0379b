"""The one spelling of the metadata in an artifact: JSON that is decoded, encoded again, and compared byte for byte."""

from __future__ import annotations

from typing import TypeVar

import msgspec

Content = TypeVar("Content")
SMALL = 256 << 10  # below this even the densest JSON stays far below the promised 64 MiB


class NotCanonical(ValueError):
    """Bytes are not the canonical JSON of a type; `over_limit` if decoding them would take too much."""

    def __init__(self, text: str, *, over_limit: bool = False) -> None:
        super().__init__(text)
        self.over_limit = over_limit


def encode_json(value: object) -> bytes:
    """Return the canonical JSON of msgspec structs and plain values: keys sorted, no spaces. Reals are not allowed."""
    return msgspec.json.encode(value, order="sorted")


def decode_json(data: bytes | memoryview, content: type[Content], *, allowed: int | None = None) -> Content:
    """Return canonical JSON as the msgspec type `content`; raise NotCanonical for any other bytes.

    `allowed` bounds the bytes that the decoded value may take; None: no bound.
    """
    if allowed is not None and len(data) > SMALL:
        _check_density(bytes(data), allowed)
    try:
        value = msgspec.json.decode(data, type=content)
    except RecursionError:
        raise NotCanonical("nested too deeply", over_limit=True) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise NotCanonical(str(error)) from error
    if encode_json(value) != bytes(data):  # a view is compared item by item, which takes 25 times as long
        raise NotCanonical("not in canonical form: unknown or repeated keys, spaces, or another spelling")
    return value


def _check_density(data: bytes, allowed: int) -> None:
    """Refuse many tiny values in few bytes before they are decoded: `[0],` takes 4 bytes here and 94 in Python.

    Measured with all types of META: at most 100 bytes for an array or record and 40 for each value in it; a text
    outside ASCII takes up to 4 bytes a character.
    """
    nested, values = data.count(b"[") + data.count(b"{"), data.count(b",")
    needed = 100 * nested + 40 * values + len(data) * (1 if data.isascii() else 4)
    if needed > allowed:
        found = f"{nested:,} records with {values:,} values need {needed >> 20:,} MiB"
        message = f"{found}, at most {allowed >> 20:,} are allowed for a file of this size"
        raise NotCanonical(message, over_limit=True)
