"""Tries a network on the CPU, on generated inputs, to tell how much a lower precision changes what comes out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from enginewright.compiler.lowering import Programs
from enginewright.compiler.one_step import meta_of
from enginewright.compiler.tuning import Tuner
from enginewright.compiler.weights import WeightPool
from enginewright.graph.network import Network
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


def named_sizes(network: Network, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The lengths of named sizes where the inputs have these shapes."""
    return {
        str(size): length
        for tensor in network.inputs
        for size, length in zip(tensor.shape, shapes.get(tensor.name, ()), strict=False)
    }


def why_untried(network: Network, inputs: Sequence[object], work: float) -> str:
    """What to note of a network that is not tried; empty for one that is."""
    weights = {tensor for layer in network.layers for tensor in layer.inputs if tensor is not None}
    nbytes = sum(tensor.const.nbytes for tensor in weights if tensor.const is not None)
    if not inputs:
        return f"{UNMEASURED}: there are no inputs to try it on"
    return f"{UNMEASURED}: it is large" if work > MOST_MULTIPLICATIONS or nbytes > MOST_BYTES else ""


def run_untimed(network: Network, inputs: Sequence[Arrays], threads: int) -> list[Array]:
    """The outputs of floats, of one input after the other, by tactics that are chosen by rule; may raise anything."""
    tuner = Tuner(UNTIMED, threads, TimingCache())
    tuner.run(network)
    programs = Programs(tuner.choices, WeightPool())
    programs.add(network)
    session = Session(meta_of(programs), programs.weights.data(), threads=threads, target="cpu")
    found = []
    for arrays in inputs:
        for index, tensor in enumerate(network.inputs):
            session.bind_input(index, arrays[tensor.name])
        session.run()
        kinds = [tensor.dtype for _, tensor in network.outputs]
        found += [output_array(session.context, i, kind) for i, kind in enumerate(kinds) if kind.is_float]
    return found


def largest_error(found: Sequence[Array], wanted: Sequence[Array]) -> float:
    """Of any output: the norm of the difference over the norm."""
    return max(map(_relative, found, wanted), default=0.0)


def _relative(found: Array, wanted: Array) -> float:
    """That of one; 0 where float32 itself gives no numbers."""
    exact = wanted.astype(np.float64)
    error = float(np.linalg.norm(found.astype(np.float64) - exact))
    norm = float(np.linalg.norm(exact))
    if not math.isfinite(norm) or error == 0:
        return 0.0
    return error / norm if norm and math.isfinite(error) else math.inf
