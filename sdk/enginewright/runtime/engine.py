"""Runs a plan: an Engine borrows contexts, a Context binds arrays once and runs many times without a copy."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np

from enginewright import _native
from enginewright.device.cuda import choose_device
from enginewright.device.memory import DeviceArray, device_array, stream_handle
from enginewright.errors import ClosedError, ConfigError, UsageError
from enginewright.plan.plan import Plan
from enginewright.registry.registry import registry
from enginewright.runtime.object_ports import ObjectPorts, ObjectRun
from enginewright.runtime.plugins import load_embedded, prepare_plugins
from enginewright.runtime.ports import PortInfo, check_names
from enginewright.runtime.profiles import fitting_profile, no_profile, profile_text
from enginewright.runtime.session import LoadedPlan, output_array
from enginewright.tensors import DataType, as_objects
from enginewright.verdict import passport_info
from enginewright_compat.deprecation import deprecated

Array = np.ndarray[Any, Any]


class Engine:
    """A loaded plan, ready to run. `run` may be called from several threads at once."""

    def __init__(self, plan: Plan, *, threads: int | None = None, device: str = "cuda", announce: bool = True) -> None:
        """Load a plan; `threads` bounds the CPU threads of one run (default: those that the plan was tuned for).

        `device`: which GPU a plan for GPUs runs on, "cuda" (the first that fits), "cuda:1" or "cuda:GPU-...";
        `DeviceMissing` without it, `PlanDeviceMismatch` where the plan was built for another compute capability. A
        plan for the CPU ignores it.
        `announce`: tell plugins that watch; a build that tries its own plan does not.
        """
        if threads is not None and threads < 1:
            raise ConfigError(f"{threads} threads are not possible", hint="Use 1 or more, or leave it out.")
        target = plan.passport.target
        device = choose_device(device, target.compute_capability if target else "")
        self.plan = plan
        self.threads = threads or plan.head.threads
        self.inputs = tuple(PortInfo.of(port) for port in plan.head.inputs)
        self.outputs = tuple(PortInfo.of(port) for port in plan.head.outputs)
        if plan.passport.plugins:
            prepare_plugins(plan.passport, plan.name)
        if plan.head.code:
            load_embedded(plan.head.code, plan.code)
        self._loaded = LoadedPlan.of(plan, device)
        self._idle: list[Context] = []
        self._lock = threading.Lock()
        self._contexts: weakref.WeakSet[Context] = weakref.WeakSet()
        self._closed = False
        self._announced = announce
        self._announce("enginewright_plan_loaded")

    @property
    def loaded(self) -> LoadedPlan:
        """The native plan; `ClosedError` after `close`."""
        if self._closed:
            raise ClosedError("the engine is closed", hint="Load the plan again.")
        return self._loaded

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """One inference: arrays by input name to new arrays by output name.

        A sequence is a list of arrays, an optional None or what it holds.
        """
        context = self._borrow()
        try:
            return context.infer(inputs)
        finally:
            self._give_back(context)

    def create_context(self) -> Context:
        """A context of your own; use it on one thread at a time."""
        context = Context(self)
        self._contexts.add(context)
        return context

    def close(self) -> None:
        """Free everything; contexts of this engine can't be used any more."""
        if not self._closed:
            self._closed = True
            for context in list(self._contexts):
                context.close()
            self._loaded.close()
            self._announce("enginewright_engine_closed")

    def _announce(self, event: str) -> None:
        """Tell plugins that watch; what the plan is is only put together if there are any."""
        if self._announced and registry.watched(event):
            registry.announce(event, info=passport_info(self.plan.passport))

    def _borrow(self) -> Context:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self.create_context()

    def _give_back(self, context: Context) -> None:
        with self._lock:
            if self._closed:
                context.close()
            else:
                self._idle.append(context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Engine {self.plan.name}>"


class Context:
    """Memory and bindings for one inference at a time; a context belongs to one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._native: dict[int, _native.Context] = {}
        self._objects: dict[int, ObjectPorts] = {}
        self._bound: dict[str, Any] = {}
        self._results: dict[str, Any] = {}
        self._profile = -1
        self._busy = threading.Lock()
        self._run: Any = None

    # ---- bound arrays -------------------------------------------------------------------------------------------

    def bind_input(self, name: str, array: Array) -> None:
        """Read this C-contiguous array at each run, without a copy; it may be rewritten between runs.

        A sequence is a list of arrays, an optional None or what it holds; rewriting the list changes nothing.
        With a plan for GPUs also an array there: of torch, cupy, pycuda, ... (`__cuda_array_interface__`, DLPack).
        """
        port = self._port(name, self._engine.inputs)
        given: Any = array
        self._run = None
        if port.items is not None:
            self._bound[name] = port.hold(given)
            return
        if not isinstance(given, np.ndarray):
            given = device_array(given)
        port.check(given, profile_text(self._profiles, name))
        if isinstance(given, np.ndarray) and not given.flags.c_contiguous:
            raise UsageError(f'"{name}" is not contiguous', hint="Bind numpy.ascontiguousarray(array).")
        self._bound[name] = given

    def bind_output(self, name: str, array: Array | None) -> None:
        """Write an output into this C-contiguous, writable array at each run; None: the context keeps it.

        With a plan for GPUs also an array there, as for `bind_input`.
        """
        port = self._port(name, self._engine.outputs)
        given: Any = array
        if given is None:
            self._results.pop(name, None)
        elif port.items is not None:
            raise UsageError(f'output "{name}" is {port}: no array holds it', hint="Read it with output().")
        elif not isinstance(given, np.ndarray):
            self._results[name] = device_array(given)
            if self._results[name].dtype != port.dtype.numpy:
                raise UsageError(f'output "{name}" needs an array of {port.dtype}', hint="Give one of that type.")
        else:
            if given.dtype != port.dtype.numpy or not given.flags.c_contiguous or not given.flags.writeable:
                raise UsageError(
                    f'output "{name}" needs a writable C-contiguous array of {port.dtype}',
                    hint=f"Make it with numpy.empty(shape, {port.dtype.numpy}).",
                )
            self._results[name] = given
        self._run = None

    def run(self) -> None:
        """Run on what is bound; read results from bound outputs, or with `output`."""
        if not self._busy.acquire(blocking=False):
            raise UsageError("the context is in use on another thread", hint="Create one context for each thread.")
        try:
            (self._run or self._prepare())()
        finally:
            self._busy.release()

    def execute_async(self, stream: Any) -> None:
        """Queue a run on a CUDA stream (a handle, or a stream of pycuda, torch or cupy) and return.

        All that is bound lies on the GPU, and no layer runs on the host: else `UsageError`. The first run for a set of
        shapes is waited for.
        """
        if not self._busy.acquire(blocking=False):
            raise UsageError("the context is in use on another thread", hint="Create one context for each thread.")
        try:
            if self._run is None:
                self._prepare()
            self._native[self._profile].run_async(stream if type(stream) is int else stream_handle(stream))
        finally:
            self._busy.release()

    def output(self, name: str) -> Array:
        """A copy of an output of the last run: an array; of a sequence a list, of an optional None or what it holds."""
        index = self._engine.outputs.index(self._port(name, self._engine.outputs))
        found: Array = self._output(self._active(), index)
        return found

    def output_shape(self, name: str) -> tuple[int, ...]:
        """The shape of an output for the bound inputs; -1 where only a run can tell."""
        self._prepare()
        context = self._active()
        context.resolve()
        return context.output_shape(self._engine.outputs.index(self._port(name, self._engine.outputs)))

    # ---- measuring ------------------------------------------------------------------------------------------------

    @property
    def active_profile(self) -> int:
        """The profile that fits the bound inputs and so the number of the program that runs; -1 before a run."""
        return self._profile

    @property
    @deprecated("EW-D0002: use Context.active_profile")
    def profile(self) -> int:
        """The same by its first name, which profiles of time have, too."""
        return self.active_profile

    @property
    def memory(self) -> int:
        """Bytes that the context holds for tensors, over all profiles that it ran."""
        return sum(native.memory for native in self._native.values())

    def start_step_times(self, *, between: bool = False) -> np.ndarray[Any, np.dtype[np.int64]]:
        """From now on, add the nanoseconds of each step of the program to the array returned.

        With `between` it has one more: those that are no step's, from the last step of a run to the first of the next.
        """
        totals = self._active().profile(len(self._engine.plan.meta.programs[self._profile].steps))
        return totals if between else totals[:-1]

    def stop_step_times(self) -> None:
        """Time steps no longer."""
        self._active().stop_profile()

    # ---- one inference ------------------------------------------------------------------------------------------

    def infer(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """One inference, as `Engine.run`."""
        if not self._busy.acquire(blocking=False):
            raise UsageError("the context is in use on another thread", hint="Create one context for each thread.")
        try:
            check_names(inputs, self._engine.inputs)
            for port in self._engine.inputs:
                if port.items is not None:
                    self._bound[port.name] = port.hold(inputs[port.name])
                    continue
                array = port.array(inputs[port.name])
                if port.dtype is DataType.STRING:
                    array = as_objects(array)
                port.check(array, profile_text(self._profiles, port.name))
                self._bound[port.name] = np.ascontiguousarray(array).reshape(array.shape)
            self._results.clear()
            return self._infer()
        finally:
            self._run = None
            self._bound.clear()
            self._busy.release()

    def _infer(self) -> dict[str, Any]:
        self._prepare()
        context = self._active()
        context.resolve()
        made: dict[str, Any] = {}
        for index, port in enumerate(self._engine.outputs):
            shape = context.output_shape(index)
            if not port.dtype.is_object and -1 not in shape and context.is_fixed(index):
                made[port.name] = np.empty(shape, port.dtype.numpy)
                context.bind_output(index, made[port.name])
            else:
                context.bind_output(index, None)
        context.run()
        for index, port in enumerate(self._engine.outputs):
            if port.name not in made:
                made[port.name] = self._output(context, index)
        return {port.name: made[port.name] for port in self._engine.outputs}

    # ---- inside -------------------------------------------------------------------------------------------------

    @property
    def _profiles(self) -> Any:
        return self._engine.plan.head.profiles

    def _port(self, name: str, ports: tuple[PortInfo, ...]) -> PortInfo:
        for port in ports:
            if port.name == name:
                return port
        raise UsageError(
            f'the engine has no tensor "{name}" there', hint=f"It has {', '.join(port.name for port in ports)}."
        )

    def _prepare(self) -> Any:
        """Hand all bindings to native code; the function that runs it."""
        check_names(self._bound, self._engine.inputs)
        profile = fitting_profile(self._profiles, self._bound)
        if profile is None:
            raise no_profile(self._profiles, self._engine.inputs, self._bound)
        loaded = self._engine.loaded
        if profile not in self._native:
            if self._engine.plan.lazy is not None:
                self._engine.plan.lazy.check_program(self._engine.plan.meta, profile)
            self._native[profile] = _native.Context(loaded.model, profile, self._engine.threads)
            self._objects[profile] = ObjectPorts.of(self._engine.plan, profile)
            self._native[profile].slots = {} if self._objects[profile].used else None
        self._profile = profile
        context, objects = self._native[profile], self._objects[profile]
        for index, port in enumerate(self._engine.inputs):
            if index in objects.inputs:
                objects.bind_input(context, index, self._bound[port.name])
            else:
                _bind_input(context, index, self._bound[port.name])
        for index, port in enumerate(self._engine.outputs):
            if index not in objects.outputs:
                _bind_output(context, index, self._results.get(port.name))
        self._run = ObjectRun(context, objects, self._engine.outputs, self._results) if objects.outputs else context.run
        return self._run

    def _output(self, context: _native.Context, index: int) -> Any:
        """A copy of an output of the last run of a program."""
        port = self._engine.outputs[index]
        if port.dtype.is_object:
            return self._objects[self._profile].output(context, index, port)
        return output_array(context, index, port.dtype)

    def _active(self) -> _native.Context:
        if self._profile not in self._native:
            raise UsageError("nothing was run yet", hint="Bind the inputs and call run() first.")
        return self._native[self._profile]

    def close(self) -> None:
        """Free the context's memory."""
        for context in self._native.values():
            context.close()
        self._native.clear()
        self._run = None


def _bind_input(context: _native.Context, index: int, array: Any) -> None:
    if isinstance(array, DeviceArray):
        context.bind_device_input(index, array.pointer, array.shape)
    else:
        context.bind_input(index, array)


def _bind_output(context: _native.Context, index: int, array: Any) -> None:
    if isinstance(array, DeviceArray):
        context.bind_device_output(index, array.pointer, array.nbytes)
    else:
        context.bind_output(index, array)
