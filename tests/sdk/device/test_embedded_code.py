"""Kernels that a plan carries: unpacked into a private folder, or launched as machine code. The driver is a fake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright import _native
from enginewright.device.embedded_code import load_code
from enginewright.device.kernel_source import CompiledCode
from tests.sdk.device.fake_driver import call_on


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(ew.PluginError, match="can't be unpacked"):
        load_code(CompiledCode("object", b"x", (("c:nowhere", "nowhere"),)))


def test_machine_code_for_a_gpu(fake_gpu: Any) -> None:
    x, y = np.ones(6, np.float32), np.zeros(6, np.float32)
    load_code(CompiledCode("cubin", b"code", (("cu:embedded:scale", "_Z5scale"),)))
    call_on(7, "cu:embedded:scale", [x], [y], (1, 1, 1, 32, 1, 1, 0, 0))
    assert [arguments for _, arguments, _ in fake_gpu.kernels["_Z5scale"].launches] == [[x.ctypes.data, y.ctypes.data]]
    assert _native.find_kernel("cu:embedded:scale")
