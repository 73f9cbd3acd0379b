"""Transformer layers as exporters write them, after all passes for a device: seven steps a layer, no copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import enginewright.ops
from enginewright.compiler.liveness import view_offset
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network, Tensor
from enginewright.ops.pointwise import Fused
from enginewright.optimize import optimize, pipeline
from tests.sdk.optimize.rewriting import FLOAT, inputs_of

enginewright.ops.load()
RNG = np.random.default_rng(0)
BATCH, ROWS, HEADS, SIZE = 2, 5, 3, 4
WIDTH = HEADS * SIZE
STEPS = ["LayerNormalization", "MatMul", "PackedAttention", "MatMul", "LayerNormalization", "MatMul", "MatMul"]


def constant(net: Network, *shape: int) -> Tensor:
    return net.constant((0.3 * RNG.standard_normal(shape)).astype(np.float32))


def shaped(net: Network, x: Tensor, *shape: int) -> Tensor:
    return net.reshape(x, net.constant(shape))


def norm(net: Network, x: Tensor) -> Tensor:
    return net.layer_normalization(x, constant(net, WIDTH), constant(net, WIDTH))[0]


def attention(net: Network, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Written out, with the scale shared by both sides."""
    root = net.constant(np.float32(SIZE**-0.25))
    scores = net.matmul(net.mul(q, root), net.mul(net.transpose(k, perm=(0, 1, 3, 2)), root))
    return net.matmul(net.softmax(scores if mask is None else net.add(scores, mask)), v)


def rows_first(net: Network, x: Tensor) -> Tensor:
    """torch.nn.MultiheadAttention: [S, B, E] inside, projections of flattened rows."""
    batch, rows = (int(size) for size in x.shape[:2] if isinstance(size, int))
    turned = net.transpose(x, perm=(1, 0, 2))
    joint = net.add(net.matmul(turned, constant(net, WIDTH, 3 * WIDTH)), constant(net, 3 * WIDTH))
    parts = net.unsqueeze(shaped(net, joint, rows, batch, 3, WIDTH), net.constant([0]))
    parts = net.squeeze(net.transpose(parts, perm=(3, 1, 2, 0, 4)), net.constant([3]))
    heads = []
    for index in range(3):
        one = shaped(net, net.gather(parts, net.constant(index)), rows, batch * HEADS, SIZE)
        heads.append(shaped(net, net.transpose(one, perm=(1, 0, 2)), batch, HEADS, rows, SIZE))
    y = net.transpose(attention(net, *heads), perm=(2, 0, 1, 3))
    y = net.gemm(shaped(net, y, rows * batch, WIDTH), constant(net, WIDTH, WIDTH), constant(net, WIDTH), trans_b=True)
    return net.transpose(shaped(net, y, rows, batch, WIDTH), perm=(1, 0, 2))


def split_rows(net: Network, x: Tensor) -> Tensor:
    """GPT-2: products of flattened rows, one of them split, a causal mask."""
    rows = net.gemm(shaped(net, x, BATCH * ROWS, WIDTH), constant(net, WIDTH, 3 * WIDTH), constant(net, 3 * WIDTH))
    parts = net.split(shaped(net, rows, BATCH, ROWS, 3 * WIDTH), axis=2, num_outputs=3)
    heads = [net.transpose(shaped(net, part, BATCH, ROWS, HEADS, SIZE), perm=(0, 2, 1, 3)) for part in parts]
    mask = net.constant(np.triu(np.full((1, 1, ROWS, ROWS), np.finfo(np.float32).min, np.float32), 1))
    y = net.transpose(attention(net, *heads, mask), perm=(0, 2, 1, 3))
    y = net.gemm(shaped(net, y, BATCH * ROWS, WIDTH), constant(net, WIDTH, WIDTH), constant(net, WIDTH))
    return shaped(net, y, BATCH, ROWS, WIDTH)


def layer(net: Network, x: Tensor, attend: Callable[[Network, Tensor], Tensor]) -> Tensor:
    x = net.add(x, attend(net, norm(net, x)))
    y = net.add(net.matmul(norm(net, x), constant(net, WIDTH, 20)), constant(net, 20))
    y = net.add(net.matmul(net.gelu(y), constant(net, 20, WIDTH)), constant(net, WIDTH))
    return net.add(x, y)


@pytest.mark.parametrize("batch", [1, BATCH])
def test_rows_first(batch: int) -> None:
    net = Network()
    x = net.input("x", FLOAT, (batch, ROWS, WIDTH))
    net.output("y", norm(net, layer(net, layer(net, x, rows_first), rows_first)))
    check(net)


def test_rows_that_are_split() -> None:
    net = Network()
    x = net.input("x", FLOAT, (BATCH, ROWS, WIDTH))
    net.output("y", norm(net, layer(net, layer(net, x, split_rows), split_rows)))
    assert all(made.op.anchor.is_causal for made in check(net).layers if made.kind == "PackedAttention")


def check(net: Network) -> Network:
    """Seven steps a layer, each product with all that follows it, and the same result up to the rounding of halves."""
    inputs = inputs_of(net)
    wanted = net.evaluate(inputs)["y"]
    made = copy_network(net)
    optimize(made, pipeline("cuda", "fp16"))
    steps = [layer for layer in made.layers if layer.kind != "Cast" and view_offset(layer) is None]
    names = [layer.op.anchor.KEY.name if isinstance(layer.op, Fused) else layer.kind for layer in steps]
    assert names == [*STEPS, *STEPS, "LayerNormalization"]
    assert sum(isinstance(layer.op, Fused) for layer in steps) == 8
    np.testing.assert_allclose(made.evaluate(inputs)["y"], wanted, atol=2e-2)
    return made
