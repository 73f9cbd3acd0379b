"""The toy kernels of the tests of the native runtime: compiled into a library and signed in."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

from enginewright import _native

SOURCE = Path(__file__).with_name("toy_kernels.c")
INCLUDE = Path(__file__).parents[3] / "native" / "include"


def compile_toys(compiler: str, folder: Path) -> Path:
    """The library, in this folder."""
    library = folder / "toy_kernels.so"
    command = [compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{INCLUDE}"]
    subprocess.run([*command, str(SOURCE), "-o", str(library)], check=True)
    return library


def sign_in(library: Path) -> None:
    """Add every kernel of the toy library."""
    loaded = ctypes.CDLL(str(library))
    for name in re.findall(r"EXPORT int32_t (\w+)", SOURCE.read_text()):
        address = ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value
        assert address is not None
        _native.add_kernel(name, address)
