"""Changes decoded JSON as the bytes of a fuzzer say, and seals what comes of it into an artifact with right digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec

from enginewright.plan.artifact import Section
from enginewright.plan.timing_entries import Entries
from tests.compat.artifacts import relaid, take_apart, with_passport

NUMBERS = (
    *(-1, -2, -3, 0, 1, 2, 3, 5, 7, 8, 9, 16, 22, 23, 63, 64, 65, 255, 4096, 10**6, 10**6 + 1),
    *(2**31 - 1, 2**31, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63)),
)
TEXTS = (
    *(
        "",
        "x",
        "y",
        "N",
        "N + 1",
        "python",
        "if",
        "loop",
        "scan",
        "weight",
        "arena",
        "slot",
        "grown",
        "output",
        "input",
    ),
    *("value", "data", "mul", "select", "pair", "param", "equal", "0x1.8p+1", "inf", "nan", "ew::Det@1", "ew::Cast@1"),
    *("a::B@1", "tuple", "array", '[["int","1"]]', "\u20ac", "line\nend", "cpu_softmax@portable"),
)


class Choices:
    """A row of small decisions that the fuzzer's bytes make; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def below(self, count: int) -> int:
        """Return a number from 0 to count - 1."""
        width = 1 if count <= 256 else 3
        piece = self.data[self.at : self.at + width]
        self.at += width
        return int.from_bytes(piece, "little") % count if count else 0

    def bytes(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        self.at += count
        return self.data[self.at - count : self.at]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (container, key) of everything in a decoded value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, element in list(pairs):
        yield value, key
        yield from places(element)


def mutate(value: Any, choices: Choices) -> None:
    """Change a decoded object or array in place, once."""
    found = list(places(value))
    if not found:
        return
    container, key = found[choices.below(len(found))]
    old = container[key]
    action = choices.below(9)
    if action == 0:
        container[key] = NUMBERS[choices.below(len(NUMBERS))]
    elif action == 1:
        container[key] = TEXTS[choices.below(len(TEXTS))]
    elif action == 2 and isinstance(old, int):
        container[key] = (old + 1, old - 1, ~old, -old, old * 2, old + 64)[choices.below(6)]
    elif action == 3:
        del container[key]
    elif action == 4 and isinstance(container, list):
        container.insert(choices.below(len(container) + 1), deepcopy(old))
    elif action == 5 and isinstance(container, list):
        other = choices.below(len(container))
        container[key], container[other] = container[other], old
    elif action == 6 and isinstance(old, list):
        old.extend(deepcopy(old[: 1 + choices.below(8)]))
    elif action == 7:
        container[key] = (None, [], {}, True, [old], [0], [-1], [[1, 1, 1]])[choices.below(8)]
    else:
        source, name = found[choices.below(len(found))]
        container[key] = deepcopy(source[name])


def mutated(text: bytes, choices: Choices) -> bytes:
    """Return the canonical JSON of a value changed one to four times; it may not fit its type any more."""
    value = json.loads(text)
    for _ in range(1 + choices.below(4)):
        mutate(value, choices)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def respelled(text: bytes, content: type[Any]) -> bytes:
    """Return JSON as the encoder of a type would write it, so that defaults are left out; as it is if it is none."""
    try:
        return msgspec.json.encode(msgspec.json.decode(text, type=content), order="sorted")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text


def with_keys(text: bytes) -> bytes:
    """Return the entries of a timing cache with keys that fit their descriptions, in order; else as they are."""
    try:
        found = msgspec.json.decode(text, type=Entries).entries
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
    fitted = [msgspec.structs.replace(entry, key=entry.description.key) for entry in found]
    return msgspec.json.encode(Entries(sorted(fitted, key=lambda entry: entry.key)), order="sorted")


def with_section(data: bytes, section: Section, content: bytes) -> bytes:
    """Return a sealed artifact with other bytes in one section."""
    if section is Section.PASSPORT:
        try:
            return with_passport(data, content)
        except (ValueError, KeyError, TypeError):
            pass
    parts = take_apart(data)
    parts.sections[parts.find(section)] = content
    if section is Section.RECIPE:
        parts.header["recipe"] = hashlib.sha256(content).digest()
    return relaid(parts)
