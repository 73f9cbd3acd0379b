"""Rounds with more care where bfloat16 on a CPU would change the outputs of a network too much, as runs tell.

Then errors of depthwise weights cancel, which costs nothing, and the smallest products stay in float32, as many as it
takes: gates and their like multiply the errors of large tensors, and gain little themselves. A network that this does
not help is as it would be without. What was found is kept in the timing cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from enginewright.compiler.fixed_sizes import fix_sizes
from enginewright.compiler.layouts import Layout, optimize_layouts
from enginewright.compiler.probes import Wanted
from enginewright.compiler.timing_key import describe_network
from enginewright.compiler.trials import (
    AIM,
    ALLOWED,
    UNMEASURED,
    Arrays,
    largest_error,
    named_sizes,
    run_untimed,
    why_untried,
)
from enginewright.compiler.tuning import all_networks
from enginewright.device.fingerprint import device_fingerprint, kernel_library
from enginewright.graph.copying import copy_network
from enginewright.graph.multiplications import COUNTS, multiplications
from enginewright.graph.network import Network
from enginewright.optimize import Pass, optimize
from enginewright.optimize.even_weights import even_weights
from enginewright.optimize.round_products import NO_SIZES, gains_by_rounding, round_products
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import MOST_MILLIONTHS, RoundingTrial
from enginewright.tensors import DataType, TensorSpec

NAME = round_products.__name__
NONE_STAYS = -1
"""As the size of the largest product that stays."""
MOST_WORK = 0.05
"""The share of multiplications that stays at most: whoever asks for bfloat16 wants to be fast."""


@dataclass
class Trials:
    """Where it is kept what trials found; `missing` says what `strict` forbids to try."""

    cache: TimingCache
    threads: int
    strict: bool = False
    missing: list[str] = field(default_factory=list)


def optimize_rounded(
    network: Network, passes: Sequence[Pass], probes: Sequence[Wanted], trials: Trials
) -> list[Layout]:
    """The network in all ways in which it may run, by passes that round products, with care if it takes care.

    The networks that round get a note that says what stays and why, or why it was not tried. What stays is not looked
    at again, when sizes are fixed and passes run once more.
    """
    nested = (layer for inner in all_networks(network) if inner is not network for layer in inner.layers)
    inside = f"{UNMEASURED} in branches and loops" if any(layer.kind in COUNTS for layer in nested) else ""
    probes = [probe for probe in probes if _shapes(probe) == _shapes(probes[0])]
    sizes = named_sizes(network, _shapes(probes[0]) if probes else {})
    found, note = _find(network, sizes, passes, probes, trials)
    if found is None or found.largest_kept is None:
        layouts = optimize_layouts(network, passes)
    else:
        layouts = optimize_layouts(network, _careful(passes, found.largest_kept, sizes))
        layouts = [layout if layout.exact else replace(layout, passes=_without(layout.passes)) for layout in layouts]
    notes = [text for text in (note, inside) if text]
    for layout in layouts:
        if any(record.changes for record in layout.records if record.name == NAME):
            layout.network.notes += notes
    return layouts


def _careful(passes: Sequence[Pass], largest_kept: int, sizes: Mapping[str, int]) -> tuple[Pass, ...]:
    """The passes, but products of at most so many multiplications stay, and errors of depthwise weights cancel."""
    keeping = functools.wraps(round_products)(functools.partial(round_products, largest_kept=largest_kept, sizes=sizes))
    return (*(keeping if run is round_products else run for run in passes), even_weights)


def _without(passes: Sequence[Pass]) -> tuple[Pass, ...]:
    return tuple(run for run in passes if run.__name__ != NAME)


def _find(
    network: Network, sizes: Mapping[str, int], passes: Sequence[Pass], probes: Sequence[Wanted], trials: Trials
) -> tuple[RoundingTrial | None, str]:
    """What the cache knows of the network, after a trial if it knows nothing, and a note; None if it is not tried."""
    if why := why_untried(network, probes, sum(multiplications(layer, sizes) for layer in network.layers)):
        return None, why
    texts = [text for probe in probes for text in _texts(probe)]
    description = describe_network(network, texts, device_fingerprint("cpu", trials.threads), kernel_library())
    known = trials.cache.get(description.key)
    found = None if known is None else known.rounding
    if found is None and trials.strict:
        trials.missing.append("the whole network, whether bfloat16 is exact enough")
        return None, ""
    if found is None:
        try:
            fixed = copy_network(network)
            fix_sizes(fixed, sizes)
            with np.errstate(all="ignore"):
                found = _try(fixed, passes, [probe.arrays() for probe in probes], trials.threads)
        except Exception as failure:  # noqa: BLE001 - Python steps may raise anything on generated inputs
            return None, f"{UNMEASURED}: generated inputs fail ({type(failure).__name__}: {failure})"
        found = trials.cache.record_rounding(description, found)
    return found, _note(found)


def _try(fixed: Network, passes: Sequence[Pass], inputs: Sequence[Arrays], threads: int) -> RoundingTrial:
    """Run it with more and more products in float32 until that is enough, or too much."""
    at = passes.index(round_products)
    fixed.infer()
    optimize(fixed, passes[:at])
    work = sorted(int(multiplications(layer, NO_SIZES)) for layer in fixed.layers if gains_by_rounding(layer))
    if not work:
        return RoundingTrial(0, 0, 0, 0)
    wanted = run_untimed(copy_network(fixed), inputs, threads)

    def error(passes: Sequence[Pass]) -> float:
        rounded = copy_network(fixed)
        optimize(rounded, passes)
        return largest_error(run_untimed(rounded, inputs, threads), wanted)

    without = error(passes[at:])
    for largest in _largest(work) if without > ALLOWED else ():
        left = error(_careful(passes[at:], largest, NO_SIZES))
        if left <= AIM:
            kept = sum(number <= largest for number in work)
            return RoundingTrial(len(work), kept, _millionths(without), _millionths(left), largest)
    return RoundingTrial(len(work), 0, _millionths(without), _millionths(without))


def _largest(work: Sequence[int]) -> Iterator[int]:
    """The size of the largest product that stays if it is none, the smallest, the smallest 2, 4, ... of these."""
    yield NONE_STAYS
    for largest in dict.fromkeys(work[(1 << power) - 1] for power in range(len(work).bit_length())):
        if sum(number for number in work if number <= largest) > MOST_WORK * sum(work):
            return
        yield largest


def _millionths(error: float) -> int:
    return min(round(error * 1e6), MOST_MILLIONTHS) if math.isfinite(error) else MOST_MILLIONTHS


def _shapes(probe: Wanted) -> dict[str, list[int]]:
    return {rule.name: rule.shape for rule in probe.inputs}


def _texts(probe: Wanted) -> list[str]:
    """What the inputs are, for the key."""
    specs = [TensorSpec(DataType(rule.dtype), tuple(rule.shape)) for rule in probe.inputs]
    return [
        f"{spec} linear {rule.name} {rule.kind} {rule.limit} of seed {probe.seed}"
        for rule, spec in zip(probe.inputs, specs, strict=True)
    ]


def _note(found: RoundingTrial) -> str:
    """What to say of it; empty where the outputs are right."""
    measured = "on generated inputs (norm of the difference over norm)"
    without = f"{found.without / 1e6:.1e}"
    if found.largest_kept is not None:
        return (
            f"{found.kept} of {found.products} products stay in float32, the smallest ones, and errors of depthwise "
            f"weights cancel: outputs differ from those of float32 by {found.left / 1e6:.1e} {measured}, "
            f"with all as usual in bfloat16 by {without}"
        )
    if found.without > ALLOWED * 1e6:
        return f"outputs differ from those of float32 by {without} {measured}: no care that is cheap helps"
    return ""
