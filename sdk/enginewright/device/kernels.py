"""Where a plugin's kernel comes from: C source or a prebuilt library; for GPUs also CUDA source or a Python function.

A tactic names a built-in kernel by its name, or holds one of these. Each can be `load`ed: compiled or opened if need be
and signed in with the native library, which gives the name that steps of a plan call it by. The name holds a digest of
the source or the build id of the library, so a plan runs exactly the kernel that it was tuned with.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enginewright import _native
from enginewright.device.c_compiler import FLAGS, compiled
from enginewright.device.cuda_sources import CudaSource
from enginewright.device.device_functions import DeviceFunction
from enginewright.device.kernel_source import CompiledCode, KernelSource
from enginewright.device.plugin_library import PluginLibrary, open_library
from enginewright.device.shared_objects import function_address
from enginewright.errors import PluginInvalid

SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
TARGETS = ("cpu", "cuda")

__all__ = [
    "CSource", "CudaSource", "DeviceFunction", "KernelSource", "Library", "LibraryKernel", "c_source", "library",
]  # fmt: skip


@dataclass(frozen=True)
class CSource(KernelSource):
    """Level 1: C source with a function ``int32_t symbol(const ew_call *)``."""

    level = 1
    text: str
    symbol: str
    flags: tuple[str, ...] = FLAGS

    @property
    def identity(self) -> str:
        """A digest of text, symbol and flags."""
        facts = json.dumps([self.text, self.symbol, self.flags], separators=(",", ":"))
        return hashlib.sha256(facts.encode()).hexdigest()[:32]

    @property
    def _name(self) -> str:
        return f"c:{self.identity}:{self.symbol}"

    def load(self) -> str:
        """Compile it, unless that was done before on this machine."""
        if not _native.find_kernel(self._name):
            _native.add_kernel(self._name, function_address(self._object(), self.symbol))
        return self._name

    def code(self, architecture: str) -> CompiledCode:
        """The shared library that it was compiled to."""
        return CompiledCode("object", self._object().read_bytes(), ((self._name, self.symbol),))

    def _object(self) -> Path:
        return compiled(self.text, self.flags, self.symbol)


@dataclass(frozen=True)
class LibraryKernel(KernelSource):
    """Level 3: a kernel of a prebuilt library that follows the C interface."""

    level = 3
    path: Path
    name: str
    device: str = "cpu"

    @property
    def target(self) -> str:
        """As the library was declared."""
        return self.device

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

    def code(self, architecture: str) -> CompiledCode:
        """The whole library."""
        kernels = tuple((signed, name) for name, signed in sorted(self._library().kernels.items()))
        return CompiledCode("library", self.path.read_bytes(), kernels)

    def _library(self) -> PluginLibrary:
        return open_library(self.path)


def c_source(text: str, symbol: str, *, flags: tuple[str, ...] = FLAGS) -> CSource:
    """A kernel as C source: a function ``int32_t symbol(const ew_call *call)``; see ``enginewright.h``.

    It is compiled by `$CC` or `cc` when it is first needed, and cached by its content.
    """
    if not SYMBOL.fullmatch(symbol):
        raise PluginInvalid(f"{symbol!r} is no name of a C function", hint="Use letters, digits and underscores.")
    return CSource(text, symbol, tuple(flags))


@dataclass(frozen=True)
class Library:
    """A prebuilt library of kernels; ``library[name]`` is one of them, for `tactic`."""

    path: Path
    device: str = "cpu"

    def __getitem__(self, name: str) -> LibraryKernel:
        return LibraryKernel(self.path, name, self.device)


def library(path: str | Path, *, target: str = "cpu") -> Library:
    """A prebuilt library that exports ``ew_plugin_v1``; a relative path is seen from the module that calls this.

    It is opened when one of its kernels is first needed: then its interface version is read, before any call.
    `target="cuda"`: its kernels queue work for a GPU on ``call->stream``; the pointers that they get lie there.
    """
    if target not in TARGETS:
        raise PluginInvalid(f"there is no target {target!r} for kernels", hint=f"Use one of {', '.join(TARGETS)}.")
    given = Path(path)
    if not given.is_absolute():
        given = _near(sys._getframe(1).f_globals, given)
    return Library(given.absolute(), target)


def _near(module: Mapping[str, Any], path: Path) -> Path:
    """Beside a module, else in another folder of its package: tools that install in place put libraries there."""
    file = module.get("__file__")
    package = sys.modules.get(module.get("__package__") or "")
    folders = [Path(file).parent if file else Path(), *map(Path, getattr(package, "__path__", ()))]
    return next((folder / path for folder in folders if (folder / path).is_file()), folders[0] / path)
