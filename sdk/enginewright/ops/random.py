"""Random numbers that are the same at each run: RandomNormal, RandomUniform, Multinomial, Bernoulli."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, INTEGERS, check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, float64, int32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def generator(seed: float) -> np.random.Generator:
    """The stream of random numbers of a seed."""
    return np.random.default_rng(int.from_bytes(np.float32(seed).tobytes(), "little"))


@operator("ew::RandomNormal")
class RandomNormal:
    """Numbers of the normal distribution around `mean` with deviation `scale`; the same for the same `seed`."""

    shape: tuple[int, ...]
    mean: float = 0.0
    scale: float = 1.0
    seed: float = 0.0
    dtype: DataType = float32

    def infer(self) -> TensorSpec:
        """The shape and type asked for."""
        check_type(TensorSpec(self.dtype), FLOATS, "dtype")
        return TensorSpec(self.dtype, self.shape)

    def reference(self) -> Array:
        """NumPy's PCG64."""
        return np.asarray(generator(self.seed).normal(self.mean, self.scale, self.shape)).astype(self.dtype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[RandomNormal, list[TensorSpec]]]:
        """Each type; empty."""
        for dtype in (float32, float64, float16):
            yield RandomNormal((3, 5), 1.0, 2.0, dtype=dtype), []
        yield RandomNormal((0, 2), seed=3.0), []


@operator("ew::RandomUniform")
class RandomUniform:
    """Numbers spread evenly from `low` to below `high`; the same for the same `seed`."""

    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0
    seed: float = 0.0
    dtype: DataType = float32

    def infer(self) -> TensorSpec:
        """The shape and type asked for."""
        check_type(TensorSpec(self.dtype), FLOATS, "dtype")
        return TensorSpec(self.dtype, self.shape)

    def reference(self) -> Array:
        """NumPy's PCG64."""
        return np.asarray(generator(self.seed).uniform(self.low, self.high, self.shape)).astype(self.dtype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[RandomUniform, list[TensorSpec]]]:
        """Each type; empty."""
        for dtype in (float32, float64, float16):
            yield RandomUniform((3, 5), -1.0, 2.0, dtype=dtype), []
        yield RandomUniform((0, 2), seed=3.0), []


@operator("ew::RandomNormalLike")
class RandomNormalLike:
    """As RandomNormal, in the shape of `x` and, where `dtype` is left out, of its type."""

    mean: float = 0.0
    scale: float = 1.0
    seed: float = 0.0
    dtype: DataType | None = None

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The shape of x."""
        spec = TensorSpec(self.dtype or x.dtype, x.shape)
        check_type(spec, FLOATS, "the output")
        return spec

    def reference(self, x: Array) -> Array:
        """NumPy's PCG64."""
        return RandomNormal(x.shape, self.mean, self.scale, self.seed, self.dtype or DataType.of(x)).reference()

    @staticmethod
    def examples() -> Iterator[tuple[RandomNormalLike, list[TensorSpec]]]:
        """The type of x and another."""
        yield RandomNormalLike(), [TensorSpec(float32, (3, 4))]
        yield RandomNormalLike(dtype=float64), [TensorSpec(int32, (2,))]


@operator("ew::RandomUniformLike")
class RandomUniformLike:
    """As RandomUniform, in the shape of `x` and, where `dtype` is left out, of its type."""

    low: float = 0.0
    high: float = 1.0
    seed: float = 0.0
    dtype: DataType | None = None

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The shape of x."""
        spec = TensorSpec(self.dtype or x.dtype, x.shape)
        check_type(spec, FLOATS, "the output")
        return spec

    def reference(self, x: Array) -> Array:
        """NumPy's PCG64."""
        return RandomUniform(x.shape, self.low, self.high, self.seed, self.dtype or DataType.of(x)).reference()

    @staticmethod
    def examples() -> Iterator[tuple[RandomUniformLike, list[TensorSpec]]]:
        """The type of x and another."""
        yield RandomUniformLike(), [TensorSpec(float32, (3, 4))]
        yield RandomUniformLike(dtype=float64), [TensorSpec(int32, (2,))]


