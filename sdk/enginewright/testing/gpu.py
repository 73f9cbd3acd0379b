"""What the test kit does on a GPU: which tactics run there, and a run that is queued behind a delay."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from enginewright.compiler.candidates import candidates
from enginewright.compiler.checking import disagreement
from enginewright.compiler.choice import Choice
from enginewright.compiler.one_step import OneStep, one_step
from enginewright.device import cuda_driver, nvrtc
from enginewright.device.cuda import use_cuda
from enginewright.errors import DeviceMissing, EnginewrightError, NativeError, PluginError
from enginewright.registry.registry import run_reference
from enginewright.tensors import TensorSpec
from enginewright.testing.subject import Array, Case, Subject, layer_of

CYCLES = 20_000_000
"""Of the delay: some 10 ms."""
DELAY = """
extern "C" __global__ void delay(long long cycles) {
    const long long begin = clock64();
    while (clock64() - begin < cycles) {}
}
"""


def has_gpu_tactics(subject: Subject) -> bool:
    """Whether any tactic is for GPUs."""
    return any(tactic.device == "cuda" for tactic in subject.tactics)


def no_gpu() -> str:
    """Why no GPU can be used; empty where one can."""
    try:
        use_cuda()
    except (DeviceMissing, NativeError) as error:
        return f"no GPU can be used: {error.message}"
    return ""


def gpu_choices(case: Case) -> list[Choice]:
    """What each tactic for GPUs that accepts the case, and whose kernel is there, offers."""
    try:
        found = candidates(layer_of(case), nondeterministic=True, device="cuda")
    except PluginError:
        return []  # behaviour/methods and tactics/refusals tell
    return [choice for choice in found.choices if choice.device]


def late_run(case: Case, choice: Choice) -> str:
    """How outputs of a run behind a delay differ from the reference's; empty if they don't."""
    layer = layer_of(case)
    made = one_step(layer, choice, [None if t is None else t.spec for t in layer.inputs], 1, "cuda")
    if made is None:
        return "no plan of this layer alone can be made"
    try:
        return _Late(case, made).run()
    except EnginewrightError as error:
        return f"fails where the reference does not: {error.message}"


class _Late:
    """A plan of one layer whose inputs and outputs lie on the GPU."""

    def __init__(self, case: Case, made: OneStep) -> None:
        self.case, self.made, self.stream = case, made, cuda_driver.Stream()
        self.context = made.session.context
        self.inputs: list[tuple[int, cuda_driver.Memory]] = []  # index among the case's inputs
        for index, item in enumerate(case.inputs):
            if isinstance(item, TensorSpec):
                array = case.arrays()[index]
                assert array is not None
                self.inputs.append((index, cuda_driver.Memory(array.nbytes)))
                self.context.bind_device_input(len(self.inputs) - 1, self.inputs[-1][1].address, array.shape)
        self.outputs = [np.empty(_shape(spec), spec.dtype.numpy) for spec in made.specs]
        self.results = [cuda_driver.Memory(array.nbytes) for array in self.outputs]
        for index, (memory, array) in enumerate(zip(self.results, self.outputs, strict=True)):
            self.context.bind_device_output(index, memory.address, array.nbytes)

    def run(self) -> str:
        """Run it twice, so that there is a graph, then twice behind a delay, each time with other data."""
        for seed in range(4):
            arrays = self.case.arrays(seed)
            if seed > 1:
                _delay().launch((1, 1, 1, 1, 1, 1, 0), [ctypes.c_int64(CYCLES)], self.stream.handle)
            self._queue(arrays)
            cuda_driver.wait_for(self.stream.handle)
            expected = run_reference(self.case.op, arrays)
            if problem := disagreement(self.case.op, expected, self.outputs):
                return problem
        return ""

    def _queue(self, arrays: list[Array | None]) -> None:
        handle = self.stream.handle
        given: list[Any] = []  # kept until all is copied
        for index, memory in self.inputs:
            given.append(np.ascontiguousarray(arrays[index]))
            memory.read_from(given[-1].ctypes.data, given[-1].nbytes, handle)
        for memory, array in zip(self.results, self.outputs, strict=True):
            memory.fill(array.nbytes, 0xFF, handle)
        self.context.run_async(handle)
        for memory, array in zip(self.results, self.outputs, strict=True):
            memory.write_to(array.ctypes.data, array.nbytes, handle)
        cuda_driver.wait_for(handle)


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(size for size in spec.shape if isinstance(size, int))


@functools.cache
def _delay() -> cuda_driver.Kernel:
    code = nvrtc.compiled(DELAY, "delay", (), cuda_driver.current_architecture())
    return cuda_driver.Kernel(code.cubin, code.symbol)
