"""A passport has one spelling; every other one is refused, and other releases' passports are still read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from enginewright_compat.container import (
    BytesSource,
    open_source,
    read_container,
    read_header,
    read_prefix,
    read_section,
)
from enginewright_compat.layout import Section
from enginewright_compat.passport import (
    Passport,
    PluginUse,
    TensorInfo,
    Tolerance,
    decode_passport,
    encode_passport,
    read_facts,
)
from enginewright_compat.reason import Refused
from enginewright_compat.records import canonical_json, parse_canonical
from enginewright_compat.version import running_version
from tests.compat.artifacts import example_cache, example_passport, example_plan, relaid, take_apart, with_passport

USE = PluginUse(
    "acme::Swish@1", "acme-ops", "1.0", "ab", "swish_c", 1, "cd", "0.1", needed=True, nodes=("act1", "act2")
)
PASSPORT = example_passport(plugins=(USE,), deprecations=("EW-D0001",), name="Grüße 你好")

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cc", "Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cc", "Cs"])), inner)
    ),
    max_leaves=20,
)


def plain(passport: Passport = PASSPORT) -> dict[str, Any]:
    """Return a passport as JSON values, to be changed."""
    values = json.loads(encode_passport(passport))
    assert isinstance(values, dict)
    return values


def is_refused(function: Callable[..., object], *arguments: object, **options: bool) -> bool:
    """Return whether a function raises ValueError; any other exception fails the test."""
    try:
        function(*arguments, **options)
    except ValueError:
        return True
    return False


def test_round_trip() -> None:
    assert decode_passport(encode_passport(PASSPORT), strict=True) == PASSPORT
    cache = Passport("1.2.3+4")
    assert decode_passport(encode_passport(cache), strict=True) == cache


def test_real_numbers_are_exact() -> None:
    tolerance = Tolerance(0.1, math.ulp(0.0))
    assert decode_passport(encode_passport(replace(PASSPORT, tolerance=tolerance)), strict=True).tolerance == tolerance


@given(PLAIN)
def test_both_encoders_give_the_same_bytes(value: object) -> None:
    data = canonical_json(value)
    assert data == msgspec.json.encode(value, order="sorted")
    assert parse_canonical(data) == value


def test_every_key_is_required_and_none_may_be_added() -> None:
    for key in plain():
        values = plain()
        del values[key]
        with pytest.raises(ValueError, match="has the keys"):
            decode_passport(canonical_json(values), strict=True)
    with pytest.raises(ValueError, match="has the keys"):
        decode_passport(canonical_json(plain() | {"new": 1}), strict=True)


def test_other_releases_may_have_more_keys_or_fewer() -> None:
    values = plain() | {"new": [1, {"a": None}]}
    del values["deprecations"]
    values["model"]["new"] = "x"
    assert decode_passport(canonical_json(values), strict=False) == replace(PASSPORT, deprecations=())
    del values["enginewright"]
    with pytest.raises(ValueError, match="lacks a key"):
        decode_passport(canonical_json(values), strict=False)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (["name"], 3, "name is no str"),
        (["memory"], "3", "memory is no int"),
        (["memory"], True, "memory is no int"),
        (["memory"], -1, "negative"),
        (["memory"], 1 << 63, "64 bits"),
        (["plugins", 0, "needed"], 1, "needed is no bool"),
        (["inputs"], {}, "inputs is no array"),
        (["inputs", 0], [], "is no object"),
        (["inputs", 0, "min"], [1], "rank"),
        (["inputs", 0, "opt"], [4, 2], "axis"),
        (["inputs", 0, "max"], [2**31, 3], "axis"),
        (["inputs", 0, "min"], [-1, 3], "axis"),
        (["enginewright"], "1.2.3", "four numbers"),
        (["features"], ["b", "a"], "not sorted"),
        (["features"], ["a", "a"], "not sorted"),
        (["deprecations"], ["b", "a"], "not sorted"),
        (["target", "needs"], ["b", "a"], "not sorted"),
        (["tolerance", "rtol"], "0.1", "float.hex"),
        (["tolerance", "rtol"], "1e400x", "float.hex"),
        (["tolerance", "rtol"], "0x1p99999", "float.hex"),
        (["tolerance", "rtol"], "0x1.0p+0", "float.hex"),
        (["tolerance", "rtol"], 1, "float.hex"),
        (["name"], "a" * 1025, "1024 bytes"),
        (["name"], "a\x07", "control characters"),
        (["name"], "a\x9b", "control characters"),
        (["name"], "\ud800", "utf-8"),
    ],
)
def test_wrong_fields(path: list[str | int], value: object, text: str) -> None:
    values: Any = plain()
    inner = values
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    data = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
    with pytest.raises(ValueError, match=text):
        decode_passport(data, strict=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"a":-0}',
        b'{"a":"\\u0061"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 34 + b"]" * 34,
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_other_json_is_refused(data: bytes) -> None:
    assert is_refused(decode_passport, data, strict=False)


def test_depth_of_32_is_allowed() -> None:
    data = b"[" * 33 + b"]" * 33
    assert canonical_json(parse_canonical(data)) == data


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_error(data: bytes) -> None:
    assert is_refused(decode_passport, data, strict=False)


@pytest.mark.parametrize(
    "bad",
    [
        replace(PASSPORT, inputs=(TensorInfo("x", "float32", (1,) * 9, (1,) * 9, (1,) * 9),)),
        replace(PASSPORT, enginewright="x"),
    ],
)
def test_a_bad_passport_is_not_written(bad: Passport) -> None:
    assert is_refused(encode_passport, bad)


# --- In a file --------------------------------------------------------------------------------------------------------


def test_facts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny.plan"
    path.write_bytes(example_plan())
    facts = read_facts(path)
    assert (facts.kind, facts.version, facts.file_size) == ("plan", running_version(), len(example_plan()))
    assert (facts.signed, facts.has_code, facts.passport) == (False, False, example_passport())
    path.write_bytes(example_cache())
    assert read_facts(path).kind == "timing cache"


def test_passport_of_another_release_with_keys_of_its_own(tmp_path: Path) -> None:
    version = running_version()._replace(minor=77)
    values = plain() | {"enginewright": str(version), "new": {"a": [1]}}
    values["target"]["new"] = "x"
    parts = take_apart(with_passport(example_plan(), canonical_json(values)))
    parts.prefix["minor"] = 77
    path = tmp_path / "newer.plan"
    path.write_bytes(relaid(parts))
    facts = read_facts(path)
    assert facts.version == version
    assert facts.passport is not None
    assert facts.passport.name == PASSPORT.name


def test_this_release_is_strict_with_its_own_passports(tmp_path: Path) -> None:
    path = tmp_path / "tiny.plan"
    path.write_bytes(with_passport(example_plan(), canonical_json(plain() | {"new": 1})))
    with pytest.raises(Refused) as caught:
        read_facts(path)
    assert caught.value.reason.code == "EW-P009"


@pytest.mark.parametrize("changes", [{"format_major": 9}, {"flags_incompat": 4}, {"kind": 9}])
def test_newer_formats_are_not_damage(tmp_path: Path, changes: dict[str, int]) -> None:
    parts = take_apart(example_plan())
    parts.prefix.update(changes, major=9)
    path = tmp_path / "newer.plan"
    path.write_bytes(parts.seal_frame())
    facts = read_facts(path)
    assert facts.version.major == 9
    assert facts.passport is None
    assert facts.unreadable is not None
    assert facts.unreadable.code == "EW-P004"


def test_version_in_the_passport_is_that_of_the_prefix(tmp_path: Path) -> None:
    values = plain() | {"enginewright": "9.9.9+9"}
    path = tmp_path / "tiny.plan"
    path.write_bytes(with_passport(example_plan(), canonical_json(values)))
    with pytest.raises(Refused, match=r"it names 9.9.9\+9"):
        read_facts(path)


def test_only_header_and_passport_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tiny.plan"
    path.write_bytes(example_plan())
    reads: list[tuple[int, int]] = []
    with open_source(path) as file:

        class Watched:
            size = file.size

            def read(self, offset: int, length: int) -> bytes:
                reads.append((offset, length))
                return file.read(offset, length)

        prefix = read_prefix(Watched())
        container = read_container(Watched(), prefix, read_header(Watched(), prefix))
        read_section(Watched(), container, Section.PASSPORT)
    weights = container.find(Section.WEIGHTS)
    assert weights is not None
    assert all(offset + length <= weights.offset or offset >= weights.end for offset, length in reads)


def test_a_section_that_is_not_there() -> None:
    source = BytesSource(example_plan())
    prefix = read_prefix(source)
    container = read_container(source, prefix, read_header(source, prefix))
    with pytest.raises(Refused, match="RECIPE"):
        read_section(source, container, Section.RECIPE)
