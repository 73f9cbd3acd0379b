"""Softmax, LogSoftmax and Hardmax along one axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import product
from enginewright.ops.element_types import FLOATS, check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, bfloat16, float16, float32, float64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
SHAPES = (((2, 3, 17), -1), ((5, 4), 0), ((2, 33, 3), 1), ((1, 1), -1), ((3, 300), 1), ((2, 5, 70), 1), ((0, 4), 1))


def shifted(x: Array, axis: int) -> Array:
    """x less its largest element, in float64, so that no exponential overflows."""
    wide = x.astype(np.float64)
    return wide - wide.max(axis=axis, keepdims=True, initial=-np.inf)


class AlongAxis:
    """Base of the operators that keep shape and type."""

    axis: int

    def infer(self, x: TensorSpec) -> TensorSpec:
        """Same shape and type."""
        check_type(x, FLOATS, "the input")
        normalize_axis(self.axis, x.rank)
        return TensorSpec(x.dtype, x.shape)

    @classmethod
    def examples(cls) -> Iterator[tuple[Any, list[TensorSpec]]]:
        """Last, first and middle axis; one element, none; every type."""
        make: Callable[..., Any] = cls
        for shape, axis in SHAPES:
            yield make(axis=axis), [TensorSpec(float32, shape)]
        for dtype in (float64, float16, bfloat16):
            yield make(axis=-1), [TensorSpec(dtype, (3, 35))]
            yield make(axis=0), [TensorSpec(dtype, (4, 3))]


@operator("ew::Softmax")
class Softmax(AlongAxis):
    """exp(x) / sum(exp(x)) along `axis`."""

    axis: int = -1

    def reference(self, x: Array) -> Array:
        """In float64, rounded once."""
        with np.errstate(all="ignore"):
            powers = np.exp(shifted(x, self.axis))
            return np.asarray((powers / powers.sum(axis=self.axis, keepdims=True)).astype(x.dtype))


@operator("ew::LogSoftmax")
class LogSoftmax(AlongAxis):
    """x - log(sum(exp(x))) along `axis`."""

    axis: int = -1

    def reference(self, x: Array) -> Array:
        """In float64, rounded once."""
        with np.errstate(all="ignore"):
            wide = shifted(x, self.axis)
            return np.asarray((wide - np.log(np.exp(wide).sum(axis=self.axis, keepdims=True))).astype(x.dtype))


@operator("ew::Hardmax")
class Hardmax(AlongAxis):
    """1 at the first largest element along `axis`, 0 elsewhere."""

    axis: int = -1

    def reference(self, x: Array) -> Array:
        """numpy.argmax."""
        result = np.zeros(x.shape, x.dtype)
        if x.size:
            np.put_along_axis(result, np.expand_dims(np.argmax(x, axis=self.axis), self.axis), 1, axis=self.axis)
        return result


def _along(cls: type[Any], net: Network, x: Tensor, axis: int) -> Tensor:
    """One of the operators; Hardmax, which has no kernel, by its definition where the size is known."""
    at = normalize_axis(axis, x.rank)
    size = x.shape[at] if x.rank else 0
    if cls is not Hardmax or not isinstance(size, int) or not size:
        made: Tensor = net.add(cls(axis=axis), x)[0]
        return made
    places = net.constant(np.arange(size).reshape(-1, *[1] * (x.rank - 1 - at)))
    return net.cast(net.equal(net.argmax(x, axis=at, keepdims=1), places), to=x.dtype)


def _import(cls: type[Any]) -> None:
    """Declare both forms: since opset 13 one axis, before that all axes from `axis` on as one."""

    def rule(net: Network, node: OnnxNode) -> Tensor:
        return _along(cls, net, node.input(0), node.integer("axis", -1))

    def flattened(net: Network, node: OnnxNode) -> Tensor:
        x = node.input(0)
        axis = normalize_axis(node.integer("axis", 1), x.rank)
        if product(x.shape[axis + 1 :]) == 1:
            return _along(cls, net, x, axis)
        return net.reshape(_along(cls, net, net.flatten(x, axis=axis), 1), net.shape(x))

    onnx_rule(f"ai.onnx::{cls.__name__}", since=13)(rule)
    onnx_rule(f"ai.onnx::{cls.__name__}", since=1)(flattened)


for _cls in (Softmax, LogSoftmax, Hardmax):
    _import(_cls)
