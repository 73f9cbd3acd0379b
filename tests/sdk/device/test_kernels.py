"""C source as a kernel: compiled once, cached by content, checked before it is loaded; and every reason to refuse."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import enginewright as ew
from enginewright import _native
from enginewright.device import c_compiler, cuda_sources, device_functions
from enginewright.device.kernels import CSource

pytestmark = pytest.mark.needs_cc
TEXT = """
#include "enginewright.h"
int32_t NAME(const ew_call *call) {
    for (int64_t i = 0; i < call->params[0].i; ++i)
        ((float *)call->outputs[0].data)[i] = VALUE * ((const float *)call->inputs[0].data)[i];
    return EW_OK;
}
"""


def source(name: str, value: float = 2) -> CSource:
    """A kernel that multiplies by a constant."""
    return ew.c_source(TEXT.replace("NAME", name).replace("VALUE", f"{value}f" if value % 1 else f"{value}"), name)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, with the folder of kernels in it."""
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    return tmp_path / "kernels"


def call(name: str) -> list[float]:
    """What a kernel makes of 1, 2, 3."""
    x, y = np.arange(1, 4, dtype=np.float32), np.zeros(3, np.float32)
    _native.call_kernel(name, [x], [y], [3])
    return list(y)


def test_compiled_once_and_cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = source("twice").load()
    assert call(name) == [2, 4, 6]
    (made,) = cache.glob("*.so")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert list(cache.iterdir()) == [made]
    monkeypatch.setattr(c_compiler, "_run", None)  # nothing is compiled again
    assert source("twice").load() == name
    code = "from tests.sdk.device.test_kernels import *; assert call(source('twice').load()) == [2, 4, 6]"
    before = made.stat().st_mtime_ns
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert made.stat().st_mtime_ns == before


def test_another_source_is_another_kernel(cache: Path) -> None:
    names = [source("factor", value).load() for value in (3, 4)]
    assert names[0] != names[1]
    assert [call(name)[0] for name in names] == [3, 4]
    assert source("factor", 3).identity != source("factor", 4).identity
    assert source("factor", 3).identity != ew.c_source(source("factor", 3).text, "factor", flags=("-O1",)).identity


@pytest.mark.parametrize("damage", ["cut", "flip", "other"])
def test_a_damaged_object_is_never_loaded(cache: Path, damage: str) -> None:
    kernel = source(f"damaged_{damage}")
    path = c_compiler.compiled(kernel.text, kernel.flags, kernel.symbol)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[1000] ^= 1
    path.write_bytes({"cut": bytes(data[:-10]), "flip": bytes(data), "other": b"\x7fELF"}[damage])
    assert call(kernel.load()) == [2, 4, 6]
    assert len(path.read_bytes()) == len(data)


def test_a_folder_that_others_may_write_is_not_used(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    with pytest.raises(ew.CacheError, match="may be written by other users"):
        source("open_folder").load()


def test_without_a_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler-anywhere")
    with pytest.raises(ew.PluginError, match="there is no C compiler") as caught:
        source("no_compiler").load()
    assert "CC" in caught.value.hint


def test_the_compiler_of_the_variable_is_used_with_its_arguments(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc -DNAME=named")
    text = TEXT.replace("VALUE", "5")
    assert call(ew.c_source(text, "named").load()) == [5, 10, 15]


def test_source_that_the_compiler_refuses(cache: Path) -> None:
    with pytest.raises(ew.PluginInvalid, match=r"the C compiler refuses broken:[\s\S]*error"):
        ew.c_source("int32_t broken(", "broken").load()
    assert list(cache.iterdir()) == []


def test_a_compiler_that_fails_without_a_word(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/bin/false")
    with pytest.raises(ew.PluginInvalid, match="/bin/false ended with 1") as caught:
        source("silent").load()
    assert "CC" in caught.value.hint


def test_a_symbol_that_is_not_there(cache: Path) -> None:
    with pytest.raises(ew.PluginInvalid, match="exports no function other"):
        ew.c_source(source("some").text, "other").load()
    with pytest.raises(ew.PluginInvalid, match="no name of a C function"):
        ew.c_source("", "a-b")


def test_the_header_is_c99_and_c11_and_cpp(tmp_path: Path) -> None:
    for compiler, standard, suffix in (("cc", "c99", "c"), ("cc", "c11", "c"), ("c++", "c++17", "cpp")):
        path = tmp_path / f"header.{suffix}"
        path.write_text('#include "enginewright.h"\n', encoding="utf-8")
        command = [compiler, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
        subprocess.run([*command, f"-I{ew.header_folder()}", str(path)], check=True)


def test_kernels_for_gpus_need_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise ew.DeviceMissing("no GPU", hint="")

    for module in (cuda_sources, device_functions):
        monkeypatch.setattr(module, "cuda_devices", none)
    for kernel in (ew.cuda_source("", "k"), ew.device_function(len)):
        assert (kernel.target, kernel.level, kernel.abi) == ("cuda", 2, "")
        with pytest.raises(ew.DeviceMissing, match="no GPU"):
            kernel.load()


def test_the_target_of_a_library() -> None:
    assert ew.library("a.so")["k"].target == "cpu"
    kernel = ew.library("a.so", target="cuda")["k"]
    assert (kernel.target, kernel.path) == ("cuda", Path(__file__).parent / "a.so")
    with pytest.raises(ew.PluginInvalid, match="no target 'gpu'"):
        ew.library("a.so", target="gpu")


def test_a_library_in_another_folder_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, files in {"src": ["__init__.py", "near.so"], "built": ["near.so", "far.so"]}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    package = ModuleType("acme_in_place")
    package.__path__ = [str(tmp_path / "built"), str(tmp_path / "src")]
    monkeypatch.setitem(sys.modules, "acme_in_place", package)
    facts = {"__file__": str(tmp_path / "src" / "__init__.py"), "__package__": "acme_in_place", "ew": ew}
    found = [eval(f"ew.library('{name}.so')['k'].path", facts) for name in ("near", "far", "none")]
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["src/near.so", "built/far.so", "src/none.so"]
