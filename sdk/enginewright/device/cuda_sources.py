"""Level 2a: a kernel as CUDA C++ source, compiled by NVRTC, launched where the engine captures its CUDA graph."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from enginewright import _native
from enginewright.device import cuda_driver, kernel_params, nvrtc
from enginewright.device.cuda import cuda_devices
from enginewright.device.kernel_source import CompiledCode, KernelSource, check_stream
from enginewright.errors import PluginInvalid

GEOMETRY = 7
"""Numbers before the params of a step: grid and block (three each), shared bytes."""
MOST_BLOCKS = (2**31 - 1, 65535, 65535)
MOST_THREADS = 1024
_loaded: dict[str, cuda_driver.Kernel] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class CudaSource(KernelSource):
    """CUDA source with a kernel of this name."""

    level = 2
    text: str
    symbol: str
    options: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """GPUs."""
        return "cuda"

    @property
    def identity(self) -> str:
        """A digest of text, symbol and options."""
        facts = json.dumps([self.text, self.symbol, self.options], separators=(",", ":"))
        return hashlib.sha256(facts.encode()).hexdigest()[:32]

    @property
    def abi(self) -> str:
        """None: the C interface has no part in it."""
        return ""

    def load(self) -> str:
        """Compile it for the GPUs that are here, unless that was done before; `DeviceMissing` where there is none."""
        for architecture in sorted({device.architecture for device in cuda_devices()}):
            self.compile(architecture)
        if not _native.find_kernel(self._name):
            _native.add_python_kernel(self._name, self.queue)
        return self._name

    @property
    def _name(self) -> str:
        return f"cu:{self.identity}:{self.symbol}"

    def code(self, architecture: str) -> CompiledCode:
        """Its machine code."""
        made = self.compile(architecture)
        return CompiledCode("cubin", made.cubin, ((self._name, made.symbol),))

    def compile(self, architecture: str) -> nvrtc.MachineCode:
        """Its machine code for an architecture ("sm_90"); no GPU is needed."""
        return nvrtc.compiled(self.text, self.symbol, self.options, architecture)

    def queue(self, call: _native.KernelCall) -> None:
        """Launch it as a step wants it."""
        check_stream(self.symbol, call)
        architecture = cuda_driver.current_architecture()
        queue_kernel(self.symbol, kernel_of(f"{self._name} {architecture}", lambda: self.compile(architecture)), call)


def kernel_of(key: str, code: Callable[[], nvrtc.MachineCode]) -> cuda_driver.Kernel:
    """The kernel that was loaded under this key, else from this code."""
    with _lock:
        if key not in _loaded:
            made = code()
            _loaded[key] = cuda_driver.Kernel(made.cubin, made.symbol)
        return _loaded[key]


def queue_kernel(symbol: str, kernel: cuda_driver.Kernel, call: _native.KernelCall) -> None:
    """Launch a kernel as a step wants it."""
    geometry, given = call.params[:GEOMETRY], kernel_params.read(call.params[GEOMETRY:])
    tensors = [_pointer(tensor) for tensor in (*call.inputs, *call.outputs)]
    scratch = [ctypes.c_void_p(call.workspace)] if given.has_workspace else []
    arguments: list[Any] = [*tensors, *scratch, *given.arguments()]
    check_arguments(symbol, [ctypes.sizeof(argument) for argument in arguments], kernel.parameter_sizes())
    check_geometry(symbol, geometry)
    if all(geometry[:3]):  # an empty grid has nothing to do, and can't be launched
        kernel.launch(geometry, arguments, call.stream)


def _pointer(tensor: _native.CallTensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.pointer if tensor else 0)


def check_arguments(symbol: str, given: list[int], wanted: list[int] | None) -> None:
    """`PluginInvalid` unless the kernel has a parameter for each argument; bytes of each.

    An integer is given as 64 bits, of which the kernel may take fewer.
    """
    if wanted is None or (len(given) == len(wanted) and all(map(_fits, given, wanted))):
        return
    raise PluginInvalid(
        f"the kernel {symbol} has parameters of {_listed(wanted)} bytes, it gets arguments of {_listed(given)}",
        hint="It gets a pointer for each input, then output, then the workspace if there is one, then params: int64_t "
        "(or int), double, and float for ew.f32(number).",
    )


def _fits(given: int, wanted: int) -> bool:
    return wanted == given or (given == 8 and wanted < given)


def _listed(sizes: list[int]) -> str:
    return ", ".join(map(str, sizes)) or "no"


def check_geometry(symbol: str, geometry: tuple[int, ...]) -> None:
    """`PluginInvalid` for a grid, a block or shared memory that GPUs do not have: sizes may come at run time."""
    block = " x ".join(map(str, geometry[3:6]))
    if any(size < 1 for size in geometry[3:6]) or math.prod(geometry[3:6]) > MOST_THREADS:
        raise PluginInvalid(
            f"the kernel {symbol} gets blocks of {block} threads, of which GPUs have 1 to {MOST_THREADS}",
            hint="Give sizes from 1, whose product is at most that.",
        )
    if not 0 <= geometry[6] < 2**31:
        raise PluginInvalid(
            f"the kernel {symbol} gets {geometry[6]} bytes of shared memory", hint="Give at most what the GPU has."
        )
    if all(0 <= size <= most for size, most in zip(geometry, MOST_BLOCKS, strict=False)):
        return
    grid = " x ".join(map(str, geometry[:3]))
    raise PluginInvalid(
        f"the kernel {symbol} gets a grid of {grid} blocks, of which GPUs have at most 2147483647 x 65535 x 65535",
        hint="Put the larger size first, or let each block do more.",
    )


def cuda_source(text: str, symbol: str, *, options: tuple[str, ...] = ()) -> CudaSource:
    """A kernel as CUDA C++ source, for GPUs: a ``__global__`` function, whose name may be one of C++: ``scale<float>``.

    It gets a pointer for each input that the launch reads (NULL for one that is left out), for each output, for the
    workspace if there is one, then the params: ``int64_t``, ``double``, and ``float`` for `ew.f32`. `ew.Launch` tells
    grid and block. NVRTC compiles it for the GPU at hand when it is first needed, with `options`; the machine code is
    cached by its content. It is launched when the engine captures its graph: `infer` and tactics run at build only.
    """
    if not symbol.strip():
        raise PluginInvalid("a kernel without a name", hint="Give the name of a __global__ function of the source.")
    return CudaSource(text, symbol, tuple(options))
