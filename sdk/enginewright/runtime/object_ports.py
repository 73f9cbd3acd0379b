"""Hands texts and sequences to a plan and takes them back: Python objects, kept by number beside a context's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from enginewright import _native
from enginewright.errors import UsageError
from enginewright.plan.meta import Program
from enginewright.plan.plan import Plan
from enginewright.runtime.ports import Items, PortInfo
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]


class ObjectPorts:
    """Where the objects of one program lie: the number of the slot of each input and output that is one, by index."""

    def __init__(self, program: Program | None) -> None:
        """None: a program without objects."""
        self.inputs, self.outputs, self.used = {}, {}, False
        if program is None:
            return
        self.inputs = _slots(program, program.inputs)
        self.outputs = _slots(program, program.outputs)
        self.used = any(storage.kind == "slot" for storage in program.storages)

    @staticmethod
    def of(plan: Plan, program: int) -> ObjectPorts:
        """Those of a program of a plan; native code reads no plan that has any."""
        return ObjectPorts(plan.meta.programs[program] if plan.records is None else None)

    def bind_input(self, context: _native.Context, index: int, given: Array | Items) -> None:
        """Let the next runs read this array of texts, or this list."""
        assert context.slots is not None
        context.slots[self.inputs[index]] = given
        context.bind_shape(index, () if isinstance(given, list) else given.shape)

    def output(self, context: _native.Context, index: int, port: PortInfo) -> Any:
        """A copy of an output of the last run."""
        found = None if context.slots is None else context.slots.get(self.outputs[index])
        if found is None:
            raise UsageError("there is no output before a run", hint="Call run() first.")
        return port.give(found) if isinstance(found, list) else found.copy()


class ObjectRun:
    """Runs a context and then fills the arrays that are bound to its text outputs."""

    def __init__(
        self,
        context: _native.Context,
        ports: ObjectPorts,
        outputs: Sequence[PortInfo],
        bound: Mapping[str, Array],
    ) -> None:
        self._context, self._ports = context, ports
        self._targets = [
            (port, index, bound[port.name])
            for index, port in enumerate(outputs)
            if index in ports.outputs and port.name in bound
        ]

    def __call__(self) -> None:
        """One inference."""
        self._context.run()
        for port, index, target in self._targets:
            found = self._ports.output(self._context, index, port)
            if found.shape != target.shape:
                raise UsageError(
                    f'output "{port.name}" has the shape {found.shape}, the array bound to it {target.shape}',
                    hint="Bind an array of that shape, or None and read it with output().",
                )
            target[...] = found


def _slots(program: Program, tensors: Sequence[int]) -> dict[int, int]:
    found = {}
    for index, number in enumerate(tensors):
        tensor = program.tensors[number]
        if tensor.dtype == DataType.STRING:
            found[index] = program.storages[tensor.storage].value
    return found
