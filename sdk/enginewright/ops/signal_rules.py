"""Imports Fourier transforms: as matrix products or convolutions where their length is known, else as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import DataType, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
MAX_ELEMENTS = 2**22  # of a transform's matrix; from there on a fast Fourier transform is the better way


def waves(length: int, outputs: int, *, inverse: bool = False) -> Array:
    """exp(-2 pi i j k / length) (inverse: conjugate, over length) for j in length, k in outputs: complex128."""
    steps = np.outer(np.arange(length), np.arange(outputs)) % length
    found = np.exp((2j if inverse else -2j) * np.pi * steps / length)
    return found / length if inverse else found


@onnx_rule("ai.onnx::DFT", since=17)
def dft(net: Network, node: OnnxNode) -> Tensor:
    """The axis is an attribute (1 by default) before 20, then an input (-2 by default)."""
    x, axis = node.input(0), node.optional(2)
    if axis is None:
        axis = net.constant(np.array(node.integer("axis", 1) if node.version < 20 else -2, int64.numpy))
    inverse, onesided = bool(node.integer("inverse", 0)), bool(node.integer("onesided", 0))
    matrix = None if inverse and onesided else _matrix(x, node.optional(1), axis, inverse=inverse, onesided=onesided)
    if matrix is None:
        return net.dft(x, node.optional(1), axis, inverse=inverse, onesided=onesided)
    known = axis.spec.constants()
    assert known is not None
    return _transformed(net, x, known[0] % x.rank, matrix)


def _matrix(x: Tensor, dft_length: Tensor | None, axis: Tensor, *, inverse: bool, onesided: bool) -> Array | None:
    """The transform of real (and imaginary) parts along the axis as one matrix [size * parts, outputs * 2]."""
    at, given = axis.spec.constants(), None if dft_length is None else dft_length.spec.constants()
    if at is None or (dft_length is not None and given is None) or x.dtype != float32:
        return None
    size, parts = x.shape[at[0] % x.rank], x.shape[-1]
    length = size if given is None else given[0]
    if not isinstance(size, int) or not isinstance(length, int) or parts not in (1, 2):
        return None
    outputs = length // 2 + 1 if onesided else length
    if size * 2 * outputs * 2 > MAX_ELEMENTS:
        return None
    kept = np.zeros((size, outputs), np.complex128)
    kept[:length] = waves(length, outputs, inverse=inverse)[:size]
    rows = [np.stack([kept.real, kept.imag], axis=-1)]
    if parts == 2:
        rows.append(np.stack([-kept.imag, kept.real], axis=-1))
    return np.stack(rows, axis=1).reshape(size * len(rows), outputs * 2).astype(np.float32)


def _transformed(net: Network, x: Tensor, axis: int, matrix: Array) -> Tensor:
    """x times the matrix along `axis` and its last axis together."""
    others = [at for at in range(x.rank - 1) if at != axis]
    order = (*others, axis, x.rank - 1)
    moved = x if order == tuple(range(x.rank)) else net.transpose(x, perm=order)
    keep = [0] * len(others)
    y = net.matmul(net.reshape(moved, net.constant(np.array([*keep, -1]))), net.constant(matrix))
    apart = net.reshape(y, net.constant(np.array([*keep, -1, 2])))
    return apart if moved is x else net.transpose(apart, perm=tuple(order.index(at) for at in range(x.rank)))


@onnx_rule("ai.onnx::STFT", since=17)
def stft(net: Network, node: OnnxNode) -> Tensor:
    """Frames of a real signal times waves are a convolution with frame_step as its stride."""
    signal, step, window, length = node.input(0), node.input(1), node.optional(2), node.optional(3)
    onesided = bool(node.integer("onesided", 1))
    size = _frame_length(window, length)
    stride = step.spec.constants()
    real = signal.rank == 3 and signal.shape[2] == 1 and signal.dtype == float32
    if size is None or stride is None or not real or 2 * size * size > MAX_ELEMENTS:
        return net.stft(signal, step, window, length, onesided=onesided)
    bins = size // 2 + 1 if onesided else size
    table = waves(size, bins).T
    kernel = net.constant(np.concatenate([table.real, table.imag])[:, None, :].astype(np.float32))
    if window is not None:
        kernel = net.mul(kernel, window)
    flat = net.conv(net.transpose(signal, perm=(0, 2, 1)), kernel, stride=stride[0])
    parts = net.reshape(flat, net.constant(np.array([0, 2, bins, -1])))
    return net.transpose(parts, perm=(0, 3, 2, 1))


def _frame_length(window: Tensor | None, length: Tensor | None) -> int | None:
    """The number of elements of a frame, where it is known."""
    if length is not None:
        known = length.spec.constants()
        return None if known is None else known[0]
    size = None if window is None else window.shape[0]
    return size if isinstance(size, int) else None


@onnx_rule("ai.onnx::MelWeightMatrix", since=17)
def mel_weight_matrix(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    bins, length, rate, low, high = (node.input(index) for index in range(5))
    kind = DataType(node.integer("output_datatype", int(float32)))
    return net.mel_weight_matrix(bins, length, rate, low, high, output_datatype=kind)
