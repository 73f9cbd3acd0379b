"""Compares what a plugin's tactic computes with the operator's reference, before anybody relies on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from enginewright.compiler.candidates import Candidates
from enginewright.compiler.choice import Choice
from enginewright.compiler.one_step import one_step
from enginewright.errors import EnginewrightError, RejectedTactic
from enginewright.graph.network import Layer
from enginewright.registry.faults import OWN
from enginewright.registry.registry import run_reference
from enginewright.registry.tolerance import tolerance_of
from enginewright.tensors import DataType, TensorSpec

Array = np.ndarray[Any, Any]


@dataclass
class Agreement:
    """Which tactics of plugins agree with the reference; `unchecked` lists those of which nothing can be said."""

    threads: int
    nondeterministic: bool = False
    target: str = "cpu"
    unchecked: list[str] = field(default_factory=list)
    _known: dict[object, str | None] = field(default_factory=dict)

    def agreeing(self, layer: Layer, found: Candidates, specs: list[TensorSpec | None] | None) -> Candidates:
        """The candidates without those of plugins that give other results than the reference."""
        kept: list[Choice] = []
        rejected = list(found.rejected)
        for choice in found.choices:
            reason = self._reason(layer, choice, specs) if choice.plugin else ""
            if reason is None:
                self.unchecked.append(f"{layer.name} ({choice.tactic})")
            if reason:
                rejected.append(RejectedTactic(choice.tactic, reason))
            else:
                kept.append(choice)
        return Candidates(tuple(kept), tuple(rejected))

    def _reason(self, layer: Layer, choice: Choice, specs: list[TensorSpec | None] | None) -> str | None:
        if specs is None:
            return None
        constants = tuple(id(tensor.const) for tensor in layer.inputs if tensor is not None)
        op = layer.op if layer.key.namespace != OWN else id(layer)  # the SDK's own may hold what has no hash
        key = (choice.kernel, choice.tactic, op, tuple(specs), constants)
        if key not in self._known:
            self._known[key] = check_layer(layer, choice, specs, self.threads, self.target)
        return self._known[key]


def check_layer(
    layer: Layer, choice: Choice, specs: list[TensorSpec | None], threads: int, target: str = "cpu"
) -> str | None:
    """Why a plugin's tactic must not be used: what it gives on generated data is not what the reference gives.

    Empty if they agree, None if nothing can be said, because the reference can't work with generated data. On a device
    it runs three times, with other data each time: the second time as a graph, the third what is in that graph.
    """
    made = one_step(layer, choice, specs, threads, target)
    if made is None:
        return None
    for seed in range(3 if choice.device else 1):
        made.fill(seed)
        try:
            expected = run_reference(layer.op, made.arrays, layer.name)
        except EnginewrightError:
            return None
        try:
            made.session.run()
        except EnginewrightError as error:
            return f"fails where the reference does not: {error.message}"
        if problem := disagreement(layer.op, expected, made.outputs()):
            return problem
    return ""


def disagreement(op: Any, expected: Sequence[Any], outputs: Sequence[Array]) -> str:
    """In which way outputs differ from what the reference gave, as a reason to refuse a tactic; empty if they agree."""
    for index, (found, wanted) in enumerate(zip(outputs, expected, strict=True)):
        problem = difference(found, np.asarray(wanted), op)
        if problem:
            return f"output {index} differs from the reference: {problem}"
    return ""


def difference(found: Array, wanted: Array, op: Any) -> str:
    """How two arrays differ beyond the operator's tolerance; empty if they don't."""
    if found.shape != wanted.shape:
        return f"shape {found.shape}, not {wanted.shape}"
    if found.dtype != wanted.dtype:
        return f"type {found.dtype}, not {wanted.dtype}"
    if found.size == 0:
        return ""
    dtype = DataType.of(wanted)
    tolerance = tolerance_of(op, dtype)
    if not dtype.is_float and not tolerance:
        wrong = int(np.count_nonzero(found != wanted))
        return f"{wrong} of {found.size} elements" if wrong else ""
    kind = np.complex128 if dtype.name.startswith("COMPLEX") else np.float64
    return _distance(found.astype(kind), wanted.astype(kind), tolerance)


def _distance(a: Array, b: Array, tolerance: float) -> str:
    finite = np.isfinite(b)
    if not np.array_equal(np.where(finite, 0, a), np.where(finite, 0, b), equal_nan=True):
        return "infinities or NaN in other places"
    a, b = a[finite], b[finite]
    if not np.isfinite(a).all():
        return "infinities or NaN where the reference has numbers"
    error = np.abs(a - b)
    scale = max(float(np.abs(b).max(initial=0)), 1e-3)  # near zero, errors are absolute
    allowed = tolerance * np.abs(b) + tolerance * scale
    if (error <= allowed).all():
        return ""
    return f"by up to {error.max():.3g}, where {tolerance:g} of the largest element {scale:.3g} is allowed"
