"""Toy kernels for tests of the native runtime, compiled once a session."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from enginewright import _native

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).with_name("toy_kernels.c")


@pytest.fixture(scope="session", autouse=True)
def toy_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile and sign in the toy kernels; the library's path, for subprocesses."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("toy") / "toy_kernels.so"
    include = ROOT / "native" / "include"
    command = [compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{include}"]
    subprocess.run([*command, str(SOURCE), "-o", str(library)], check=True)
    sign_in(library)
    return library


def sign_in(library: Path) -> None:
    """Add every kernel of the toy library."""
    loaded = ctypes.CDLL(str(library))
    for name in re.findall(r"EXPORT int32_t (\w+)", SOURCE.read_text()):
        address = ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value
        assert address is not None
        _native.add_kernel(name, address)
