"""Toy kernels for tests of the native runtime, compiled once a session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.sdk.native_.toys import compile_toys, sign_in


@pytest.fixture(scope="session", autouse=True)
def toy_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile and sign in the toy kernels; the library's path, for subprocesses."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = compile_toys(compiler, tmp_path_factory.mktemp("toy"))
    sign_in(library)
    return library
