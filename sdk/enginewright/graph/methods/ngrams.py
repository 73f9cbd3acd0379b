"""TfIdfVectorizer: how often each of a list of n-grams occurs in a row of numbers or texts.

Methods of `Network`, written by ``make methods`` from ops/ngrams.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import ngrams as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Ngrams(_Adder):
    """One method an operator of ops/ngrams.py."""

    def tf_idf_vectorizer(
        self,
        x: Tensor,
        *,
        max_gram_length: int,
        min_gram_length: int,
        max_skip_count: int,
        mode: str,
        ngram_counts: tuple[int, ...],
        ngram_indexes: tuple[int, ...],
        pool_int64s: tuple[int, ...] = (),
        pool_strings: tuple[str, ...] = (),
        weights: tuple[float, ...] = (),
        name: str = "",
    ) -> Tensor:
        """For each n-gram of a pool how often it occurs in each row of `x` [C] or [N, C], in place ngram_indexes[id].

        The pool holds all 1-grams one after another, from ngram_counts[1] on all 2-grams, and so on; those of
        `min_gram_length` to `max_gram_length` elements are counted, with up to `max_skip_count` elements left out
        between neighbours. `mode` "TF" counts, "IDF" gives the weight of those that occur, "TFIDF" the count times the
        weight.
        """
        return self.add(
            ops.TfIdfVectorizer(
                max_gram_length=max_gram_length,
                min_gram_length=min_gram_length,
                max_skip_count=max_skip_count,
                mode=mode,
                ngram_counts=ngram_counts,
                ngram_indexes=ngram_indexes,
                pool_int64s=pool_int64s,
                pool_strings=pool_strings,
                weights=weights,
            ),
            x,
            name=name,
        )[0]
