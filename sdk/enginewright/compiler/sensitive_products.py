"""Keeps products in float32 where bfloat16 would change the outputs of a network too much, as runs on the CPU tell.

Each product in bfloat16 is right to about 0.3 %. Most networks hide such errors; some, that subtract large numbers that
are nearly equal, blow them up. Which ones these are the layers do not tell, so it is measured: on generated inputs, of
seeds that never change, with the network before it is made for its device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from enginewright.compiler.fixed_sizes import fix_sizes
from enginewright.compiler.layouts import Layout, optimize_layouts
from enginewright.compiler.trials import (
    AIM,
    ALLOWED,
    UNMEASURED,
    Array,
    Arrays,
    largest_error,
    named_sizes,
    run_untimed,
    why_untried,
)
from enginewright.graph.copying import copy_network
from enginewright.graph.multiplications import multiplications
from enginewright.graph.network import Network
from enginewright.optimize import Pass, optimize
from enginewright.optimize.autocast import PRODUCTS, autocast_bf16
from enginewright.optimize.eliminate_common import eliminate_common
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.fold_constants import fold_constants
from enginewright.optimize.fuse_epilogues import fuse_epilogues
from enginewright.optimize.fuse_pointwise import fuse_pointwise
from enginewright.optimize.widen_halves import widen_halves


def optimize_measured(network: Network, passes: Sequence[Pass], inputs: Sequence[Arrays], threads: int) -> list[Layout]:
    """The network optimized by passes that make it bfloat16, with as many products in float32 as it takes.

    What stays is not looked at again, when sizes are fixed and passes run once more.
    """
    at = passes.index(autocast_bf16)
    begun = optimize(network, passes[:at])
    kept = find_sensitive(network, inputs, threads)
    found = optimize_layouts(network, (_keeping(kept), *passes[at + 1 :]))
    rest = (*passes[:at], *passes[at + 1 :])
    return [replace(layout, passes=rest, records=(*begun, *layout.records)) for layout in found]


def find_sensitive(network: Network, inputs: Sequence[Arrays], threads: int) -> frozenset[str]:
    """The names of the products that stay in float32, the smallest ones, which gain least from fewer bits.

    The network gets a note that says how many, and why. None if its outputs are right without, or would be as wrong
    with all of them, as random numbers are; none, and a note of it, if it is too large to be tried, or does not run on
    these inputs.
    """
    sizes = named_sizes(network, {name: array.shape for name, array in inputs[0].items()} if inputs else {})
    work = {layer.name: multiplications(layer, sizes) for layer in network.layers if layer.kind in PRODUCTS}
    if not work:
        return frozenset()
    if why := why_untried(network, inputs, sum(work.values())):
        network.notes.append(why)
        return frozenset()
    fixed = copy_network(network)
    fix_sizes(fixed, sizes)
    try:
        fixed.infer()
        with np.errstate(all="ignore"):
            kept, note = _choose(_Trial(fixed, inputs, threads), sorted(work, key=work.__getitem__))
    except Exception as failure:  # noqa: BLE001 - Python steps may raise anything on generated inputs
        network.notes.append(f"{UNMEASURED}: generated inputs fail ({type(failure).__name__}: {failure})")
        return frozenset()
    network.notes += note
    return kept


def _choose(trial: _Trial, order: list[str]) -> tuple[frozenset[str], list[str]]:
    """The fewest of the products, in this order, and what to say of it."""
    without = trial.error(())
    if without <= ALLOWED or trial.error(order) > AIM:
        return frozenset(), []
    count = _fewest(len(order), lambda count: trial.error(order[:count]) <= AIM)
    return frozenset(order[:count]), [
        f"{count} of {len(order)} products stay in float32, the smallest ones: with all in bfloat16, outputs would "
        f"differ from those of float32 by {without:.1e} on generated inputs (norm of the difference over norm)"
    ]


def _fewest(most: int, holds: Callable[[int], bool]) -> int:
    """A number up to `most`, for which it holds, that holds and whose predecessor does not, by bisection from 0."""
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@dataclass
class _Trial:
    """Runs of one network on the CPU with more or fewer products in float32, compared with all of it in float32."""

    network: Network
    inputs: Sequence[Arrays]
    threads: int

    @functools.cached_property
    def wanted(self) -> list[Array]:
        """The outputs of floats in float32, of one input after the other; none where it does not run on these."""
        return self._run(copy_network(self.network))

    def error(self, kept: Collection[str]) -> float:
        """The largest error of any output if only the products of these names stay in float32."""
        network = copy_network(self.network)
        optimize(network, (_keeping(kept), widen_halves, fold_constants, eliminate_common))
        return largest_error(self._run(network), self.wanted)

    def _run(self, network: Network) -> list[Array]:
        """What comes out on the CPU, which computes in float32 what lies between two roundings."""
        optimize(network, (eliminate_dead, fuse_pointwise, fuse_epilogues))
        return run_untimed(network, self.inputs, self.threads)


def _keeping(kept: Collection[str]) -> Pass:
    """The pass that computes in bfloat16 all but these."""
    return functools.wraps(autocast_bf16)(functools.partial(autocast_bf16, keep=kept))
