"""Multiplications are counted as their definitions say."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.graph.multiplications import COUNTS, multiplications
from enginewright.graph.network import Network, Tensor
from enginewright.ops.attention import Attention
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.conv_integer import ConvInteger, QLinearConv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.matmul import Gemm, MatMul, MatMulInteger, QLinearMatMul
from enginewright.ops.pool import MaxPool
from enginewright.ops.recurrent import GRU, LSTM, RNN
from enginewright.ops.recurrent_quantized import DynamicQuantizeLSTM
from enginewright.tensors import float32, int8, uint8

FLOATS = {
    "MatMul": (MatMul(), [(3, 4, 5), (5, 6)], 3 * 4 * 5 * 6),
    "Gemm": (Gemm(trans_b=True), [(4, 5), (6, 5)], 4 * 5 * 6),
    "Conv": (Conv(), [(2, 3, 8, 8), (7, 3, 3, 3)], 2 * 7 * 6 * 6 * 3 * 9),
    "ConvTranspose": (ConvTranspose(), [(2, 3, 8, 8), (3, 7, 2, 2)], 2 * 3 * 8 * 8 * 7 * 4),
    "LSTM": (LSTM(), [(9, 2, 3), (1, 20, 3), (1, 20, 5)], 9 * 2 * (20 * 3 + 20 * 5)),
    "GRU": (GRU(), [(9, 2, 3), (1, 15, 3), (1, 15, 5)], 9 * 2 * (15 * 3 + 15 * 5)),
    "RNN": (RNN(), [(9, 2, 3), (1, 5, 3), (1, 5, 5)], 9 * 2 * (5 * 3 + 5 * 5)),
    "Attention": (Attention(), [(2, 4, 6, 8), (2, 4, 7, 8), (2, 4, 7, 10)], 2 * 4 * 6 * 7 * (8 + 10)),
}


@pytest.mark.parametrize("kind", FLOATS)
def test_products_of_floats(kind: str) -> None:
    op, shapes, wanted = FLOATS[kind]
    net = Network()
    net.add(op, *(net.input(f"x{number}", float32, shape) for number, shape in enumerate(shapes)))
    assert net.layers[0].kind == kind
    assert multiplications(net.layers[0], {}) == wanted


def test_images_with_channels_last() -> None:
    net = Network()
    w = net.input("w", float32, (7, 3, 3, 3))
    net.add(ChannelsLast(Conv()), net.input("x", float32, (2, 8, 8, 3)), w)
    net.add(ChannelsLast(MaxPool(kernel_shape=(2, 2))), net.input("z", float32, (2, 8, 8, 3)))
    assert [multiplications(layer, {}) for layer in net.layers] == [2 * 7 * 6 * 6 * 3 * 9, 0]


def quantized(net: Network, name: str, *shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """Bytes with their scale and zero point."""
    return net.input(name, uint8, shape), net.constant(np.float32(0.5)), net.constant(np.uint8(3))


def test_products_of_integers() -> None:
    net = Network()
    image, matrix = net.input("image", uint8, (2, 3, 8, 8)), net.input("matrix", uint8, (4, 5))
    net.add(MatMulInteger(), matrix, net.input("b", int8, (5, 6)))
    net.add(ConvInteger(), image, net.input("w", int8, (7, 3, 3, 3)))
    scale = quantized(net, "s")[1:]
    net.add(QLinearMatMul(), *quantized(net, "p", 4, 5), *quantized(net, "q", 5, 6), *scale)
    net.add(QLinearConv(), *quantized(net, "r", 2, 3, 8, 8), *quantized(net, "t", 7, 3, 3, 3), *scale)
    found = {layer.kind: multiplications(layer, {}) for layer in net.layers}
    product, window = 4 * 5 * 6, 2 * 7 * 6 * 6 * 3 * 9
    assert found == {
        "MatMulInteger": product, "QLinearMatMul": product, "ConvInteger": window, "QLinearConv": window,
    }  # fmt: skip


def test_every_count_is_tested() -> None:
    assert {*COUNTS} == {*FLOATS, "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv"} | {
        DynamicQuantizeLSTM.KEY.name
    }


def test_named_sizes_and_other_layers() -> None:
    net = Network()
    x = net.input("x", float32, ("rows", 5))
    net.relu(net.matmul(x, net.constant(np.ones((5, 6), np.float32))))
    product, relu = net.layers
    assert multiplications(product, {"rows": 4}) == 4 * 5 * 6
    assert multiplications(product, {}) == 5 * 6
    assert multiplications(relu, {"rows": 4}) == 0
