"""Finds sizes for a model's dynamic axes that the model itself accepts, where nobody gives any."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from enginewright.dims import Check, Dim, evaluate
from enginewright.errors import EnginewrightError
from enginewright.graph.network import Network

BATCHES = (1, 2, 16)
SIZES = (128, 1, 512, 48, 224, 64, 32, 256, 576, 320, 96, 16)
"""What is tried for axis 0 and for the others, in this order: common sequence lengths, image sides and frame sizes."""
MOST_TRIALS = 2000
MOST_ELEMENTS = 1 << 22
"""Of one input at the usual size of its axes: with many axes 128 each would not fit any memory."""


def accepted_sizes(network: Network, given: Mapping[str, int]) -> dict[str, int]:
    """A size for every named dimension of the inputs; those that `given` lacks are the first that pass all checks.

    The checks are those that the layers' shape rules left for run time. Where no trial passes, the first is returned.
    """
    axes = _named(network)
    checks = [check for check in dict.fromkeys(_checks(network)) if _symbols(check) <= axes.keys()]
    free = [name for name in axes if name not in given]
    usual = usual_size(network)
    sizes = (usual, *(size for size in SIZES if size != usual))
    choices = [sizes if axes[name] else BATCHES for name in free]
    trials = sorted(itertools.product(*map(range, map(len, choices))), key=sum) if _few(choices) else []
    first: dict[str, int] | None = None
    for trial in trials[:MOST_TRIALS]:
        found = {**given, **{name: tried[index] for name, tried, index in zip(free, choices, trial, strict=True)}}
        first = first or found
        if all(_passes(check, found) for check in checks):
            return found
    return first or {**{name: usual if axis else BATCHES[0] for name, axis in axes.items()}, **given}


def usual_size(network: Network) -> int:
    """The size of dynamic axes but the first: 128, or half as often as it takes to make no input too large."""
    size = SIZES[0]
    while size > 1 and any(_elements(tensor.shape, size) > MOST_ELEMENTS for tensor in network.inputs):
        size //= 2
    return size


def _elements(shape: Sequence[int | Dim], size: int) -> int:
    """How many elements there are if each dynamic axis but the first has this size."""
    return math.prod(n if isinstance(n, int) else size if axis else BATCHES[0] for axis, n in enumerate(shape))


def _few(choices: Sequence[tuple[int, ...]]) -> bool:
    """Whether all combinations can be listed: up to five free dimensions."""
    return len(choices) <= 5


def _named(network: Network) -> dict[str, int]:
    """The axis at which each named dimension is first seen."""
    found: dict[str, int] = {}
    for tensor in network.inputs:
        for axis, size in enumerate(tensor.shape):
            if isinstance(size, Dim):
                found.setdefault(str(size), axis)
    return found


def _checks(network: Network) -> Iterator[Check]:
    for layer in network.layers:
        yield from layer.checks
    for _, _, inner in network.nested():
        yield from _checks(inner)


def _symbols(check: Check) -> set[str]:
    """The names that a check reads, "" for anything that only a run can tell."""
    atoms = [atom for size in (check.a, check.b) if isinstance(size, Dim) for atom in size.atoms]
    found: set[str] = set()
    while atoms:
        atom = atoms.pop()
        if atom.kind == "symbol":
            found.add(str(atom.args[0]))
        elif atom.kind in {"value", "data"}:
            found.add("")
        else:
            atoms += [inner for size in atom.args if isinstance(size, Dim) for inner in size.atoms]
    return found


def _passes(check: Check, sizes: Mapping[str, int]) -> bool:
    try:
        a, b = evaluate(check.a, sizes), evaluate(check.b, sizes)
    except EnginewrightError:
        return False
    match check.kind:
        case "broadcast":
            return a == b or a == 1 or b == 1
        case "at_least":
            return a >= b
        case "at_most":
            return a <= b
        case _:
            return a == b
