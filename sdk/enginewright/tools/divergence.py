"""Names the first tensor of a model that differs between two runtimes, by making every tensor an output of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.compiler.builder import build
from enginewright.compiler.config import BuilderConfig
from enginewright.compiler.differences import OutputComparison, compare_output
from enginewright.onnx_io.expose import expose, load_whole, node_outputs
from enginewright.runtime.engine import Engine
from enginewright.tools.inputs import Arrays
from enginewright.tools.peers import Ours, Peer

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """One tensor inside a model, the node that makes it, and how far it is from the reference."""

    tensor: str
    node: str
    comparison: OutputComparison


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first tensor beyond the tolerance, None where there is none, and all tensors in the order of the model.

    `fused`: it differs only as long as the tensors around it are no outputs, so the fault lies in a fused step.
    """

    first: TensorDifference | None
    tensors: tuple[TensorDifference, ...]
    fused: bool = False


@dataclass(frozen=True)
class Search:
    """What to look through: a model with one set of inputs, and the runtime that tells the truth."""

    source: Any
    inputs: Arrays
    make_reference: Callable[[Any], Peer]
    rtol: float
    config: BuilderConfig | None = None

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The model with its external data."""
        return load_whole(self.source)

    @cached_property
    def nodes(self) -> dict[str, str]:
        """The node behind each tensor, in order."""
        return node_outputs(self.model)

    @cached_property
    def truth(self) -> Arrays:
        """Every tensor as the reference computes it."""
        return self._run(self.make_reference(expose(self.model, list(self.nodes))))

    def ours(self, names: Sequence[str]) -> Arrays:
        """The named tensors as our engine computes them when they are outputs."""
        return self._run(Ours(Engine(build(expose(self.model, names), self.config))))

    def compare(self, found: Arrays) -> tuple[TensorDifference, ...]:
        """What was found beside the truth, in the order of the model."""
        pairs = {name: (found[name], self.truth[name]) for name in self.nodes if name in found and name in self.truth}
        return tuple(
            TensorDifference(name, self.nodes[name], compare_output(name, [pair], self.rtol, 0.0))
            for name, pair in pairs.items()
        )

    def _run(self, peer: Peer) -> Arrays:
        peer.bind(self.inputs)
        peer.run()
        return {name: np.array(array) for name, array in peer.outputs().items()}


def find_divergence(search: Search, *, failed: bool) -> Divergence:
    """Compare all tensors; where the outputs differ but no tensor does, look for the fused step by bisection."""
    tensors = search.compare(search.ours(list(search.nodes)))
    first = next((item for item in tensors if not item.comparison.passed), None)
    if first is None and failed:
        return Divergence(_bisect(search), tensors, fused=True)
    return Divergence(first, tensors)


def _bisect(search: Search) -> TensorDifference | None:
    """The first tensor that differs while it alone is exposed, if the ones behind it differ as well."""
    names = list(search.nodes)
    low, high, found = 0, len(names) - 1, None
    while low <= high:
        middle = (low + high) // 2
        item = search.compare(search.ours([names[middle]]))
        wrong = next((difference for difference in item if difference.tensor == names[middle]), None)
        if wrong is not None and not wrong.comparison.passed:
            found, high = wrong, middle - 1
        else:
            low = middle + 1
    return found
