"""Weights that are hashed late: the chunks that a program uses, before the first context may run it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from enginewright.plan.fields import operator_weights
from enginewright.plan.hashing import chunk_digests
from enginewright.plan.meta import Meta, Weight
from enginewright.verdict import as_error
from enginewright_compat.container import corrupt_section
from enginewright_compat.layout import CHUNK, DIGEST_SIZE, Prefix


class LazyWeights:
    """The weights of one file with their digests, and which chunks were found intact."""

    def __init__(self, weights: memoryview, digests: memoryview, prefix: Prefix, where: str) -> None:
        self._weights, self._digests, self._prefix, self._where = weights, digests, prefix, where
        self._intact: set[int] = set()
        self._lock = threading.Lock()

    def check_program(self, meta: Meta, index: int) -> None:
        """Hash what a program and its nested ones use and was not hashed before; `PlanCorrupt` names the chunk."""
        self._check(chunk for weight in _used_weights(meta, index) for chunk in _chunks(weight))

    def check_all(self) -> None:
        """Hash all that was not hashed before."""
        self._check(range(len(self._digests) // DIGEST_SIZE))

    def _check(self, chunks: Iterable[int]) -> None:
        with self._lock:
            for chunk in sorted(set(chunks) - self._intact):
                digest = self._digests[chunk * DIGEST_SIZE : (chunk + 1) * DIGEST_SIZE]
                if chunk_digests(self._weights[chunk * CHUNK : (chunk + 1) * CHUNK]) != digest:
                    refused = corrupt_section(self._prefix, f"WEIGHTS chunk {chunk}")
                    raise as_error(refused.reason, refused.kind, self._where)
                self._intact.add(chunk)


def _used_weights(meta: Meta, index: int) -> Iterator[Weight]:
    """Yield the weights of a program and of those that its steps run, each program once."""
    waiting, seen = [index], {index}
    while waiting:
        program = meta.programs[waiting.pop()]
        yield from (meta.weights[storage.value] for storage in program.storages if storage.kind == "weight")
        for step in program.steps:
            if step.operator is not None:
                yield from operator_weights(meta.operators[step.operator], meta.weights)
        nested = {number for step in program.steps for number in step.programs} - seen
        waiting += nested
        seen |= nested


def _chunks(weight: Weight) -> range:
    """The chunks in which a weight lies."""
    return range(weight.offset // CHUNK, -(-(weight.offset + weight.length) // CHUNK))
