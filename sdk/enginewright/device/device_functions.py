"""Level 2b: a Python function on device arrays (cupy, torch, Triton), captured in the engine's CUDA graph."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from enginewright import _native
from enginewright.device import cuda_driver, kernel_params
from enginewright.device.cuda import cuda_devices
from enginewright.device.device_views import DeviceView
from enginewright.device.kernel_source import KernelSource, check_stream
from enginewright.errors import EnginewrightError, PluginError, PluginInvalid
from enginewright.tensors import DataType

FRAMEWORKS = ("torch", "cupy")
CAPTURED = "Queue kernels only: wait for nothing, copy nothing to the host, take memory from ew.Launch(workspace=...)."
_known: dict[str, Callable[..., Any]] = {}


@dataclass(frozen=True)
class DeviceFunction(KernelSource):
    """A Python function on device arrays and a stream."""

    level = 2
    function: Callable[..., Any]

    @property
    def target(self) -> str:
        """GPUs."""
        return "cuda"

    @property
    def identity(self) -> str:
        """Empty: the distribution's version stands for the function."""
        return ""

    @property
    def abi(self) -> str:
        """None: the C interface has no part in it."""
        return ""

    @property
    def name(self) -> str:
        """Module and name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def __call__(self, *arrays: Any, **more: Any) -> Any:
        """The function itself, so that `device_function` is a decorator, too."""
        return self.function(*arrays, **more)

    def load(self) -> str:
        """Sign it in; `DeviceMissing` where there is no GPU."""
        cuda_devices()
        name = f"py:{self.name}"
        if "<locals>" in name:  # one of several that another function made
            numbered = itertools.chain([name], (f"{name}#{number}" for number in itertools.count(2)))
            name = next(n for n in numbered if _known.get(n) in (None, self.function))
        _known[name] = self.function
        _native.add_python_kernel(name, self.queue)
        return name

    def queue(self, call: _native.KernelCall) -> None:
        """Let the function queue its work on the step's stream."""
        check_stream(self.name, call)
        given, capturing = kernel_params.read(call.params), cuda_driver.is_capturing(call.stream)
        device = cuda_driver.current_device()
        arrays = [_view(tensor, device) for tensor in (*call.inputs, *call.outputs)]
        if given.has_workspace:
            arrays.append(DeviceView(call.workspace, (call.workspace_bytes,), DataType.UINT8, device))
        try:
            with _on_stream(call.stream, self.name, capturing=capturing):
                found = self.function(*arrays, *given.values, stream=call.stream)
        except (KeyboardInterrupt, EnginewrightError):
            raise
        except BaseException as error:
            raise self._fault(error, capturing=capturing) from error
        if found is not None:
            message = f"{self.name} returns {type(found).__name__}, not None"
            raise PluginInvalid(message, hint="Write into the outputs: the arrays behind the inputs.")

    def _fault(self, error: BaseException, *, capturing: bool) -> PluginError:
        when = " while its work is captured in a CUDA graph" if capturing else ""
        hint = CAPTURED if capturing else "The plugin is at fault: correct it; the cause is in the traceback above."
        return PluginError(f"{self.name} raises {type(error).__name__}{when}: {error}", hint=hint)


def _view(tensor: _native.CallTensor | None, device: int) -> DeviceView | None:
    return None if tensor is None else DeviceView(tensor.pointer, tensor.shape, tensor.dtype, device)


@contextmanager
def _on_stream(stream: int, name: str, *, capturing: bool) -> Iterator[None]:
    """Make a stream the current one of torch and cupy; while capturing, refuse memory of theirs.

    A graph runs on after the function has returned, when its arrays are long given to somebody else.
    """
    loaded = _loaded()
    if not capturing and len(loaded) < len(FRAMEWORKS):
        cuda_driver.wait_for(stream)  # the function may import one, which then works on its default stream
    with ExitStack() as stack:
        if "torch" in loaded:
            stack.enter_context(_torch_stream(loaded["torch"], stream, name, capturing=capturing))
        if "cupy" in loaded:
            stack.enter_context(_cupy_stream(loaded["cupy"], stream, name, capturing=capturing))
        yield
    if len(_loaded()) > len(loaded):
        if capturing:
            raise PluginError(f"{name} imports a framework while captured", hint="Import it at the module's top.")
        cuda_driver.wait_for(0)


def _loaded() -> dict[str, Any]:
    """The frameworks that are imported and have a GPU."""
    found = {}
    for name in FRAMEWORKS:
        cuda = getattr(sys.modules.get(name), "cuda", None)
        if cuda is not None and (name != "torch" or cuda.is_available()):
            found[name] = cuda
    return found


@contextmanager
def _torch_stream(cuda: Any, stream: int, name: str, *, capturing: bool) -> Iterator[None]:
    before = _torch_pieces(cuda) if capturing else 0
    with cuda.stream(cuda.ExternalStream(stream)):
        yield
    if capturing and _torch_pieces(cuda) != before:
        raise _memory_taken(name, "torch")


def _torch_pieces(cuda: Any) -> int:
    return int(cuda.memory_stats().get("allocation.all.allocated", 0))


@contextmanager
def _cupy_stream(cuda: Any, stream: int, name: str, *, capturing: bool) -> Iterator[None]:
    def refuse(size: int) -> Any:
        raise _memory_taken(name, "cupy")

    with ExitStack() as stack:
        stack.enter_context(_cupy_external(cuda, stream))
        if capturing:
            stack.enter_context(cuda.using_allocator(refuse))
        yield


def _cupy_external(cuda: Any, stream: int) -> Any:
    """The stream as cupy has it: since cupy 14 by the protocol of CUDA's streams."""
    if not hasattr(cuda.Stream, "from_external"):
        return cuda.ExternalStream(stream)
    return cuda.Stream.from_external(_ForeignStream(stream))


@dataclass(frozen=True)
class _ForeignStream:
    handle: int

    def __cuda_stream__(self) -> tuple[int, int]:
        """Version of the protocol, and the handle."""
        return 0, self.handle


def _memory_taken(name: str, framework: str) -> PluginError:
    message = f"{name} takes memory of {framework} while its work is captured in a CUDA graph"
    return PluginError(message, hint="Write into the outputs (out=), and take further memory from the workspace.")


def device_function(function: Callable[..., Any]) -> DeviceFunction:
    """A Python function that queues work on device arrays, with cupy, torch or Triton for instance; also a decorator.

    It is called as ``function(*inputs, *outputs, [workspace,] *params, stream=handle)``; arrays have
    `__cuda_array_interface__`, DLPack and `data_ptr()`, an input that is left out is None. It writes the outputs and
    returns nothing. The current stream of torch and cupy is the engine's meanwhile. It runs when sizes are new, first
    once and then once more to be captured, not at each inference.
    """
    name = getattr(function, "__qualname__", "")
    if not name or "<lambda>" in name or not getattr(function, "__module__", ""):
        raise PluginInvalid(f"{function!r} has no name that a plan could keep", hint="Write a function with def.")
    return DeviceFunction(function)
