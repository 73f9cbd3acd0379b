"""Are the numbers right? Runs a model here and elsewhere on the same inputs and compares every output."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright.compiler.config import BuilderConfig
from enginewright.compiler.differences import OutputComparison, compare_output
from enginewright.compiler.recipe import default_rtol
from enginewright.errors import UsageError
from enginewright.progress import ProgressMonitor
from enginewright.tools.arbitration import Case, arbitrate
from enginewright.tools.divergence import Divergence, Search, find_divergence
from enginewright.tools.inputs import Arrays
from enginewright.tools.peers import OnnxRuntime, Ours, Peer, Reference
from enginewright.tools.subject import Source, Subject, is_plan, open_subject

_log = logging.getLogger("enginewright.verify")


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on a model: each output, and with `layers` the first tensor that differs."""

    subject: str
    against: str
    cases: int
    rtol: float
    atol: float
    inputs: Mapping[str, str]
    outputs: tuple[OutputComparison, ...]
    divergence: Divergence | None = None

    @property
    def passed(self) -> bool:
        """Whether every output is within the tolerance."""
        return all(output.passed for output in self.outputs)

    @property
    def error(self) -> float:
        """The worst relative error of all outputs."""
        return max((output.error for output in self.outputs), default=0.0)


def verify(
    source: Source,
    *,
    against: str = "onnxruntime",
    inputs: Arrays | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    cases: int = 1,
    seed: int = 0,
    rtol: float | None = None,
    atol: float = 0.0,
    layers: bool = False,
    config: BuilderConfig | None = None,
    progress: ProgressMonitor | None = None,
) -> Verification:
    """Compare a model (or plan) with ONNX Runtime, with "reference" (our operators in NumPy), or with another plan.

    `inputs` are arrays by name, the rest is random: one set of inputs for each of `cases`, from `seed` on. An output
    passes if ‖out - ref‖ ≤ `rtol`·‖ref‖ or no element differs by more than `atol`; integers, booleans and texts must be
    equal. `rtol` defaults to 1e-4, for quantized models to 2e-2, for 16-bit outputs to 1e-2. Where ONNX Runtime differs
    by no more than rounding, our NumPy references decide. `layers` looks for the first tensor that differs. Raises
    `UsageError` where there is nothing to compare with.
    """
    subject = open_subject(source, config, progress=progress)
    reference = _reference(subject, against, subject.engine.threads)
    maker = subject.input_maker(inputs, shapes)
    tolerance = default_rtol(subject.network) if rtol is None else rtol
    ours = Ours(subject.engine)
    done = [_both(ours, reference, maker.make(seed + case)) for case in range(cases)]
    found = tuple(
        compare_output(port.name, [(case.ours[port.name], case.theirs[port.name]) for case in done], tolerance, atol)
        for port in subject.engine.outputs
    )
    if subject.network is not None and against == OnnxRuntime.name:
        found = arbitrate(subject.network, done, found, tolerance, against)
    where = None
    if layers:
        search = Search(
            subject.need_model("comparing layer by layer"), done[0].inputs, reference_of(against), tolerance, config
        )
        where = find_divergence(search, failed=not all(output.passed for output in found))
    described = {name: f"{array.dtype} {list(array.shape)}" for name, array in done[0].inputs.items()}
    return Verification(subject.name, against, cases, tolerance, atol, described, found, where)


def _both(ours: Peer, reference: Peer, inputs: Arrays) -> Case:
    found = []
    for runner in (ours, reference):
        runner.bind(inputs)
        runner.run()
        found.append({name: np.array(array) for name, array in runner.outputs().items()})
    _log.info("compared one set of inputs")
    return Case(inputs, found[0], found[1])


def reference_of(against: str) -> Callable[[Any], Peer]:
    """How the runtime that `against` names is made from a model."""
    if against == "onnxruntime":
        return lambda model: OnnxRuntime(model, 1)
    if against == "reference":
        from enginewright.onnx_io.parser import parse

        return lambda model: Reference(parse(model))
    raise UsageError(
        f"a comparison layer by layer with {against!r} is not possible",
        hint="Compare with onnxruntime or reference.",
    )


def _reference(subject: Subject, against: str, threads: int) -> Peer:
    if against == "onnxruntime":
        return OnnxRuntime(subject.need_model("a comparison with ONNX Runtime"), threads)
    if against == "reference":
        if subject.network is None:
            raise UsageError("a plan holds no references", hint="Give the model instead of the plan.")
        return Reference(subject.network)
    if is_plan(against):
        return Ours(open_subject(against).engine)
    return OnnxRuntime(against, threads)
