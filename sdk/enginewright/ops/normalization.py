"""Layer, RMS, instance, group and batch normalization."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, check_same_type, check_type
from enginewright.ops.elementwise import import_plainly
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    TensorSpec,
    bfloat16,
    broadcast_shapes,
    float16,
    float32,
    float64,
    normalize_axis,
)

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def check_scale(x: TensorSpec, *scales: TensorSpec | None) -> None:
    """Check that each scale has the type of x and can be repeated to its shape."""
    check_type(x, FLOATS, "the input")
    for scale in scales:
        if scale is not None:
            check_same_type(x, scale)
            if len(broadcast_shapes(x.shape, scale.shape)) != x.rank:
                raise ShapeError(f"a scale of {scale.rank} axes for {x.rank} axes", hint="Squeeze the scale.")


def channels(scale: Array, rank: int) -> Array:
    """A vector of one number a channel, in float64, ready to meet (N, C, ...)."""
    return scale.astype(np.float64).reshape(-1, *(1,) * (rank - 2))


def normalized(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    """(x - mean) / sqrt(variance + epsilon) over `axes`, in float64."""
    wide = x.astype(np.float64)
    centered = wide - wide.mean(axis=axes, keepdims=True)
    return np.asarray(centered / np.sqrt(np.square(centered).mean(axis=axes, keepdims=True) + epsilon))


@operator("ew::LayerNormalization")
class LayerNormalization:
    """x less its mean, divided by its standard deviation, over all axes from `axis` on; times scale plus bias.

    scale and bias are repeated to the shape of x. Outputs: the result, and mean and 1 / standard deviation in
    float32 (float64 of float64), reduced axes being 1. `stash_type` is kept for ONNX; sums are float32 at least.
    """

    axis: int = -1
    epsilon: float = 1e-5
    stash_type: int = 1

    def infer(
        self, x: TensorSpec, scale: TensorSpec, bias: TensorSpec | None = None
    ) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
        """The shape of x; twice the shape of x with 1 from `axis` on."""
        check_scale(x, scale, bias)
        axis = normalize_axis(self.axis, x.rank)
        sums = TensorSpec(float64 if x.dtype is float64 else float32, (*x.shape[:axis], *(1,) * (x.rank - axis)))
        return TensorSpec(x.dtype, x.shape), sums, sums

    def reference(self, x: Array, scale: Array, bias: Array | None = None) -> tuple[Array, Array, Array]:
        """In float64, rounded once."""
        axes = tuple(range(normalize_axis(self.axis, x.ndim), x.ndim))
        wide = x.astype(np.float64)
        kind = np.float64 if x.dtype == np.float64 else np.float32
        with np.errstate(all="ignore"):
            mean = wide.mean(axis=axes, keepdims=True)
            inverse = 1 / np.sqrt(np.square(wide - mean).mean(axis=axes, keepdims=True) + self.epsilon)
            y = (wide - mean) * inverse * scale.astype(np.float64)
            y = y if bias is None else y + bias.astype(np.float64)
            return y.astype(x.dtype), mean.astype(kind), inverse.astype(kind)

    @staticmethod
    def examples() -> Iterator[tuple[LayerNormalization, list[TensorSpec | None]]]:
        """Last axis, several, scalar scale, no bias, every type."""
        for shape, axis, scale in (
            ((2, 3, 64), -1, (64,)),
            ((3, 4, 5), 1, (4, 5)),
            ((7, 1), 1, (1,)),
            ((5, 33), -1, ()),
        ):
            yield (
                LayerNormalization(axis=axis),
                [TensorSpec(float32, shape), TensorSpec(float32, scale), TensorSpec(float32, scale)],
            )
        yield LayerNormalization(epsilon=1e-12), [TensorSpec(float32, (4, 768)), TensorSpec(float32, (768,)), None]
        for dtype in (float64, float16, bfloat16):
            yield LayerNormalization(), [TensorSpec(dtype, (3, 35)), TensorSpec(dtype, (35,)), TensorSpec(dtype, (35,))]


@operator("ew::RMSNormalization")
class RMSNormalization:
    """x divided by the root of its mean square over all axes from `axis` on, times scale, which is repeated."""

    axis: int = -1
    epsilon: float = 1e-5
    stash_type: int = 1

    def infer(self, x: TensorSpec, scale: TensorSpec) -> TensorSpec:
        """The shape of x."""
        check_scale(x, scale)
        normalize_axis(self.axis, x.rank)
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array, scale: Array) -> Array:
        """In float64, rounded once."""
        axes = tuple(range(normalize_axis(self.axis, x.ndim), x.ndim))
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            root = np.sqrt(np.square(wide).mean(axis=axes, keepdims=True) + self.epsilon)
            return np.asarray((wide / root * scale.astype(np.float64)).astype(x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[RMSNormalization, list[TensorSpec]]]:
        """Last axis, several, every type."""
        for shape, axis, scale in (((2, 3, 64), -1, (64,)), ((3, 4, 5), 1, (4, 5)), ((5, 33), -1, ())):
            yield RMSNormalization(axis=axis), [TensorSpec(float32, shape), TensorSpec(float32, scale)]
        for dtype in (float64, float16, bfloat16):
            yield RMSNormalization(), [TensorSpec(dtype, (3, 35)), TensorSpec(dtype, (35,))]


def check_channels(x: TensorSpec, *vectors: TensorSpec) -> Size:
    """Check x (N, C, ...) and vectors of C numbers of its type; C."""
    check_type(x, FLOATS, "the input")
    if x.rank < 2:
        raise ShapeError(f"the input has {x.rank} axes", hint="Give it a batch and a channel axis.")
    for vector in vectors:
        if vector.rank != 1:
            raise ShapeError(f"a vector with one number a channel has {vector.rank} axes", hint="Give it one axis.")
        same(vector.shape[0], x.shape[1])
    return x.shape[1]


@operator("ew::BatchNormalization")
class BatchNormalization:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias for each channel of x (N, C, ...), by given statistics."""

    epsilon: float = 1e-5

    def infer(
        self, x: TensorSpec, scale: TensorSpec, bias: TensorSpec, mean: TensorSpec, variance: TensorSpec
    ) -> TensorSpec:
        """The shape of x."""
        check_channels(x, scale, bias, mean, variance)
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array, scale: Array, bias: Array, mean: Array, variance: Array) -> Array:
        """In float64, rounded once."""
        with np.errstate(all="ignore"):
            factor = channels(scale, x.ndim) / np.sqrt(channels(variance, x.ndim) + self.epsilon)
            y = (x.astype(np.float64) - channels(mean, x.ndim)) * factor + channels(bias, x.ndim)
            return np.asarray(y.astype(x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[BatchNormalization, list[TensorSpec | Array]]]:
        """No, one and two spatial axes, every type."""
        rng = np.random.default_rng(0)
        for shape, dtype in (
            ((2, 3, 5, 7), float32),
            ((4, 6), float32),
            ((1, 33, 17), float32),
            ((2, 3, 4), float64),
            ((2, 3, 4), float16),
            ((2, 3, 4), bfloat16),
        ):
            variance = rng.uniform(0.5, 2, shape[1]).astype(np.float32).astype(dtype.numpy)
            yield BatchNormalization(), [TensorSpec(dtype, shape), *[TensorSpec(dtype, shape[1:2])] * 3, variance]


@operator("ew::InstanceNormalization")
class InstanceNormalization:
    """x (N, C, ...) normalized over the spatial axes of each sample and channel, times scale, plus bias (C)."""

    epsilon: float = 1e-5

    def infer(self, x: TensorSpec, scale: TensorSpec, bias: TensorSpec) -> TensorSpec:
        """The shape of x."""
        check_channels(x, scale, bias)
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array, scale: Array, bias: Array) -> Array:
        """In float64, rounded once."""
        with np.errstate(all="ignore"):
            y = normalized(x, tuple(range(2, x.ndim)), self.epsilon)
            return np.asarray((y * channels(scale, x.ndim) + channels(bias, x.ndim)).astype(x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[InstanceNormalization, list[TensorSpec]]]:
        """One and two spatial axes, every type."""
        for shape, dtype in (
            ((2, 3, 5, 7), float32),
            ((1, 33, 17), float32),
            ((2, 3, 40), float64),
            ((2, 3, 40), float16),
            ((2, 3, 40), bfloat16),
        ):
            yield InstanceNormalization(), [TensorSpec(dtype, shape), *[TensorSpec(dtype, shape[1:2])] * 2]


@operator("ew::GroupNormalization")
class GroupNormalization:
    """x (N, C, ...) normalized over each of `num_groups` groups of channels, times scale, plus bias (C)."""

    num_groups: int
    epsilon: float = 1e-5
    stash_type: int = 1

    def infer(self, x: TensorSpec, scale: TensorSpec, bias: TensorSpec) -> TensorSpec:
        """The shape of x."""
        count = check_channels(x, scale, bias)
        if self.num_groups < 1:
            raise ShapeError(f"{self.num_groups} groups", hint="Use at least one.")
        same((count // self.num_groups) * self.num_groups, count)
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array, scale: Array, bias: Array) -> Array:
        """In float64, rounded once."""
        with np.errstate(all="ignore"):
            groups = x.reshape(x.shape[0], self.num_groups, math.prod(x.shape[1:]) // self.num_groups)
            y = normalized(groups, (2,), self.epsilon).reshape(x.shape)
            return np.asarray((y * channels(scale, x.ndim) + channels(bias, x.ndim)).astype(x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[GroupNormalization, list[TensorSpec]]]:
        """One group, two, as many as channels; every type."""
        for groups, shape, dtype in (
            (2, (2, 4, 5, 7), float32),
            (1, (1, 6, 33), float32),
            (3, (2, 3, 8), float32),
            (2, (2, 4, 9), float64),
            (2, (2, 4, 9), float16),
            (2, (2, 4, 9), bfloat16),
        ):
            yield GroupNormalization(groups), [TensorSpec(dtype, shape), *[TensorSpec(dtype, shape[1:2])] * 2]


import_plainly(InstanceNormalization)
import_plainly(GroupNormalization, since=21)


@onnx_rule("ai.onnx::RMSNormalization", since=23)
def rms_normalization(net: Network, node: OnnxNode) -> Tensor:
    """In the wider type where input and scale differ in type; the output is of the scale's."""
    x, scale = node.input(0), node.input(1)
    op = RMSNormalization(node.integer("axis", -1), node.number("epsilon", 1e-5), node.integer("stash_type", 1))
    if x.dtype is scale.dtype:
        return net.add(op, x, scale)[0]
    wide = float64 if float64 in (x.dtype, scale.dtype) else float32
    return net.cast(net.add(op, net.cast(x, to=wide), net.cast(scale, to=wide))[0], to=scale.dtype)


@onnx_rule("ai.onnx::LayerNormalization", since=1)
def layer_normalization(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """As many outputs as are asked for. ONNX has it since opset 17, ONNX Runtime's optimizer writes it into any."""
    op = LayerNormalization(node.integer("axis", -1), node.number("epsilon", 1e-5), node.integer("stash_type", 1))
    return net.add(op, node.input(0), node.input(1), node.optional(2))[: len(node.outputs)]


@onnx_rule("ai.onnx::BatchNormalization", since=1)
def batch_normalization(net: Network, node: OnnxNode) -> Tensor:
    """By given statistics; before opset 14 further outputs are for training only."""
    if any(node.wants(index) for index in range(1, 5)):
        raise NotSupported("training mode is not supported before opset 14")
    if node.integer("spatial", 1) == 0:  # until 8: a mean for each element
        raise NotSupported("statistics for each element are not supported")
    return net.add(BatchNormalization(node.number("epsilon", 1e-5)), *(node.input(index) for index in range(5)))[0]


@onnx_rule("ai.onnx::BatchNormalization", since=14)
def batch_normalization_by_mode(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """By given statistics; in training mode by those of the batch, which update the given ones, outputs 1 and 2."""
    x, scale, bias, mean, variance = (node.input(index) for index in range(5))
    op = BatchNormalization(node.number("epsilon", 1e-5))
    if not node.integer("training_mode", 0):
        return net.add(op, x, scale, bias, mean, variance)
    axes = net.constant(np.array([axis for axis in range(x.rank) if axis != 1], np.int64))
    batch_mean = net.reduce_mean(x, axes, keepdims=0)
    centered = net.sub(x, net.reduce_mean(x, axes))
    batch_variance = net.reduce_mean(net.mul(centered, centered), axes, keepdims=0)
    y = net.add(op, x, scale, bias, batch_mean, batch_variance)[0]
    momentum = node.number("momentum", 0.9)
    updated = [_running(net, *pair, momentum) for pair in ((mean, batch_mean), (variance, batch_variance))]
    return (y, *updated)[: len(node.outputs)]


def _running(net: Network, old: Tensor, new: Tensor, momentum: float) -> Tensor:
    """old * momentum + new * (1 - momentum)."""
    kept = net.mul(old, net.constant(np.array(momentum, old.dtype.numpy)))
    return net.add(kept, net.mul(new, net.constant(np.array(1 - momentum, new.dtype.numpy))))


@onnx_rule("ai.onnx::GroupNormalization", since=18)
def group_normalization_by_group(net: Network, node: OnnxNode) -> Tensor:
    """In opsets 18 to 20 scale and bias have one number a group: each is repeated for its channels."""
    x, groups = node.input(0), node.integer("num_groups")
    size = x.shape[1]
    if not isinstance(size, int):
        raise NotSupported("the number of channels is not known")
    each = np.repeat(np.arange(groups), size // groups)
    scale, bias = (net.gather(node.input(index), net.constant(each), axis=0) for index in (1, 2))
    return net.add(GroupNormalization(groups, node.number("epsilon", 1e-5)), x, scale, bias)[0]


def _sum(net: Network, node: OnnxNode, *indices: int) -> Tensor:
    """The sum of the inputs that are given."""
    total = node.input(0)
    for index in indices:
        term = node.optional(index)
        total = total if term is None else net.add(total, term)
    return total


@onnx_rule("com.microsoft::SkipLayerNormalization", since=1)
def skip_layer_normalization(net: Network, node: OnnxNode) -> tuple[Tensor | None, ...]:
    """Layer normalization of input + skip (+ bias, input 4); output 3 is that sum."""
    total = _sum(net, node, 1, 4)
    op = LayerNormalization(-1, node.number("epsilon", 1e-12))
    return (*net.add(op, total, node.input(2), node.optional(3)), total)[: len(node.outputs)]


@onnx_rule("com.microsoft::SkipSimplifiedLayerNormalization", since=1)
def skip_simplified_layer_normalization(net: Network, node: OnnxNode) -> tuple[Tensor | None, ...]:
    """RMS normalization of input + skip (+ bias, input 3); output 3 is that sum."""
    if node.wants(1) or node.wants(2):
        raise NotSupported("the statistics, outputs 1 and 2, are not supported")
    total = _sum(net, node, 1, 3)
    y = net.add(RMSNormalization(-1, node.number("epsilon", 1e-12)), total, node.input(2))[0]
    return (y, None, None, total)[: len(node.outputs)]


@onnx_rule("com.microsoft::SimplifiedLayerNormalization", since=1)
@onnx_rule("ai.onnx::SimplifiedLayerNormalization", since=1)
def simplified_layer_normalization(net: Network, node: OnnxNode) -> Tensor:
    """RMS normalization."""
    if node.wants(1):
        raise NotSupported("the statistics, output 1, are not supported")
    op = RMSNormalization(node.integer("axis", -1), node.number("epsilon", 1e-5))
    return net.add(op, node.input(0), node.input(1))[0]
