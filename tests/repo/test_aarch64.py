"""The portable sources compile for aarch64, too: no x86 header or flag has slipped in."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.repo.sources import ROOT, tracked

COMPILER = ["-m", "ziglang", "c++", "-target", "aarch64-linux-gnu", "-std=c++20", "-c", "-o", "/dev/null"]
DEFINES = ["-DEW_ISA=portable", "-DEW_ISA_PORTABLE=1", "-DEW_HAVE_PORTABLE=1", '-DEW_BUILD_ID="x"']


@pytest.mark.long
@pytest.mark.skipif(find_spec("ziglang") is None, reason="the cross compiler comes with pip install ziglang")
@pytest.mark.parametrize("name", tracked("native/src/*.cpp", "native/cpu/*.cpp", "plugins/*.cpp"))
def test_compiles(name: str) -> None:
    command = [sys.executable, *COMPILER, *DEFINES, "-Inative/include", "-Inative", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
