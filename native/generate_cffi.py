"""Writes the module through which Python calls the native library, from the C headers."""

import re
import sys
from pathlib import Path

from cffi import FFI

SECTION = re.compile(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", re.DOTALL)


def declarations(header: str) -> str:
    """Return the plain C between the markers: cffi parses neither preprocessor conditions nor attributes."""
    sections = SECTION.findall(header)
    if not sections:
        raise SystemExit("a header has no /* cffi:begin */ ... /* cffi:end */ section")
    return "\n".join(sections)


def main(output: str, *headers: str) -> None:
    """Write the out-of-line ABI-mode module for `headers` to `output`."""
    ffi = FFI()
    ffi.set_source("enginewright._native._abi", None)
    for header in headers:
        ffi.cdef(declarations(Path(header).read_text(encoding="utf-8")))
    ffi.emit_python_code(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
