"""One native context on a plan's programs: memory is bound by position, and each run enters native code once."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from enginewright import _native
from enginewright.device.cuda import use_cuda
from enginewright.device.memory import DeviceArray
from enginewright.errors import EnginewrightError
from enginewright.plan.fields import restore_operator
from enginewright.plan.meta import Meta
from enginewright.plan.plan import Plan
from enginewright.registry.faults import OWN, fault
from enginewright.registry.registry import registry
from enginewright.runtime.encoding import encode_programs
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]
REPEATS = 400  # of a run on a device in a row, so that its queue is never empty; fewer of long ones


class LoadedPlan:
    """The native form of a plan's programs, shared by all contexts; it keeps the weights mapped."""

    def __init__(self, meta: Meta, weights: npt.NDArray[np.uint8], target: str = "cuda") -> None:
        """`target`: the device for programs that use one, "cuda" or "cuda:1"."""
        operators = [restore_operator(record, meta.weights, weights) for record in meta.operators]
        self.steps = [_native.add_python_step(python_step(op)) for op in operators]
        registry.use((op.KEY for op in operators), self)
        try:
            self._open(_native.Records(*encode_programs(meta, self.steps), uses_device(meta)), weights, target)
        except BaseException:
            self._forget_steps()
            raise
        self.model.describe_step = functools.partial(_describe_step, lambda: meta)

    @staticmethod
    def of(plan: Plan, target: str) -> LoadedPlan:
        """The native form of a plan; of one that native code read, its records stay what they are."""
        if plan.records is None:
            return LoadedPlan(plan.meta, plan.weights, target)
        loaded = LoadedPlan.__new__(LoadedPlan)
        loaded.steps = []
        loaded._open(plan.records, plan.weights, target)
        loaded.model.describe_step = functools.partial(_describe_step, lambda: plan.meta)
        return loaded

    def _open(self, records: _native.Records, weights: npt.NDArray[np.uint8], target: str) -> None:
        if records.uses_device:
            use_cuda(target)
        self.model = _native.Model(records.words, records.strings, weights)
        if records.uses_device:
            self.model.use_device(*use_cuda(target))

    def close(self) -> None:
        """Free the native model; contexts on it must be closed before."""
        self.model.close()
        self._forget_steps()

    def _forget_steps(self) -> None:
        registry.release(self)
        for step in self.steps:
            _native.remove_python_step(step)


def uses_device(meta: Meta) -> bool:
    """Whether some step of the plan runs on a device beside the host."""
    return any(step.device for program in meta.programs for step in program.steps)


def python_step(op: Any) -> Callable[..., Any]:
    """The function that a Python step calls: the reference, whose failures name the plugin."""
    reference: Callable[..., Any] = op.reference
    if op.KEY.namespace == OWN:
        return reference

    def step(*arrays: Any) -> Any:
        try:
            return reference(*arrays)
        except (KeyboardInterrupt, EnginewrightError):
            raise
        except BaseException as error:
            raise fault(str(op.KEY), "reference", error) from error

    return step


def _describe_step(records: Callable[[], Meta], program: int, step: int) -> tuple[str, str]:
    """The layer of a step and, for one that runs in Python, the key of its operator."""
    meta = records()
    found = meta.programs[program].steps[step]
    return found.layer, "" if found.operator is None else meta.operators[found.operator].key


class Session:
    """A context on one program."""

    def __init__(
        self, meta: Meta, weights: npt.NDArray[np.uint8], *, program: int = 0, threads: int = 0, target: str = "cuda"
    ) -> None:
        """A session with a plan of its own, as the tuner uses it."""
        self._plan = LoadedPlan(meta, weights, target)
        self.context = _native.Context(self._plan.model, program, threads)
        self._on_device = bool(meta.programs[program].steps) and all(s.device for s in meta.programs[program].steps)

    def bind_input(self, index: int, array: Array) -> None:
        """Let the program read this array at each run."""
        self.context.bind_input(index, array)

    def bind_device_input(self, index: int, array: DeviceArray) -> None:
        """Let the program read this array on the device at each run."""
        self.context.bind_device_input(index, array.pointer, array.shape)

    def run(self) -> None:
        """Run the program once."""
        self.context.run()

    def time(self) -> int:
        """Nanoseconds of one run: of the host's clock, or where all is on a device of one among many in a row there."""
        if self._on_device:
            return int(self.context.time_on_device(REPEATS))
        start = time.perf_counter_ns()
        self.context.run()
        return time.perf_counter_ns() - start


def output_array(context: _native.Context, index: int, dtype: DataType) -> Array:
    """A copy of an output that lies in the context's memory."""
    view = context.output(index, dtype.numpy)
    return view.copy()
