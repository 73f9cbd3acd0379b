"""Sequences in a graph that is being imported: names for several tensors, themselves no part of the network."""

from __future__ import annotations

from collections.abc import Sequence

from enginewright.graph.network import Tensor
from enginewright.registry.onnx_node import KnownSequence, NotSupported
from enginewright.tensors import TensorSpec

READERS = frozenset({"SequenceAt", "SequenceErase", "SequenceInsert", "SequenceLength", "ConcatFromSequence"})


class SequenceTensor(Tensor):
    """Stands where the file has a sequence; no layer may read it."""

    def __init__(self, known: KnownSequence) -> None:
        """A stand-in for these tensors."""
        super().__init__("sequence", TensorSpec(known.dtype))
        self.known = known


def check_readers(op_type: str, domain: str, inputs: Sequence[Tensor | None]) -> None:
    """Raise `NotSupported` if a node reads a sequence that its rule can't."""
    if domain == "ai.onnx" and op_type in READERS:
        return
    if any(isinstance(tensor, SequenceTensor) for tensor in inputs):
        raise NotSupported("it reads a sequence, which only the operators for sequences can here")


def check_tensor(tensor: Tensor, what: str) -> Tensor:
    """The tensor, unless it is a sequence: then `NotSupported`."""
    if isinstance(tensor, SequenceTensor):
        raise NotSupported(f"{what} is a sequence, which can't leave its graph")
    return tensor
