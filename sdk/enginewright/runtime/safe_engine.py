"""The safety runtime: an engine that takes all its memory while it is made, and none afterwards."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright import _native
from enginewright.errors import ClosedError, ConfigError, PlanDetails, PlanFormatMismatch, UsageError
from enginewright.plan.artifact import Kind, open_as
from enginewright.plan.features import find_features
from enginewright.plan.plan import PathLike, Plan
from enginewright.runtime.engine import Context, Engine
from enginewright.runtime.ports import check_names
from enginewright.runtime.profiles import fitting_profile, no_profile, profile_text
from enginewright.trust import Trust
from enginewright_compat.features import judge_features

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class _Lane:
    """One profile, ready to run: its inputs and outputs, bound for good, and the context that they are bound to."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    context: _native.Context


class SafeEngine(Engine):
    """An engine of the safety runtime; it belongs to the thread that loaded it.

    Arenas, outputs, workspaces and the memory of each thread of the pool are taken while it is made. `run` copies the
    inputs into arrays of the engine and returns the engine's own output arrays, which the next run overwrites.
    """

    def __init__(self, plan: Plan, *, threads: int | None = None) -> None:
        """Load a plan without any feature that the safety runtime lacks; else `PlanFormatMismatch`."""
        places = find_features(plan.meta, plan.passport.plugins)
        for reason in judge_features(tuple(places)):
            raise PlanFormatMismatch(
                f"{plan.kind.label}: {places[reason.found]} needs {reason.found}",
                hint=reason.remedy,
                details=PlanDetails(plan.kind.label, reason.field, reason.found, reason.expected),
            )
        super().__init__(plan, threads=threads)
        self._owner = threading.get_ident()
        self._lanes = [self._lane(index) for index in range(max(1, len(plan.meta.profiles)))]

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """One inference: arrays by input name to the engine's output arrays, which the next run overwrites."""
        if threading.get_ident() != self._owner:
            raise UsageError(
                "the engine of a safe plan was loaded by another thread, whose memory it uses",
                hint="Load the plan on the thread that runs it.",
            )
        if self._closed:
            raise ClosedError("the engine is closed", hint="Load the plan again.")
        lane = self._choose(inputs)
        for name, array in lane.inputs.items():
            np.copyto(array, inputs[name], casting="no")
        lane.context.run()
        return lane.outputs

    def create_context(self) -> Context:
        """Refused: a context would take memory."""
        raise UsageError("the safety runtime makes no contexts", hint="Call run; load the plan again for another one.")

    def close(self) -> None:
        """Free everything."""
        for lane in self._lanes:
            lane.context.close()
        super().close()

    def _choose(self, inputs: Mapping[str, Any]) -> _Lane:
        """The profile for these inputs, after every check of them."""
        profiles = self.plan.meta.profiles
        check_names(inputs, self.inputs)
        for port in self.inputs:
            array = inputs[port.name]
            if not isinstance(array, np.ndarray):
                raise UsageError(f'input "{port.name}" is no NumPy array', hint="Give numpy.asarray(value).")
            port.check(array, profile_text(profiles, port.name) if profiles else "")
        index = fitting_profile(profiles, inputs)
        if index is None:
            raise no_profile(profiles, self.inputs, inputs)
        return self._lanes[index]

    def _lane(self, index: int) -> _Lane:
        """Take all memory for one profile."""
        context = _native.Context(self._loaded.model, index, self.threads)
        inputs = {port.name: np.zeros(shape, port.dtype.numpy) for port, shape in self._shapes(index)}
        for number, array in enumerate(inputs.values()):
            context.bind_input(number, array)
        context.resolve()
        outputs: dict[str, Array] = {}
        for number, port in enumerate(self.outputs):
            outputs[port.name] = np.zeros(context.output_shape(number), port.dtype.numpy)
            context.bind_output(number, outputs[port.name])
        context.reserve()
        return _Lane(inputs, outputs, context)

    def _shapes(self, index: int) -> Any:
        """Each input with its shape in a profile."""
        for port in self.plan.meta.inputs:
            profiles = self.plan.meta.profiles
            ranges = profiles[index].shapes[port.name] if profiles else [(size, size, size) for size in port.shape]
            yield next(info for info in self.inputs if info.name == port.name), tuple(low for low, _, _ in ranges)


def load_safe(
    source: PathLike | bytes | bytearray | memoryview | Plan, *, threads: int | None, verify: str, trust: Trust
) -> SafeEngine:
    """Load a safe plan by rule S1: whole, copied, and signed by one of the keys in `trust`."""
    if isinstance(source, Plan):
        raise UsageError("a plan in memory has no signature", hint="Save it, sign the file, and load that.")
    if verify != "full":
        raise ConfigError(f'the safety runtime does not load with verify="{verify}"', hint='Use verify="full".')
    if trust is None or isinstance(trust, str) or len(trust) == 0:
        raise ConfigError(
            "the safety runtime loads only what a given key signed", hint="Use trust=ew.read_public_keys(FILE)."
        )
    plan = open_as(source, Kind.SAFE_PLAN, Plan.decode, mmap=False, trust=trust, runtime="safety")
    return SafeEngine(plan, threads=threads)
