"""Compiles C and C++ sources to plugin libraries for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import enginewright as ew


def build_library(source: Path, target: Path, *flags: str) -> Path:
    """Compile a source with warnings as errors; skips the test where there is no compiler."""
    cpp = source.suffix == ".cpp"
    compiler = os.environ.get("CXX" if cpp else "CC") or shutil.which("c++" if cpp else "cc")
    if compiler is None:
        pytest.skip("no compiler")
    standard = "-std=c++17" if cpp else "-std=c99"
    command = [compiler, standard, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *flags]
    subprocess.run([*command, f"-I{ew.header_folder()}", str(source), "-o", str(target), "-lm"], check=True)
    return target
