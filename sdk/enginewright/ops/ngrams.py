"""TfIdfVectorizer: how often each of a list of n-grams occurs in a row of numbers or texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, int32, int64, string

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
Gram: TypeAlias = tuple[Any, ...]
MODES = ("TF", "IDF", "TFIDF")


@operator("ew::TfIdfVectorizer")
class TfIdfVectorizer:
    """For each n-gram of a pool how often it occurs in each row of `x` [C] or [N, C], in place ngram_indexes[id].

    The pool holds all 1-grams one after another, from ngram_counts[1] on all 2-grams, and so on; those of
    `min_gram_length` to `max_gram_length` elements are counted, with up to `max_skip_count` elements left out between
    neighbours. `mode` "TF" counts, "IDF" gives the weight of those that occur, "TFIDF" the count times the weight.
    """

    max_gram_length: int
    min_gram_length: int
    max_skip_count: int
    mode: str
    ngram_counts: tuple[int, ...]
    ngram_indexes: tuple[int, ...]
    pool_int64s: tuple[int, ...] = ()
    pool_strings: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[N, highest index + 1]."""
        check_type(x, (int32, int64, string), "the input")
        if self.mode not in MODES or not 1 <= self.min_gram_length <= self.max_gram_length <= len(self.ngram_counts):
            raise NetworkError(
                f"mode {self.mode!r}, n-grams of {self.min_gram_length} to {self.max_gram_length}",
                hint=f"Use one of {', '.join(MODES)} and lengths that the pool has.",
            )
        if x.rank not in (1, 2):
            raise ShapeError(f"the input has {x.rank} axes", hint="Give [C] or [N, C].")
        return TensorSpec(float32, (*x.shape[:-1], max(self.ngram_indexes, default=-1) + 1))

    def grams(self) -> dict[Gram, int]:
        """The n-grams that are counted, with their places in a row of the output."""
        pool: tuple[Any, ...] = self.pool_strings or self.pool_int64s
        ends = (*self.ngram_counts[1:], len(pool))
        found: dict[Gram, int] = {}
        number = 0
        for length, (start, end) in enumerate(zip(self.ngram_counts, ends, strict=True), start=1):
            for place in range(start, end, length):
                if self.min_gram_length <= length <= self.max_gram_length:
                    found[pool[place : place + length]] = number
                number += 1
        return found

    def reference(self, x: Array) -> Array:
        """Each window of each row, looked up."""
        grams = self.grams()
        counts = np.zeros((*x.shape[:-1], max(self.ngram_indexes, default=-1) + 1), np.float32)
        for row, total in zip(x.reshape(-1, x.shape[-1]), counts.reshape(-1, counts.shape[-1]), strict=True):
            for window in self._windows(row.tolist()):
                if window in grams:
                    total[self.ngram_indexes[grams[window]]] += 1
        if self.mode == "TF":
            return counts
        scale = np.ones(counts.shape[-1], np.float32)
        for number, weight in enumerate(self.weights):
            scale[self.ngram_indexes[number]] = weight
        return np.asarray((counts if self.mode == "TFIDF" else np.sign(counts)) * scale, np.float32)

    def _windows(self, row: list[Any]) -> Iterator[Gram]:
        for length in range(self.min_gram_length, self.max_gram_length + 1):
            for step in range(1, 2 if length == 1 else self.max_skip_count + 2):
                for start in range(len(row) - (length - 1) * step):
                    yield tuple(row[start : start + (length - 1) * step + 1 : step])

    @staticmethod
    def examples() -> Iterator[tuple[TfIdfVectorizer, list[Array]]]:
        """Each mode, rows and batches, skips, numbers and texts."""
        counts, places, pool = (0, 4), (0, 1, 2, 3, 4, 5, 6), (2, 3, 5, 4, 5, 6, 7, 8, 6, 7)
        rows = np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]], np.int64)
        weights = (0.5, 1.0, 2.0, 3.0, 0.25, 4.0, 1.5)
        for mode in MODES:
            for skip in (0, 2):
                yield TfIdfVectorizer(2, 1, skip, mode, counts, places, pool, weights=weights), [rows]
            yield TfIdfVectorizer(2, 2, 1, mode, counts, places, pool, weights=weights), [rows[1].astype(np.int32)]
        texts = np.array(["a", "b", "a", "b"], object)
        yield TfIdfVectorizer(2, 1, 0, "TF", (0, 2), (0, 1, 2), pool_strings=("a", "b", "a", "b")), [texts]


@onnx_rule("ai.onnx::TfIdfVectorizer", since=9)
def tf_idf_vectorizer(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.tf_idf_vectorizer(
        node.input(0),
        max_gram_length=node.integer("max_gram_length"),
        min_gram_length=node.integer("min_gram_length"),
        max_skip_count=node.integer("max_skip_count"),
        mode=node.text("mode"),
        ngram_counts=node.integers("ngram_counts"),
        ngram_indexes=node.integers("ngram_indexes"),
        pool_int64s=node.integers("pool_int64s", ()),
        pool_strings=node.texts("pool_strings", ()),
        weights=node.numbers("weights", ()),
    )
