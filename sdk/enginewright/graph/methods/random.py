"""Random numbers that are the same at each run: RandomNormal, RandomUniform, Multinomial, Bernoulli.

Methods of `Network`, written by ``make methods`` from ops/random.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import random as ops
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Random(_Adder):
    """One method an operator of ops/random.py."""

    def bernoulli(self, x: Tensor, *, dtype: DataType | None = None, seed: float = 0.0, name: str = "") -> Tensor:
        """1 with the probability given by each element of `x`, else 0; the same for the same `seed`."""
        return self.add(ops.Bernoulli(dtype=dtype, seed=seed), x, name=name)[0]

    def multinomial(
        self, x: Tensor, *, sample_size: int = 1, seed: float = 0.0, dtype: DataType = DataType.INT32, name: str = ""
    ) -> Tensor:
        """`sample_size` classes drawn for each row of `x` [batch, classes], which holds logarithms of their weights."""
        return self.add(ops.Multinomial(sample_size=sample_size, seed=seed, dtype=dtype), x, name=name)[0]

    def random_normal(
        self,
        *,
        shape: tuple[int, ...],
        mean: float = 0.0,
        scale: float = 1.0,
        seed: float = 0.0,
        dtype: DataType = DataType.FLOAT32,
        name: str = "",
    ) -> Tensor:
        """Numbers of the normal distribution around `mean` with deviation `scale`; the same for the same `seed`."""
        return self.add(ops.RandomNormal(shape=shape, mean=mean, scale=scale, seed=seed, dtype=dtype), name=name)[0]

    def random_normal_like(
        self,
        x: Tensor,
        *,
        mean: float = 0.0,
        scale: float = 1.0,
        seed: float = 0.0,
        dtype: DataType | None = None,
        name: str = "",
    ) -> Tensor:
        """As RandomNormal, in the shape of `x` and, where `dtype` is left out, of its type."""
        return self.add(ops.RandomNormalLike(mean=mean, scale=scale, seed=seed, dtype=dtype), x, name=name)[0]

    def random_uniform(
        self,
        *,
        shape: tuple[int, ...],
        low: float = 0.0,
        high: float = 1.0,
        seed: float = 0.0,
        dtype: DataType = DataType.FLOAT32,
        name: str = "",
    ) -> Tensor:
        """Numbers spread evenly from `low` to below `high`; the same for the same `seed`."""
        return self.add(ops.RandomUniform(shape=shape, low=low, high=high, seed=seed, dtype=dtype), name=name)[0]

    def random_uniform_like(
        self,
        x: Tensor,
        *,
        low: float = 0.0,
        high: float = 1.0,
        seed: float = 0.0,
        dtype: DataType | None = None,
        name: str = "",
    ) -> Tensor:
        """As RandomUniform, in the shape of `x` and, where `dtype` is left out, of its type."""
        return self.add(ops.RandomUniformLike(low=low, high=high, seed=seed, dtype=dtype), x, name=name)[0]
