"""The number of the C interface is read from a plugin library without loading it; damage is no library."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from enginewright_compat.library import library_abi
from tests.repo.sources import ROOT

SOURCE = """\
#include "enginewright.h"
static int32_t acme_one(const ew_call *call) { (void)call; return EW_OK; }
__attribute__((constructor)) static void never(void) { __builtin_trap(); }
EW_PLUGIN("acme", "1", EW_ENTRY(acme_one));
"""
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def build_library(folder: Path, abi: tuple[int, int] | None) -> Path:
    """Compile a plugin library for a version of the interface; None: a library that is no plugin."""
    header = (ROOT / "native/include/enginewright.h").read_text()
    if abi is not None:
        for name, number in zip(("MAJOR", "MINOR"), abi, strict=True):
            start = header.index(f"#define EW_ABI_{name}")
            header = header[:start] + f"#define EW_ABI_{name} {number}" + header[header.index("\n", start) :]
    (folder / "enginewright.h").write_text(header)
    source = folder / "acme.c"
    source.write_text(SOURCE if abi is not None else "int nothing(void) { return 0; }\n")
    made = folder / "libacme.so"
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{folder}", "-o", str(made), str(source)], check=True)
    return made


@needs_cc
@pytest.mark.needs_cc
@pytest.mark.parametrize("abi", [(0, 1), (3, 7), None])
def test_number(abi: tuple[int, int] | None, tmp_path: Path) -> None:
    assert library_abi(build_library(tmp_path, abi)) == abi


@needs_cc
@pytest.mark.needs_cc
def test_damage_is_no_library(tmp_path: Path) -> None:
    data = build_library(tmp_path, (3, 7)).read_bytes()
    path = tmp_path / "damaged.so"
    for cut in range(0, len(data), 97):
        path.write_bytes(data[:cut])
        assert library_abi(path) in (None, (3, 7))
    for at in range(16, 64):
        path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
        library_abi(path)
    path.write_bytes(b"\x89EWP\r\n\x1a\n" + bytes(100))
    assert library_abi(path) is None
