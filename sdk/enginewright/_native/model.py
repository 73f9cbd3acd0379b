"""Plans in native form: a Model holds the programs, a Context runs one of them on bound arrays."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from enginewright._native.arrays import (
    SUB_BYTE,
    Array,
    address,
    is_sub_byte,
    pack_sub_byte,
    unpack_sub_byte,
    view_tensor,
)
from enginewright._native.library import OK, PYTHON, error_of, ffi, lib
from enginewright._native.log import drain_log
from enginewright._native.python_steps import take_raised, use_slots
from enginewright.errors import ClosedError, EnginewrightError, PluginDetails, PluginError, UsageError
from enginewright.tensors import DataType

_ERROR_SIZE = 4000


def pack_strings(texts: Sequence[str]) -> bytes:
    """The strings blob of a model: n + 1 offsets from the start of the blob, then the texts."""
    data = [text.encode() for text in texts]
    ends = np.cumsum([8 * (len(data) + 1), *map(len, data)]).tolist()
    return struct.pack(f"<{len(ends)}q", *ends) + b"".join(data)


class Model:
    """The programs of a plan (words: native/src/program.h) and its weights, which are kept and not copied.

    Raises `PlanInvalid` for words that break a rule, `PlanDeviceMismatch` for a kernel that is not here.
    """

    def __init__(self, words: npt.NDArray[np.int64], strings: bytes, weights: npt.NDArray[np.uint8] | None) -> None:
        words = np.ascontiguousarray(words, np.int64)
        self._weights = weights
        self.describe_step: Callable[[int, int], tuple[str, str]] | None = None
        status, error = ffi.new("int32_t *"), ffi.new("char[]", _ERROR_SIZE)
        data = ffi.NULL if weights is None or weights.nbytes == 0 else address(weights)
        size = 0 if weights is None else weights.nbytes
        pointer = ffi.cast("int64_t *", words.ctypes.data)
        self.handle = lib.ew_model_create(
            pointer, len(words), ffi.from_buffer(strings), len(strings), data, size, status, error, _ERROR_SIZE
        )
        if self.handle == ffi.NULL:
            self.handle = None
            raise error_of(status[0], ffi.string(error).decode(errors="replace"))

    def use_device(self, kind: str, ordinal: int) -> None:
        """Let the programs run on a device that is known (`add_device`); the weights are copied to it.

        Raises `DeviceError`, `DeviceOutOfMemory`.
        """
        error = ffi.new("char[]", _ERROR_SIZE)
        status = lib.ew_model_use_device(self.handle, kind.encode(), ordinal, error, _ERROR_SIZE)
        if status != OK:
            raise error_of(status, ffi.string(error).decode(errors="replace"))

    def close(self) -> None:
        """Free the programs; contexts that exist may still be run as long as the weights are mapped."""
        handle, self.handle = self.handle, None
        if handle is not None:
            lib.ew_model_destroy(handle)

    def __del__(self) -> None:
        if getattr(self, "handle", None) is not None:
            self.close()


class Context:
    """Runs one program of a model; not to be used on two threads at once (`UsageError`)."""

    def __init__(self, model: Model, program: int = 0, threads: int = 0) -> None:
        """`threads` bounds the threads of a run; 0: the CPUs that this process may use."""
        if model.handle is None:
            raise ClosedError("the native plan is closed", hint="Load the plan again.")
        handle = lib.ew_context_create(model.handle, program, threads)
        if handle == ffi.NULL:
            raise error_of(5, f"no context for program {program}")
        self._handle: Any = handle
        self._model = model
        self._inputs: dict[int, Any] = {}
        self._shapes: dict[int, tuple[tuple[int, ...], Any]] = {}
        self._outputs: dict[int, Array] = {}
        self._unpacked: dict[int, Array] = {}
        self._totals: npt.NDArray[np.int64] | None = None
        self.slots: dict[int, Any] | None = None  # a table for the objects of a program that has some
        self._tensor = ffi.new("ew_tensor *")

    def bind_input(self, index: int, array: Array) -> None:
        """Read this C-contiguous array at each run. Of an array of 2 or 4 bits the content is copied now."""
        memory = pack_sub_byte(array) if is_sub_byte(array) else array
        kept, sizes = self._shapes.get(index, (None, None))
        if kept != array.shape:
            sizes = ffi.new("int64_t[]", [*array.shape, 0])
            self._shapes[index] = array.shape, sizes
        handle = self._handle or self._open
        status = lib.ew_context_bind_input(handle, index, address(memory), sizes, array.ndim, 0)
        if status != OK:
            raise self.error(status)
        self._inputs[index] = memory

    def bind_device_input(self, index: int, pointer: int, shape: Sequence[int]) -> None:
        """Read memory of the device at each run; the caller keeps it alive."""
        sizes = ffi.new("int64_t[]", [*shape, 0])
        data = ffi.cast("void *", pointer)
        self._check(lib.ew_context_bind_input(self._open, index, data, sizes, len(shape), 1))
        self._inputs.pop(index, None)

    def bind_device_output(self, index: int, pointer: int, nbytes: int) -> None:
        """Write an output into memory of the device at each run; the caller keeps it alive."""
        self._check(lib.ew_context_bind_output(self._open, index, ffi.cast("void *", pointer), nbytes, 1))
        self._outputs.pop(index, None)
        self._unpacked.pop(index, None)

    def bind_shape(self, index: int, shape: Sequence[int]) -> None:
        """Tell the shape of an input without data: for `resolve`, and for inputs whose object is in a slot."""
        sizes = ffi.new("int64_t[]", [*shape, 0])
        self._check(lib.ew_context_bind_input(self._open, index, ffi.NULL, sizes, len(shape), 0))
        self._inputs.pop(index, None)

    def bind_output(self, index: int, array: Array | None) -> None:
        """Write an output into this C-contiguous, writable array at each run; None: the context keeps it."""
        memory = array
        if array is None:
            self._unpacked.pop(index, None)
        elif is_sub_byte(array):
            self._unpacked[index] = array
            memory = None
        size = 0 if memory is None else memory.nbytes
        data = ffi.NULL if memory is None else address(memory)
        self._check(lib.ew_context_bind_output(self._open, index, data, size, 0))
        if memory is None:
            self._outputs.pop(index, None)
        else:
            self._unpacked.pop(index, None)
            self._outputs[index] = memory

    def resolve(self) -> None:
        """Compute all sizes that the shapes of the inputs tell; `ShapeError` if they do not agree."""
        self._check(lib.ew_context_resolve(self._open))

    def run(self) -> None:
        """Run the program once. What a Python step raises comes out unchanged, with a note naming the layer."""
        status = lib.ew_context_run(self._open) if self.slots is None else self._run_with(self.slots)
        if status != OK:
            self._raise(status)
        for index, array in self._unpacked.items():
            array[...] = self.output(index, array.dtype)

    def _run_with(self, slots: dict[int, Any]) -> int:
        """A run whose objects are in `slots`: a step may itself run another plan on this thread."""
        before = use_slots(slots)
        try:
            return int(lib.ew_context_run(self._open))
        finally:
            use_slots(before)

    def run_async(self, stream: int) -> None:
        """Queue a run on a stream of the device (its handle) and return; everything bound lies on the device."""
        status = lib.ew_context_run_async(self._open, ffi.cast("void *", stream))
        if status != OK:
            self._raise(status)

    def time_on_device(self, repeats: int) -> float:
        """Nanoseconds of one run among many that follow each other on the device."""
        nanoseconds = ffi.new("double *")
        status = lib.ew_context_time(self._open, repeats, nanoseconds)
        if status != OK:
            self._raise(status)
        return float(nanoseconds[0])

    def reserve(self) -> None:
        """Take all memory that runs with these bindings will need, on every thread, by a run that does not count."""
        self._check(lib.ew_context_reserve(self._open))

    def output(self, index: int, dtype: np.dtype[Any] | None = None) -> Array:
        """An output of the last run, as a view that the next run overwrites; a copy of one on the device."""
        self._check(lib.ew_context_output(self._open, index, self._tensor))
        if self._tensor.data == ffi.NULL and math.prod(self._tensor.shape[0 : self._tensor.rank]) != 0:
            raise UsageError("there is no output before a run with these inputs", hint="Call run() first.")
        array = self._fetched(index) if self._tensor.device else view_tensor(self._tensor)
        return array if dtype is None or array.dtype == dtype else array.view(dtype)

    def _fetched(self, index: int) -> Array:
        shape = tuple(self._tensor.shape[0 : self._tensor.rank])
        dtype = DataType(self._tensor.dtype)
        count = math.prod(shape)
        memory = np.empty(-(-count * dtype.bits // 8), np.uint8)
        self._check(lib.ew_context_fetch(self._open, index, address(memory), memory.nbytes))
        if dtype in SUB_BYTE:
            return unpack_sub_byte(memory, shape, dtype.numpy)
        array: Array = memory.view(dtype.numpy).reshape(shape)
        return array

    def output_shape(self, index: int) -> tuple[int, ...]:
        """The shape of an output; -1 for a size that is not known before a run."""
        self._check(lib.ew_context_output(self._open, index, self._tensor))
        return tuple(self._tensor.shape[0 : self._tensor.rank])

    def is_fixed(self, index: int) -> bool:
        """Whether the shape of an output is known before a run."""
        return -1 not in self.output_shape(index)

    def profile(self, n_steps: int) -> npt.NDArray[np.int64]:
        """From now on, add the nanoseconds of each step of the program to the array returned; last: between them."""
        totals = np.zeros(n_steps + 1, np.int64)
        pointer = ffi.cast("int64_t *", totals.ctypes.data)
        self._check(lib.ew_context_profile(self._open, 1, pointer, len(totals)))
        self._totals = totals
        return totals

    def stop_profile(self) -> None:
        """Time steps no longer."""
        self._check(lib.ew_context_profile(self._open, 0, ffi.NULL, 0))
        self._totals = None

    @property
    def memory(self) -> int:
        """Bytes of memory that the context holds for tensors."""
        return int(lib.ew_context_memory(self._open))

    def cancel(self) -> None:
        """End the run in progress with `RunError`; from any thread."""
        lib.ew_context_cancel(self._open)

    def close(self) -> None:
        """Free the context's memory."""
        handle, self._handle = self._handle, None
        if handle is not None:
            drain_log()
            lib.ew_context_destroy(handle)
            self._inputs.clear()
            self._outputs.clear()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    @property
    def _open(self) -> Any:
        if self._handle is None:
            raise ClosedError("the context is closed", hint="Create another one.")
        return self._handle

    def _check(self, status: int) -> None:
        if status != OK:
            raise self.error(status)

    def _raise(self, status: int) -> None:
        error = self.error(status)
        drain_log()
        raised = take_raised()
        if status == PYTHON and raised is not None:
            self._locate(raised)
            raised.add_note(f"in a Python step of the plan: {error.message}")
            raise raised
        raise error

    def _locate(self, raised: BaseException) -> None:
        """Tell an error of a plugin in which layer it happened, and of which plugin it is."""
        program, step = self.failed_at()
        if not isinstance(raised, PluginError) or self._model.describe_step is None or step < 0:
            return
        layer, key = self._model.describe_step(program, step)
        found = raised.details if isinstance(raised.details, PluginDetails) else PluginDetails(key, "reference")
        raised.details = PluginDetails(found.plugin or key, found.method, found.layer or layer)
        raised.located(f'layer "{layer}"')

    def error(self, status: int) -> EnginewrightError:
        """The exception for a status of this context."""
        text = ffi.string(lib.ew_context_error(self._open, ffi.NULL, ffi.NULL)).decode(errors="replace")
        return error_of(status, text)

    def failed_at(self) -> tuple[int, int]:
        """Program and step in which the last failure happened; -1 where it was in none."""
        program, step = ffi.new("int32_t *"), ffi.new("int32_t *")
        lib.ew_context_error(self._open, program, step)
        return int(program[0]), int(step[0])
