"""Imports tables and weights of few bits that ONNX Runtime's quantizers write (com.microsoft), block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import normalize_axis, uint8

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The quantiles of normal numbers of https://arxiv.org/abs/2305.14314, appendix E."""

FP4 = (0.0, 0.00520833333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25)
"""One exponent scheme of three bits, the fourth is the sign; as bitsandbytes defines it."""


@onnx_rule("com.microsoft::GatherBlockQuantized", since=1)
def gather_block_quantized(net: Network, node: OnnxNode) -> Tensor:
    """Rows of a table, their scales and zero points looked up alike, then dequantized; the table itself stays small."""
    data = node.input(0)
    axis, along = (normalize_axis(node.integer(name, d), data.rank) for name, d in _AXES)
    size = node.integer("block_size", 128)
    if axis == along or not size:
        raise NotSupported("gathering along the quantized axis, and one block for all, are not supported")
    table, zeros = data, node.optional(3)
    if data.dtype is uint8:
        table, zeros = _unpacked_table(net, node, data, zeros)
    parts = [None if x is None else net.gather(x, node.input(1), axis=axis) for x in (table, node.input(2), zeros)]
    rows, scales, points = parts
    assert rows is not None
    assert scales is not None
    place = along if along < axis else along + node.input(1).rank - 1
    return net.dequantize_linear(rows, scales, points, axis=place, block_size=size)


_AXES = (("gather_axis", 0), ("quantize_axis", 1))


def _unpacked_table(net: Network, node: OnnxNode, data: Tensor, zeros: Tensor | None) -> tuple[Tensor, Tensor]:
    """The table and its zero points with one number a byte; the middle of the range where there are none."""
    bits = node.integer("bits", 4)
    if data.const is None or (zeros is not None and zeros.const is None):
        raise NotSupported("the table is not a constant")
    shape = tuple(size for size in node.input(2).shape if isinstance(size, int))
    middle = np.full(shape, 1 << (bits - 1), np.uint8)
    points = middle if zeros is None or zeros.const is None else unpack_bits(zeros.const, bits)[..., : shape[-1]]
    return net.constant(unpack_bits(data.const, bits)), net.constant(np.ascontiguousarray(points))


def unpack_bits(data: Array, bits: int) -> Array:
    """One number of `bits` bits a byte from several, the lowest bits first, along the last axis."""
    if bits not in (2, 4, 8):
        raise NotSupported(f"{bits} bits")
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    apart = (data[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return apart.reshape(*data.shape[:-1], data.shape[-1] * len(shifts))


@onnx_rule("com.microsoft::MatMulNBits", since=1)
def matmul_n_bits(net: Network, node: OnnxNode) -> Tensor:
    """Weights [N, blocks, bytes] of 2, 4 or 8 bits, unpacked and dequantized block by block; the constants fold."""
    bits, size = node.integer("bits", 4), node.integer("block_size")
    columns, depth = node.integer("N"), node.integer("K")
    if node.optional(4) is not None or node.integer("weight_prepacked", 0):
        raise NotSupported("an index of groups, and weights packed for one kind of device, are not supported")
    packed, scales = node.input(1), node.input(2)
    zero = node.optional(3)
    if packed.const is None or (zero is not None and zero.const is None):
        raise NotSupported("the weight is not a constant")
    blocks = -(-depth // size)
    weight = np.ascontiguousarray(unpack_bits(packed.const.reshape(columns, -1), bits)[:, :depth])
    shaped = net.reshape(scales, net.constant(np.array([columns, blocks])))
    points = None if zero is None or zero.const is None else zero.const
    if points is not None and points.dtype != np.uint8:  # real numbers: then the steps are counted from there
        real = weight - np.repeat(points.reshape(columns, blocks), size, axis=1)[:, :depth]
        steps = net.constant(real.astype(scales.dtype.numpy))
        each = net.gather(shaped, net.constant(np.arange(depth) // size), axis=1)
        turned = net.mul(steps, each)
    else:
        middle = np.full((columns, blocks), 1 << (bits - 1), np.uint8)
        zeros = middle if points is None else unpack_bits(points.reshape(columns, -1), bits)[:, :blocks]
        given = net.constant(weight), shaped, net.constant(np.ascontiguousarray(zeros))
        turned = net.dequantize_linear(*given, axis=1, block_size=size)
    y = net.matmul(node.input(0), net.transpose(turned, perm=(1, 0)))
    bias = node.optional(5)
    return y if bias is None else net.add(y, bias)


@onnx_rule("com.microsoft::MatMulBnb4", since=1)
def matmul_bnb4(net: Network, node: OnnxNode) -> Tensor:
    """A product with weights that are places in a table of 16 numbers, times the largest magnitude of their block."""
    packed, largest = node.input(1), node.input(2)
    if packed.const is None or largest.const is None:
        raise NotSupported("the weight is not a constant")
    rows, columns, size = node.integer("N"), node.integer("K"), node.integer("block_size")
    table = np.array(NF4 if node.integer("quant_type") == 1 else [*FP4, *(-number for number in FP4)], np.float32)
    flat = packed.const.reshape(-1)
    places = np.stack([flat >> 4, flat & 15], axis=-1).reshape(-1)[: rows * columns]
    scales = np.repeat(largest.const.reshape(-1).astype(np.float32), size)[: rows * columns]
    weight = (table[places] * scales).reshape(rows, columns).astype(node.input(0).dtype.numpy)
    turned = weight.T if node.integer("transB", 1) else weight
    return net.matmul(node.input(0), net.constant(np.ascontiguousarray(turned)))
