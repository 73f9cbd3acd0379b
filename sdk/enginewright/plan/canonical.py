"""The one spelling of the metadata in an artifact: JSON that is decoded, encoded again, and compared byte for byte."""

from __future__ import annotations

from typing import TypeVar

import msgspec

Content = TypeVar("Content")


class NotCanonical(ValueError):
    """Bytes are not the canonical JSON of a type; `too_deep` if they are nested beyond any type."""

    def __init__(self, text: str, *, too_deep: bool = False) -> None:
        super().__init__(text)
        self.too_deep = too_deep


def encode_json(value: object) -> bytes:
    """Return the canonical JSON of msgspec structs and plain values: keys sorted, no spaces. Reals are not allowed."""
    return msgspec.json.encode(value, order="sorted")


def decode_json(data: bytes | memoryview, content: type[Content]) -> Content:
    """Return canonical JSON as the msgspec type `content`; raise NotCanonical for any other bytes."""
    try:
        value = msgspec.json.decode(data, type=content)
    except RecursionError:
        raise NotCanonical("nested too deeply", too_deep=True) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise NotCanonical(str(error)) from error
    if encode_json(value) != data:
        raise NotCanonical("not in canonical form: unknown or repeated keys, spaces, or another spelling")
    return value
