"""CUDA source becomes machine code once, is cached by its content, and is refused with NVRTC's own words."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import enginewright as ew
from enginewright.device import nvrtc

SOURCE = """
#include <cuda_fp16.h>
template <class T>
__global__ void scale(const T *x, T *y, long long n, float factor) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) y[i] = T(float(x[i]) * factor);
}
extern "C" __global__ void plain(float *y) { *y = FACTOR; }
"""
needs_nvrtc = pytest.mark.skipif(not nvrtc.has_nvrtc(), reason="there is no NVRTC")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    return tmp_path / "kernels"


@needs_nvrtc
def test_compiled_once_and_cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ew.cuda_source(SOURCE, "plain", options=("-DFACTOR=2",))
    made = source.compile("sm_90")
    assert made.symbol == "plain"
    assert made.cubin.startswith(b"\x7fELF")
    assert len(list(cache.iterdir())) == 1
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    monkeypatch.setattr(nvrtc, "_compile", None)  # NVRTC does nothing again
    assert source.compile("sm_90") == made
    monkeypatch.undo()


def compiled_by(version: str, monkeypatch: pytest.MonkeyPatch) -> nvrtc.MachineCode:
    """The machine code of one source where NVRTC has this version, or isn't there; its bytes say who made them."""
    monkeypatch.setattr(nvrtc, "_version", lambda: version)
    monkeypatch.setattr(nvrtc, "_compile", lambda *source: nvrtc.MachineCode("plain", f"by {version}\n".encode()))
    return ew.cuda_source(SOURCE, "plain").compile("sm_90")


def test_another_version_of_nvrtc_compiles_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [compiled_by(version, monkeypatch).cubin for version in ("12.8", "13.0", "13.0")]
    assert found == [b"by 12.8\n", b"by 13.0\n", b"by 13.0\n"]
    assert len(list(cache.iterdir())) == 1


def test_what_was_compiled_serves_where_there_is_no_nvrtc(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        made = compiled_by("12.8", patch)
    monkeypatch.setattr(nvrtc, "library_file", lambda name, versions: "")
    nvrtc._library.cache_clear()
    assert ew.cuda_source(SOURCE, "plain").compile("sm_90") == made


@needs_nvrtc
def test_other_sources_options_and_architectures_are_other_code(cache: Path) -> None:
    two, three = (ew.cuda_source(SOURCE, "plain", options=(f"-DFACTOR={factor}",)) for factor in (2, 3))
    codes = {two.compile("sm_90").cubin, three.compile("sm_90").cubin, two.compile("sm_80").cubin}
    assert len(codes) == 3 == len(list(cache.iterdir()))
    assert two.identity != three.identity


@needs_nvrtc
def test_names_of_cpp_and_an_architecture_of_ones_own(cache: Path) -> None:
    options = ("-DFACTOR=1", "--gpu-architecture=sm_90a")
    made = ew.cuda_source(SOURCE, "scale<__half>", options=options).compile("sm_90")
    assert made.symbol.startswith("_Z")
    assert made.symbol.encode() in made.cubin


@needs_nvrtc
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_code_is_never_loaded(cache: Path, damage: str) -> None:
    source = ew.cuda_source(SOURCE, "plain", options=("-DFACTOR=4",))
    made = source.compile("sm_90")
    (file,) = cache.iterdir()
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(bytes(data) if damage == "flip" else bytes(data[:-9]))
    assert source.compile("sm_90") == made


@needs_nvrtc
def test_refused_with_the_log(cache: Path) -> None:
    with pytest.raises(ew.PluginInvalid, match=r"NVRTC refuses plain:[\s\S]*plugin\.cu\(\d+\): error") as caught:
        ew.cuda_source(SOURCE, "plain").compile("sm_90")
    assert "FACTOR" in caught.value.message
    with pytest.raises(ew.PluginInvalid, match="other"):
        ew.cuda_source(SOURCE, "other", options=("-DFACTOR=1",)).compile("sm_90")
    assert list(cache.iterdir()) == []


@needs_nvrtc
def test_an_architecture_of_no_gpu_is_refused(cache: Path) -> None:
    with pytest.raises(ew.PluginInvalid, match="no machine code") as caught:
        ew.cuda_source(SOURCE, "plain", options=("-DFACTOR=1", "-arch=compute_90")).compile("sm_90")
    assert "sm_90" in caught.value.hint
    assert list(cache.iterdir()) == []


def test_a_library_that_cannot_be_opened(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "libnvrtc.so.13"
    broken.write_bytes(b"no library")
    monkeypatch.setattr(nvrtc, "library_file", lambda name, versions: str(broken))
    nvrtc._library.cache_clear()
    with pytest.raises(ew.PluginError, match="can't be opened"):
        ew.cuda_source(SOURCE, "plain").compile("sm_90")


def test_without_nvrtc(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "library_file", lambda name, versions: "")
    nvrtc._library.cache_clear()
    with pytest.raises(ew.PluginError, match="there is no NVRTC") as caught:
        ew.cuda_source(SOURCE, "plain").compile("sm_90")
    assert "nvidia-cuda-nvrtc" in caught.value.hint
    assert not nvrtc.has_nvrtc()


def test_a_folder_that_others_may_write_is_not_used(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    with pytest.raises(ew.CacheError, match="may be written by other users"):
        ew.cuda_source(SOURCE, "plain").compile("sm_90")


def test_a_kernel_has_a_name() -> None:
    with pytest.raises(ew.PluginInvalid, match="without a name"):
        ew.cuda_source("", " ")
