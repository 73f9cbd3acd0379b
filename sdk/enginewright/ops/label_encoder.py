"""LabelEncoder: numbers or texts exchanged for others by a table; it runs in Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import ModelInvalid, ShapeError
from enginewright.ops.element_types import check_same_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, int64, string

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::LabelEncoder")
class LabelEncoder:
    """Each element of `x` that is among `keys` [K] as the value at its place in `values` [K], others as `default` [1].

    A key that is no number stands for all that are none; of equal keys the last counts.
    """

    def infer(self, x: TensorSpec, keys: TensorSpec, values: TensorSpec, default: TensorSpec) -> TensorSpec:
        """The type of the values, the shape of x."""
        check_same_type(x, keys)
        dtype = check_same_type(values, default)
        if keys.rank != 1 or values.rank != 1 or default.size != 1:
            raise ShapeError(
                f"keys {keys}, values {values}, default {default}", hint="Give two lists and a default of one element."
            )
        same(keys.shape[0], values.shape[0])
        return TensorSpec(dtype, x.shape)

    def reference(self, x: Array, keys: Array, values: Array, default: Array) -> Array:
        """One look-up for each different element."""
        places = {_plain(key): place for place, key in enumerate(keys.tolist())}
        table = np.concatenate([values, default.reshape(1)])
        different, inverse = np.unique(x, return_inverse=True)
        found = [places.get(_plain(item), len(values)) for item in different.tolist()]
        result: Array = table[np.array(found, np.int64)][inverse.reshape(-1)].reshape(x.shape)
        return result

    @staticmethod
    def examples() -> Iterator[tuple[LabelEncoder, list[Array]]]:
        """Texts to numbers, numbers to texts, what is no number, nothing at all."""
        names, numbers = np.array(["a", "b"], object), np.array([7, 8], np.int64)
        x = np.array([["b", "c"], ["a", "b"]], object)
        yield LabelEncoder(), [x, names, numbers, np.array([-1], np.int64)]
        yield LabelEncoder(), [np.array([8, 9, 7], np.int64), numbers, names, np.array(["?"], object)]
        floats = np.array([np.nan, 1.5], np.float32)
        yield LabelEncoder(), [np.array([1.5, np.nan, 0], np.float32), floats, numbers, np.array([0], np.int64)]
        yield LabelEncoder(), [np.zeros(0, np.int64), numbers, floats, np.array([0], np.float32)]


def _plain(key: Any) -> Any:
    return "nan" if isinstance(key, float) and key != key else key


DEFAULTS = {string: "_Unused", int64: -1, float32: -0.0}
_LISTS = {"strings": string, "int64s": int64, "floats": float32}


@onnx_rule("ai.onnx.ml::LabelEncoder", since=2)
def label_encoder(net: Network, node: OnnxNode) -> Tensor:
    """Keys and values in one of three lists, or since version 4 in tensors."""
    x = node.input(0)
    keys, values = _table(node, "keys"), _table(node, "values")
    kind = net.constant(values[:0]).dtype
    if node.has("default_tensor"):
        default = node.tensor("default_tensor").reshape(-1)
    else:
        name = {string: "default_string", int64: "default_int64", float32: "default_float"}.get(kind, "")
        default = np.array([node.attributes.get(name, DEFAULTS.get(kind, 0))], values.dtype)
    return net.label_encoder(x, *map(net.constant, (keys, values, default)))


def _table(node: OnnxNode, name: str) -> Array:
    """The keys or values of a node."""
    if node.has(f"{name}_tensor"):
        return node.tensor(f"{name}_tensor").reshape(-1)
    for suffix, dtype in _LISTS.items():
        if node.has(f"{name}_{suffix}"):
            return np.array(node.attributes[f"{name}_{suffix}"], dtype.numpy)
    raise ModelInvalid(f"it has no {name}", hint="Export the model again.", where=node.where)


@onnx_rule("ai.onnx.ml::LabelEncoder", since=1)
def label_encoder_1(net: Network, node: OnnxNode) -> Tensor:
    """Texts to their places in a list, and back."""
    classes = node.texts("classes_strings")
    return _between(net, node, classes, range(len(classes)))


@onnx_rule("ai.onnx.ml::CategoryMapper", since=1)
def category_mapper(net: Network, node: OnnxNode) -> Tensor:
    """Texts to numbers, and back."""
    return _between(net, node, node.texts("cats_strings"), node.integers("cats_int64s"))


def _between(net: Network, node: OnnxNode, texts: Any, numbers: Any) -> Tensor:
    x = node.input(0)
    names, places = net.constant(np.array(texts, object)), net.constant(np.array(numbers, np.int64))
    if x.dtype is string:
        return net.label_encoder(x, names, places, net.constant(np.array([node.integer("default_int64", -1)])))
    default = np.array([node.text("default_string", "_Unused")], object)
    return net.label_encoder(x, places, names, net.constant(default))
