"""Compiles CUDA C++ to machine code with NVRTC, and keeps it in a private folder by its content; no GPU is needed."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from enginewright.device.cache_folder import kernels_folder
from enginewright.device.cuda import library_file
from enginewright.errors import PluginError, PluginInvalid

ALWAYS = ("--std=c++17", "--device-as-default-execution-space")
ARCHITECTURE = ("-arch", "--gpu-architecture")
INSTALL = 'pip install nvidia-cuda-nvrtc, or "enginewright[gpu]", or install the CUDA toolkit.'
MARK = b"enginewright cubin 2 "
LOG = 4000


@dataclass(frozen=True, slots=True)
class MachineCode:
    """A kernel's machine code, and its name in there: C++ names are mangled."""

    symbol: str
    cubin: bytes


def compiled(text: str, symbol: str, options: tuple[str, ...], architecture: str) -> MachineCode:
    """The machine code of a source for an architecture ("sm_90"), from the cache if it was compiled before.

    What another version of NVRTC compiled is compiled again, but serves where there is none. `PluginError` without
    NVRTC, `PluginInvalid` with NVRTC's log if it refuses the source.
    """
    path = kernels_folder(symbol) / f"{_key(text, symbol, options, architecture)}.{architecture}.cubin"
    found, version = _read(path), _version()
    if found is not None and version in ("", found.version):
        return found.code
    code = _compile(text, symbol, options, architecture)
    _write(path, _Entry(code, version))
    return code


def has_nvrtc() -> bool:
    """Whether sources can be compiled here."""
    return bool(_library_file())


def _key(*facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is kept: machine code, and the version of NVRTC that made it."""

    code: MachineCode
    version: str


def _read(path: Path) -> _Entry | None:
    """A line each of version and name, the code, and the digest of all that; None unless the file is intact."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body, _, end = data.rpartition(MARK)
    if hashlib.sha256(body).hexdigest().encode() != end:
        return None
    version, name, cubin = body.split(b"\n", 2)
    return _Entry(MachineCode(name.decode(), cubin), version.decode())


def _write(path: Path, entry: _Entry) -> None:
    body = b"\n".join((entry.version.encode(), entry.code.symbol.encode(), entry.code.cubin))
    half = path.with_name(f".{path.stem}.{secrets.token_hex(8)}")
    try:
        half.write_bytes(body + MARK + hashlib.sha256(body).hexdigest().encode())
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        message = f"a compiled kernel can't be kept: {error.strerror or error}"
        raise PluginError(message, hint="Check the cache folder.", where=str(path)) from error


def _library_file() -> str:
    return library_file("libnvrtc.so", (13, 12))


@cache
def _library() -> ctypes.CDLL:
    file = _library_file()
    if not file:
        raise PluginError("CUDA source can't be compiled: there is no NVRTC", hint=INSTALL)
    try:
        return ctypes.CDLL(file)
    except OSError as error:
        raise PluginError(f"CUDA source can't be compiled: NVRTC can't be opened: {error}", hint=INSTALL) from error


def _version() -> str:
    """Of the NVRTC that is here ("13.0"); empty if there is none that can be opened. 20 ms at its first call."""
    try:
        api = _library()
    except PluginError:
        return ""
    major, minor = ctypes.c_int(), ctypes.c_int()
    api.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def _headers() -> list[str]:
    """Folders of cuda_fp16.h and others: those of NVIDIA's wheels, then those of the toolkit."""
    spec = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    found = [folder for place in places for folder in sorted(place.glob("*/include"))]
    found += [Path("/usr/local/cuda/include")]
    return [f"--include-path={folder}" for folder in found if (folder / "cuda_fp16.h").is_file()][:1]


def _arguments(options: tuple[str, ...], architecture: str) -> list[bytes]:
    own = [*ALWAYS, *_headers()]
    if not any(option.startswith(ARCHITECTURE) for option in options):
        own.append(f"--gpu-architecture={architecture}")
    return [option.encode() for option in (*own, *options)]


def _compile(text: str, symbol: str, options: tuple[str, ...], architecture: str) -> MachineCode:
    api, program = _library(), ctypes.c_void_p()
    status = api.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"plugin.cu", 0, None, None)
    if status:
        raise PluginError(f"NVRTC fails with status {status}", hint="Install another version of it.")
    try:
        api.nvrtcAddNameExpression(program, symbol.encode())
        arguments = _arguments(options, architecture)
        listed = (ctypes.c_char_p * len(arguments))(*arguments)
        if api.nvrtcCompileProgram(program, len(arguments), listed):
            raise _refused(symbol, _fetched(api.nvrtcGetProgramLogSize, api.nvrtcGetProgramLog, program))
        lowered = ctypes.c_char_p()
        if api.nvrtcGetLoweredName(program, symbol.encode(), ctypes.byref(lowered)) or not lowered.value:
            raise PluginInvalid(f"the source has no kernel {symbol}", hint="Name a __global__ function of it.")
        cubin = _fetched(api.nvrtcGetCUBINSize, api.nvrtcGetCUBIN, program)
        if not cubin:
            hint = 'Leave the architecture out of the options, or name one of GPUs: "-arch=sm_90".'
            raise PluginInvalid(f"NVRTC makes no machine code of {symbol} with {list(options)}", hint=hint)
        return MachineCode(lowered.value.decode(), cubin)
    finally:
        api.nvrtcDestroyProgram(ctypes.byref(program))


def _fetched(size_of: Any, fetch: Any, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    fetch(program, buffer)
    return buffer.raw


def _refused(symbol: str, log: bytes) -> PluginInvalid:
    said = log.rstrip(b"\0").decode(errors="replace").strip()[:LOG]
    return PluginInvalid(f"NVRTC refuses {symbol}:\n{said}", hint="Correct the source of the kernel, or its options.")
