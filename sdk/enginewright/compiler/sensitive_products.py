"""Keeps products in float32 where bfloat16 would change the outputs of a network too much, as runs on the CPU tell.

Each product in bfloat16 is right to about 0.3 %. Most networks hide such errors; some, that subtract large numbers that
are nearly equal, blow them up. Which ones these are the layers do not tell, so it is measured: on generated inputs, of
seeds that never change, with the network before it is made for its device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from enginewright.compiler.fixed_sizes import fix_sizes
from enginewright.compiler.layouts import Layout, optimize_layouts
from enginewright.compiler.lowering import Programs
from enginewright.compiler.one_step import meta_of
from enginewright.compiler.tuning import Tuner
from enginewright.compiler.weights import WeightPool
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
from enginewright.plan.timing_cache import TimingCache
from enginewright.runtime.session import Session, output_array

Array = np.ndarray[Any, Any]
Arrays = Mapping[str, Array]
ALLOWED, AIM = 0.03, 0.02
"""The error of an output, the norm of the difference over the norm, beyond which products stay in float32, and what is
left then: other inputs may do worse than those that were tried."""
UNMEASURED = "the error of bfloat16 was not measured"
UNTIMED = 1
MOST_MULTIPLICATIONS, MOST_BYTES = 1 << 30, 1 << 26
"""Networks with more of them, or more bytes of weights, are not measured: it would take the CPU seconds."""


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
    sizes = {
        str(size): length
        for tensor in network.inputs
        for size, length in zip(tensor.shape, inputs[0][tensor.name].shape if inputs else (), strict=False)
    }
    work = {layer.name: multiplications(layer, sizes) for layer in network.layers if layer.kind in PRODUCTS}
    weights = {tensor for layer in network.layers for tensor in layer.inputs if tensor is not None}
    nbytes = sum(tensor.const.nbytes for tensor in weights if tensor.const is not None)
    if not work:
        return frozenset()
    if not inputs or sum(work.values()) > MOST_MULTIPLICATIONS or nbytes > MOST_BYTES:
        network.notes.append(f"{UNMEASURED}: " + ("it is large" if inputs else "there are no inputs to try it on"))
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
        return max(map(_relative, self._run(network), self.wanted), default=0.0)

    def _run(self, network: Network) -> list[Array]:
        """What comes out on the CPU, which computes in float32 what lies between two roundings."""
        optimize(network, (eliminate_dead, fuse_pointwise, fuse_epilogues))
        tuner = Tuner(UNTIMED, self.threads, TimingCache())
        tuner.run(network)
        programs = Programs(tuner.choices, WeightPool())
        programs.add(network)
        session = Session(meta_of(programs), programs.weights.data(), threads=self.threads, target="cpu")
        found = []
        for arrays in self.inputs:
            for index, tensor in enumerate(network.inputs):
                session.bind_input(index, arrays[tensor.name])
            session.run()
            kinds = [tensor.dtype for _, tensor in network.outputs]
            found += [output_array(session.context, i, kind) for i, kind in enumerate(kinds) if kind.is_float]
        return found


def _keeping(kept: Collection[str]) -> Pass:
    """The pass that computes in bfloat16 all but these."""
    return functools.wraps(autocast_bf16)(functools.partial(autocast_bf16, keep=kept))


def _relative(found: Array, wanted: Array) -> float:
    """The norm of the difference over the norm; 0 where float32 itself gives no numbers."""
    exact = wanted.astype(np.float64)
    error = float(np.linalg.norm(found.astype(np.float64) - exact))
    norm = float(np.linalg.norm(exact))
    if not math.isfinite(norm) or error == 0:
        return 0.0
    return error / norm if norm and math.isfinite(error) else math.inf
