"""Asks a third opinion where two runtimes differ by no more than rounding: the NumPy references of the operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from enginewright.compiler.differences import OutputComparison, compare_output
from enginewright.graph.network import Network
from enginewright.tools.inputs import Arrays
from enginewright.tools.peers import Reference

ROUNDING = 1e-6
"""The largest difference of an element that may be rounding: eight units in the last place of 1 in float32.

Where all of an output is tiny, rounding of that size is a large relative error. ONNX Runtime's Sigmoid, for instance,
rounds to multiples of 6e-8: on pure noise, the detector of PP-OCRv4 gives 1e-6 everywhere, and 2 % of that is rounding.
"""


@dataclass(frozen=True)
class Case:
    """One set of inputs, and what both sides made of it."""

    inputs: Arrays
    ours: Arrays
    theirs: Arrays


def arbitrate(
    network: Network, cases: Sequence[Case], outputs: Sequence[OutputComparison], rtol: float, against: str
) -> tuple[OutputComparison, ...]:
    """The comparisons, where those that differ by rounding pass if we are within `rtol` of the references."""
    doubtful = {item.name for item in outputs if not item.passed and item.largest <= ROUNDING}
    if not doubtful:
        return tuple(outputs)
    judge = Reference(network)
    truths: list[Arrays] = []
    for case in cases:
        judge.bind(case.inputs)
        judge.run()
        truths.append(judge.outputs())
    return tuple(_judged(item, cases, truths, rtol, against) if item.name in doubtful else item for item in outputs)


def _judged(
    item: OutputComparison, cases: Sequence[Case], truths: Sequence[Arrays], rtol: float, against: str
) -> OutputComparison:
    name = item.name
    pairs = list(zip(cases, truths, strict=True))
    ours = compare_output(name, [(case.ours[name], truth[name]) for case, truth in pairs], rtol, 0.0)
    theirs = compare_output(name, [(case.theirs[name], truth[name]) for case, truth in pairs], rtol, 0.0)
    if not ours.passed:
        return item
    note = f"{against} rounds: it is {theirs.error:.1e} from the NumPy reference, we are {ours.error:.1e}"
    return replace(item, passed=True, note=note)