@operator("ew::Bernoulli")
class Bernoulli:
    """1 with the probability given by each element of `x`, else 0; the same for the same `seed`."""

    dtype: DataType | None = None
    seed: float = 0.0

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The shape of x; its type if `dtype` is left out."""
        check_type(x, FLOATS, "x")
        spec = TensorSpec(self.dtype or x.dtype, x.shape)
        check_type(spec, (*FLOATS, *INTEGERS, bool_), "the output")
        return spec

    def reference(self, x: Array) -> Array:
        """Compared with evenly spread numbers."""
        drawn = generator(self.seed).random(x.shape) < x.astype(np.float64)
        return np.asarray(drawn).astype(x.dtype if self.dtype is None else self.dtype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[Bernoulli, list[TensorSpec | Array]]]:
        """The type of x and others."""
        chances = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
        for dtype in (None, bool_, int64, float16):
            yield Bernoulli(dtype), [chances]


@operator("ew::Multinomial")
class Multinomial:
    """`sample_size` classes drawn for each row of `x` [batch, classes], which holds logarithms of their weights."""

    sample_size: int = 1
    seed: float = 0.0
    dtype: DataType = int32

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[batch, sample_size]."""
        check_type(x, FLOATS, "x")
        check_type(TensorSpec(self.dtype), (int32, int64), "dtype")
        if x.rank != 2:
            raise ShapeError(f"x has {x.rank} axes, not 2", hint="Give [batch, classes].")
        return TensorSpec(self.dtype, (x.shape[0], self.sample_size))

    def reference(self, x: Array) -> Array:
        """The largest of the weights with Gumbel noise added, drawn again for each sample."""
        noise = generator(self.seed).gumbel(size=(len(x), self.sample_size, x.shape[1]))
        return np.asarray(np.argmax(x.astype(np.float64)[:, None, :] + noise, axis=2)).astype(self.dtype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[Multinomial, list[TensorSpec]]]:
        """One and several samples, both types."""
        yield Multinomial(), [TensorSpec(float32, (2, 5))]
        yield Multinomial(7, dtype=int64), [TensorSpec(float16, (3, 4))]


def seed_of(node: OnnxNode) -> float:
    """The node's seed, or one made from its name, so that two nodes without one draw different numbers."""
    return node.number("seed") if node.has("seed") else float(zlib.crc32(node.outputs[0].encode()) % 2**20)


def _dtype(node: OnnxNode) -> DataType | None:
    return DataType(node.integer("dtype")) if node.has("dtype") else None


@onnx_rule("ai.onnx::RandomNormal", since=1)
def random_normal(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    mean, scale, dtype = node.number("mean", 0.0), node.number("scale", 1.0), _dtype(node) or float32
    return net.random_normal(shape=node.integers("shape"), mean=mean, scale=scale, seed=seed_of(node), dtype=dtype)


@onnx_rule("ai.onnx::RandomUniform", since=1)
def random_uniform(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    low, high, dtype = node.number("low", 0.0), node.number("high", 1.0), _dtype(node) or float32
    return net.random_uniform(shape=node.integers("shape"), low=low, high=high, seed=seed_of(node), dtype=dtype)


@onnx_rule("ai.onnx::RandomNormalLike", since=1)
def random_normal_like(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    mean, scale = node.number("mean", 0.0), node.number("scale", 1.0)
    return net.random_normal_like(node.input(0), mean=mean, scale=scale, seed=seed_of(node), dtype=_dtype(node))


@onnx_rule("ai.onnx::RandomUniformLike", since=1)
def random_uniform_like(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    low, high = node.number("low", 0.0), node.number("high", 1.0)
    return net.random_uniform_like(node.input(0), low=low, high=high, seed=seed_of(node), dtype=_dtype(node))


@onnx_rule("ai.onnx::Bernoulli", since=15)
def bernoulli(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.bernoulli(node.input(0), dtype=_dtype(node), seed=seed_of(node))


@onnx_rule("ai.onnx::Multinomial", since=7)
def multinomial(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    size, dtype = node.integer("sample_size", 1), _dtype(node) or int32
    return net.multinomial(node.input(0), sample_size=size, seed=seed_of(node), dtype=dtype)
