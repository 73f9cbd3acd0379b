"""Where a plugin's kernel comes from: C source, a prebuilt library, or (with the CUDA target) CUDA or device code.

A tactic names a built-in kernel by its name, or holds one of these. Each can be `load`ed: compiled or opened if need be
and signed in with the native library, which gives the name that steps of a plan call it by. The name holds a digest of
the source or the build id of the library, so a plan runs exactly the kernel that it was tuned with.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from enginewright import _native
from enginewright.device.c_compiler import FLAGS, compiled
from enginewright.device.plugin_library import PluginLibrary, open_library
from enginewright.device.shared_objects import function_address
from enginewright.errors import PluginError, PluginInvalid

SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
NO_CUDA = "runs on CUDA devices, which this release does not build for"


class KernelSource(ABC):
    """A kernel that is not built in."""

    level: ClassVar[int]
    target: ClassVar[str] = "cpu"

    @property
    @abstractmethod
    def identity(self) -> str:
        """What tells this kernel from every other version of it: a digest of its source, or a build id."""

    @property
    def abi(self) -> str:
        """The version of the C interface that it uses, empty for a kernel without one."""
        return ".".join(map(str, _native.ABI))

    @abstractmethod
    def load(self) -> str:
        """Make it ready and return the name that native code knows it by; a `PluginError` says why it can't be."""


@dataclass(frozen=True)
class CSource(KernelSource):
    """Level 1: C source with a function ``int32_t symbol(const ew_call *)``."""

    level: ClassVar[int] = 1
    text: str
    symbol: str
    flags: tuple[str, ...] = FLAGS

    @property
    def identity(self) -> str:
        """A digest of text, symbol and flags."""
        facts = json.dumps([self.text, self.symbol, self.flags], separators=(",", ":"))
        return hashlib.sha256(facts.encode()).hexdigest()[:32]

    def load(self) -> str:
        """Compile it, unless that was done before on this machine."""
        name = f"c:{self.identity}:{self.symbol}"
        if not _native.find_kernel(name):
            _native.add_kernel(name, function_address(compiled(self.text, self.flags, self.symbol), self.symbol))
        return name


@dataclass(frozen=True)
class LibraryKernel(KernelSource):
    """Level 3: a kernel of a prebuilt library that follows the C interface."""

    level: ClassVar[int] = 3
    path: Path
    name: str

    @property
    def identity(self) -> str:
        """The library's build id."""
        return self._library().build_id

    @property
    def abi(self) -> str:
        """The version that the library was built for."""
        return ".".join(map(str, self._library().abi))

    def load(self) -> str:
        """Open the library and sign in all its kernels."""
        library = self._library()
        if self.name not in library.kernels:
            raise PluginInvalid(
                f"{self.path.name} has no kernel {self.name}",
                hint=f"It has {', '.join(library.kernels) or 'none'}; list it in EW_PLUGIN(...).",
                where=str(self.path),
            )
        return library.kernels[self.name]

    def _library(self) -> PluginLibrary:
        return open_library(self.path)


@dataclass(frozen=True)
class CudaSource(KernelSource):
    """Level 2a: CUDA source with a kernel of this name."""

    level: ClassVar[int] = 2
    target: ClassVar[str] = "cuda"
    text: str
    symbol: str
    options: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """A digest of text, symbol and options."""
        facts = json.dumps([self.text, self.symbol, self.options], separators=(",", ":"))
        return hashlib.sha256(facts.encode()).hexdigest()[:32]

    def load(self) -> str:
        """Always refused: there is no CUDA target yet."""
        raise PluginError(f"{self.symbol} {NO_CUDA}", hint="Give the operator a tactic for the CPU, too.")


@dataclass(frozen=True)
class DeviceFunction(KernelSource):
    """Level 2b: a Python function on device arrays and a stream."""

    level: ClassVar[int] = 2
    target: ClassVar[str] = "cuda"
    function: Callable[..., Any]

    @property
    def identity(self) -> str:
        """Empty: the distribution's version stands for the function."""
        return ""

    def load(self) -> str:
        """Always refused: there is no CUDA target yet."""
        name = getattr(self.function, "__name__", "the function")
        raise PluginError(f"{name} {NO_CUDA}", hint="Give the operator a tactic for the CPU, too.")


def c_source(text: str, symbol: str, *, flags: tuple[str, ...] = FLAGS) -> CSource:
    """A kernel as C source: a function ``int32_t symbol(const ew_call *call)``; see ``enginewright.h``.

    It is compiled by `$CC` or `cc` when it is first needed, and cached by its content.
    """
    if not SYMBOL.fullmatch(symbol):
        raise PluginInvalid(f"{symbol!r} is no name of a C function", hint="Use letters, digits and underscores.")
    return CSource(text, symbol, tuple(flags))


def cuda_source(text: str, symbol: str, *, options: tuple[str, ...] = ()) -> CudaSource:
    """A kernel as CUDA source, for devices."""
    return CudaSource(text, symbol, tuple(options))


def device_function(function: Callable[..., Any]) -> DeviceFunction:
    """A Python function that works on device arrays and a stream, with cupy, torch or Triton for instance."""
    return DeviceFunction(function)


@dataclass(frozen=True)
class Library:
    """A prebuilt library of kernels; ``library[name]`` is one of them, for `tactic`."""

    path: Path

    def __getitem__(self, name: str) -> LibraryKernel:
        return LibraryKernel(self.path, name)


def library(path: str | Path) -> Library:
    """A prebuilt library that exports ``ew_plugin_v1``; a relative path is seen from the module that calls this.

    It is opened when one of its kernels is first needed: then its interface version is read, before any call.
    """
    given = Path(path)
    if not given.is_absolute():
        caller = sys._getframe(1).f_globals.get("__file__")
        given = (Path(caller).parent if caller else Path()) / given
    return Library(given.absolute())
