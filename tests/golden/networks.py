"""Small networks of many kinds, each with something to choose or to fuse: what tests of whole builds go through."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import enginewright as ew
from enginewright.graph.network import Tensor
from tests.golden.plans import MORE, NETWORKS


class _Net(ew.Network):
    """A network with short ways to name its constants."""

    def c(self, *shape: int) -> Tensor:
        """Numbers that are the same everywhere."""
        numbers = np.arange(np.prod(shape, dtype=int), dtype=np.float32) % 11 - 5
        return self.constant(numbers.reshape(shape) / 8)

    def i(self, *values: int) -> Tensor:
        """Integers."""
        return self.constant(np.array(values, np.int64))


def _residual(net: _Net, x: Tensor) -> Tensor:
    y = net.relu(net.conv(x, net.c(8, 8, 3, 3), net.c(8), padding=1))
    return net.add(x, net.conv(y, net.c(8, 8, 1, 1)))


def _strided(net: _Net, x: Tensor) -> Tensor:
    return net.sigmoid(net.conv(x, net.c(16, 8, 3, 3), stride=2, padding=1))


def _depthwise(net: _Net, x: Tensor) -> Tensor:
    return net.conv(net.conv(x, net.c(8, 1, 3, 3), padding=1, group=8), net.c(12, 8, 1, 1))


def _dilated(net: _Net, x: Tensor) -> Tensor:
    return net.conv(x, net.c(4, 8, 3, 3), dilation=2)


def _transposed(net: _Net, x: Tensor) -> Tensor:
    return net.conv_transpose(x, net.c(8, 4, 2, 2), stride=2)


def _pools(net: _Net, x: Tensor) -> Tensor:
    return net.concat(
        net.max_pool(x, kernel_shape=(2, 2), stride=2), net.average_pool(x, kernel_shape=(2, 2), stride=2), axis=1
    )


def _group_norm(net: _Net, x: Tensor) -> Tensor:
    return net.group_normalization(x, net.c(8), net.c(8), num_groups=2)


def _resized(net: _Net, x: Tensor) -> Tensor:
    scales = net.constant(np.float32([1, 1, 2, 2]))
    return net.resize(x, None, scales, mode="linear")


def _quantized(net: _Net, x: Tensor) -> Tensor:
    scale, zero = net.constant(np.float32(0.1)), net.constant(np.int8(3))
    return net.dequantize_linear(net.quantize_linear(x, scale, zero), scale, zero)


def _recurrent(net: _Net, x: Tensor) -> Tensor:
    return net.lstm(x, net.c(1, 32, 16), net.c(1, 32, 8), net.c(1, 64))[0]


def _gated(net: _Net, x: Tensor) -> Tensor:
    return net.gru(x, net.c(1, 24, 16), net.c(1, 24, 8))[0]


def _transformer(net: _Net, x: Tensor) -> Tensor:
    normal = net.layer_normalization(x, net.c(16), net.c(16))[0]
    q, k, v = (net.matmul(normal, net.c(16, 16)) for _ in range(3))
    scores = net.softmax(net.matmul(q, net.transpose(k, perm=(0, 2, 1))))
    y = net.add(x, net.matmul(scores, v))
    return net.add(y, net.matmul(net.gelu(net.matmul(y, net.c(16, 64))), net.c(64, 16)))


def _reductions(net: _Net, x: Tensor) -> Tensor:
    return net.mul(net.reduce_mean(x, net.i(2)), net.reduce_mean(x, net.i(1)))


def _movement(net: _Net, x: Tensor) -> Tensor:
    cut = net.slice(x, net.i(1), net.i(9), net.i(2))
    return net.pad(net.transpose(cut, perm=(1, 0, 2)), net.i(0, 0, 1, 0, 0, 1))


def _looked_up(net: _Net, x: Tensor) -> Tensor:
    return net.add(x, net.gather(net.c(10, 16), net.i(7)))


def _sums(net: _Net, x: Tensor) -> Tensor:
    product = net.einsum(x, net.c(16, 8), equation="abc,cd->abd")
    return net.cumsum(product, net.constant(np.array(1, np.int64)))


def _pointwise(net: _Net, x: Tensor) -> Tensor:
    return net.where(net.greater(x, net.c(16)), net.tanh(net.mul(x, x)), net.exp(net.neg(net.abs(x))))


IMAGE, ROWS = ("N", 8, 14, 14), ("T", "N", 16)
_KINDS: dict[tuple[str | int, ...], list[Callable[[_Net, Tensor], Tensor]]] = {
    IMAGE: [
        *(_residual, _strided, _depthwise, _dilated, _transposed, _pools, _group_norm, _resized, _quantized),
    ],
    ROWS: [
        *(_recurrent, _gated, _transformer, _reductions, _movement, _looked_up, _sums, _pointwise),
    ],
}


def networks() -> dict[str, ew.Network]:
    """Every network, by name."""
    made: dict[str, ew.Network] = {}
    for shape, functions in _KINDS.items():
        for function in functions:
            name = function.__name__.removeprefix("_")
            net = made[name] = _Net(name)
            net.output("y", function(net, net.input("x", ew.float32, shape)))
    for name, build in (NETWORKS | MORE).items():
        made[name] = ew.Network(name)
        build(made[name])
    return made
