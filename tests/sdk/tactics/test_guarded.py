"""Kernels keep within the arrays that they get: pages around these are inaccessible."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.sdk.tactics.guarded import guarded

TOUCH = """
import ctypes, numpy as np
from tests.sdk.tactics.guarded import guarded
array = guarded(np.zeros({size}, np.uint8), at_end={at_end})
ctypes.string_at(array.ctypes.data, {size})
print("inside", flush=True)
ctypes.string_at(array.ctypes.data + {offset}, 1)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env={**os.environ}, check=False)


@pytest.mark.parametrize(("at_end", "offset"), [(True, 5), (False, -1)])
def test_a_byte_beyond_an_array_ends_the_process(at_end: bool, offset: int) -> None:
    done = run("-c", TOUCH.format(size=5, at_end=at_end, offset=offset))
    assert done.stdout == "inside\n"
    assert done.returncode == -signal.SIGSEGV


def test_a_guarded_array_holds_what_it_is_given() -> None:
    for size in (0, 1, 4096, 4097):
        for at_end in (True, False):
            array = np.arange(size, dtype=np.int32)
            np.testing.assert_array_equal(guarded(array, at_end=at_end), array)


def test_kernels_at_the_sizes_around_a_vector() -> None:
    done = run("-m", "tests.sdk.tactics.guarded")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
