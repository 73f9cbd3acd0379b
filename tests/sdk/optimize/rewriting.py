"""Runs a pass on a small network and compares what the network computes before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import enginewright.ops
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network, Tensor
from enginewright.ops.channels_last import ChannelsLast
from enginewright.tensors import DataType

Array = np.ndarray[Any, Any]

enginewright.ops.load()


def operators(network: Network) -> list[str]:
    """The names of the operators, in order."""
    return [layer.key.name for layer in network.layers]


def inputs_of(network: Network) -> dict[str, Any]:
    """Random arrays for the inputs; named dimensions have size 3."""
    rng = np.random.default_rng(1)
    found = {}
    for tensor in network.inputs:
        shape = [size if isinstance(size, int) else 3 for size in tensor.shape]
        floats = rng.standard_normal(shape)
        found[tensor.name] = (
            floats.astype(tensor.dtype.numpy)
            if tensor.dtype.is_float
            else rng.integers(0, 5, shape).astype(tensor.dtype.numpy)
        )
    return found


def rewrite(network: Network, run: Callable[[Network], int], tolerance: float = 1e-5) -> tuple[int, Network]:
    """Run a pass on a copy and check that every output keeps its type, shape and numbers; changes and the copy."""
    inputs = inputs_of(network)
    before = network.evaluate(inputs)
    changed = copy_network(network)
    changes = run(changed)
    changed.infer()
    after = changed.evaluate(inputs)
    assert list(after) == list(before)
    for name, array in before.items():
        assert after[name].dtype == array.dtype
        np.testing.assert_allclose(after[name].astype(float), array.astype(float), rtol=tolerance, atol=tolerance)
    known = {id(layer) for layer in changed.layers}
    for layer in changed.layers:
        for tensor in layer.inputs:
            assert tensor is None or tensor.readers.count(layer) == layer.inputs.count(tensor)
    assert all(id(reader) in known for layer in changed.layers for t in layer.outputs for reader in t.readers)
    return changes, changed


def weights(*shape: int) -> Array:
    """The same normal numbers each time, small enough for sums of them."""
    return (np.random.default_rng(0).standard_normal(shape) * 0.2).astype(np.float32)


def conv_last(net: Network, x: Tensor, op: Any, *shape: int) -> Tensor:
    """A convolution with channels last, or what is made of one, with weights of this shape and a bias."""
    return net.add(ChannelsLast(op), x, net.constant(weights(*shape)), net.constant(weights(shape[0])))[0]


FLOAT = DataType.FLOAT32
