"""Steps that run in Python: one C callback, and the table of functions that it calls by number."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from enginewright._native.arrays import SUB_BYTE, Array, dtype_of, pack_sub_byte, view_tensor
from enginewright._native.library import OK, PYTHON, ffi, lib
from enginewright.errors import EnginewrightError, PluginInvalid
from enginewright.tensors import DataType, as_objects

PythonStep = Callable[..., Any]
"""Takes an array (or None) for each input and returns an array, or a tuple of arrays, for the outputs."""

COPY_SLOT = -1
_OBJECT = int(DataType.STRING)
_steps: dict[int, PythonStep] = {}
_numbers = itertools.count()
_slots = threading.local()
_raised = threading.local()


def add_python_step(function: PythonStep) -> int:
    """The number under which a "python" step finds this function: the step's first param."""
    number = next(_numbers)
    _steps[number] = function
    return number


def remove_python_step(number: int) -> None:
    """Forget a function; no plan may use its number any more."""
    _steps.pop(number, None)


def slots() -> dict[int, Any]:
    """The Python objects of this thread's run, by slot: what tensors without memory hold."""
    table: dict[int, Any] | None = getattr(_slots, "table", None)
    if table is None:
        table = _slots.table = {}
    return table


def use_slots(table: dict[int, Any] | None) -> dict[int, Any] | None:
    """Let the next runs on this thread keep their objects in `table`; the table until now."""
    before: dict[int, Any] | None = getattr(_slots, "table", None)
    _slots.table = table
    return before


def take_raised() -> BaseException | None:
    """The exception that a Python step raised on this thread, once."""
    error: BaseException | None = getattr(_raised, "error", None)
    _raised.error = None
    return error


def _slot(tensor: Any) -> int:
    return int(ffi.cast("intptr_t", tensor.data)) - 1


def _read(tensor: Any) -> Any:
    if tensor.dtype == 0:
        return None
    if tensor.dtype == _OBJECT:
        return slots().get(_slot(tensor))
    array = view_tensor(tensor)
    array.flags.writeable = False  # it may be a weight in a file mapped read-only
    return array


def _write(call: Any, index: int, result: Any) -> None:
    tensor = call.outputs[index]
    if tensor.dtype == 0:
        return
    if tensor.dtype == _OBJECT:
        result = as_objects(result)
        if isinstance(result, np.ndarray):
            _shape_output(call, index, result)
        slots()[_slot(tensor)] = result
        return
    array = np.asarray(result)
    _shape_output(call, index, array)
    if array.size:
        _copy(array, call.outputs[index])


def _shape_output(call: Any, index: int, array: Array) -> None:
    """Check type and rank of a result, and say its shape where the plan does not know it."""
    tensor = call.outputs[index]
    _check_result(tensor, array, index)
    if tensor.size_out or tuple(tensor.shape[0 : tensor.rank]) != array.shape:
        status = call.host.resize(call, index, ffi.new("int64_t[]", [*array.shape, 0]))
        if status != OK:
            raise PluginInvalid(
                f"output {index} has the shape {array.shape}, the plan says {_shape_text(tensor)}",
                hint="Let `infer` and `reference` agree.",
            )


def _check_result(tensor: Any, array: Array, index: int) -> None:
    found = dtype_of(array)
    if found != tensor.dtype or array.ndim != tensor.rank:
        raise PluginInvalid(
            f"output {index} is {found} of rank {array.ndim}; "
            f"the plan says {DataType(tensor.dtype)} of rank {tensor.rank}",
            hint="Let `infer` and `reference` agree.",
        )


def _copy(array: Array, tensor: Any) -> None:
    if tensor.dtype in SUB_BYTE:
        packed = pack_sub_byte(array)
        ffi.memmove(tensor.data, ffi.from_buffer(packed), packed.nbytes)
    else:
        np.copyto(view_tensor(tensor, array.shape), array)


def _shape_text(tensor: Any) -> str:
    return f"({', '.join('?' if size < 0 else str(size) for size in tensor.shape[0 : tensor.rank])})"


def run_step(call: Any) -> None:
    """Run the Python function of an `ew_call`, reading and writing its tensors."""
    number = call.params[0].i
    if number == COPY_SLOT:
        slots()[_slot(call.outputs[0])] = slots().get(_slot(call.inputs[0]))
        return
    results = _steps[number](*[_read(call.inputs[i]) for i in range(call.n_inputs)])
    outputs = results if isinstance(results, tuple | list) and call.n_outputs != 1 else _single(results)
    if len(outputs) != call.n_outputs:
        raise PluginInvalid(
            f"{len(outputs)} results for {call.n_outputs} outputs", hint="Return one array for each output."
        )
    for index, result in enumerate(outputs):
        _write(call, index, result)


def _single(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) and len(results) == 1 else (results,)


@ffi.callback("int32_t(*)(const ew_call *)")  # type: ignore[untyped-decorator, unused-ignore]
def _callback(call: Any) -> int:
    try:
        run_step(call)
    except BaseException as error:  # noqa: BLE001  it is raised again as soon as native code has returned
        return raised_in(call, error)
    return OK


def raised_in(call: Any, error: BaseException) -> int:
    """Keep an exception for `take_raised` and tell the call of it; the status to return."""
    _raised.error = error
    reason = error.message if isinstance(error, EnginewrightError) else error
    text = f"{type(error).__name__}: {reason}".encode()[:1000]
    return int(call.host.error(call, PYTHON, ffi.new("char[]", b"%s"), ffi.new("char[]", text)))


lib.ew_set_python_step(_callback)
