"""The C interface of plugins does not change without a new version: its layouts are hashed in cabi_versions.txt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from enginewright import _native
from enginewright._native.library import ffi
from tests.repo.sources import ROOT, text

RECORDS = ("ew_tensor", "ew_param", "ew_call", "ew_host", "ew_kernel", "ew_plugin")
HEADER, VERSIONS = "native/include/enginewright.h", "native/include/cabi_versions.txt"
ENUM = re.compile(r"enum \{(.*?)\};", re.DOTALL)
ELEMENTS = {"ew_tensor": 48, "ew_param": 8, "ew_kernel": 16}
"""Records of which plugins get arrays: these sizes stay for as long as the major version does."""


def layout() -> Iterator[str]:
    """Yield every fact that a compiled plugin relies on: sizes, offsets, types, and numbers of the enums."""
    for name in RECORDS:
        kind = ffi.typeof(name)
        yield f"{name} {ffi.sizeof(name)}"
        for field, item in kind.fields:
            yield f"{name}.{field} {item.offset} {item.type.cname}"
    content = re.sub(r"/\*.*?\*/", "", text(HEADER), flags=re.DOTALL)
    for body in ENUM.findall(content):
        yield from sorted(" ".join(item.split()) for item in body.split(",") if item.strip())


def listed() -> dict[str, str]:
    """Return version -> digest."""
    lines = (line.split("#")[0].split() for line in (ROOT / VERSIONS).read_text(encoding="utf-8").splitlines())
    return {words[0]: words[1] for words in lines if words}


def test_the_layout_is_the_one_of_its_version() -> None:
    digest = hashlib.sha256("\n".join(layout()).encode()).hexdigest()[:32]
    version = ".".join(map(str, _native.ABI))
    assert listed().get(version) == digest, (
        f"the C interface is {digest} now: raise EW_ABI_MINOR (if only appended to) or MAJOR, add a line to {VERSIONS}"
    )


def test_the_newest_version_is_listed_last() -> None:
    versions = [tuple(map(int, version.split("."))) for version in listed()]
    assert versions == sorted(versions)
    assert versions[-1] == _native.ABI


def test_the_header_and_the_package_name_the_same_version() -> None:
    numbers = re.findall(r"#define EW_ABI_(?:MAJOR|MINOR) (\d+)", text(HEADER))
    assert tuple(map(int, numbers)) == _native.ABI


def test_elements_of_arrays_keep_their_size() -> None:
    assert {name: ffi.sizeof(name) for name in ELEMENTS} == ELEMENTS
    assert ffi.offsetof("ew_call", "struct_size") == ffi.offsetof("ew_plugin", "struct_size") == 0


def test_the_digest_sees_a_change() -> None:
    assert any(line.startswith("ew_call.workspace ") for line in layout())
    assert "EW_DEVICE = 10" in set(layout())
