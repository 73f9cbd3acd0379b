"""Sees a tensor as elements of another at fixed distances: through reshapes, transposes, splits and picked entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from enginewright.dims import Size, floor_div
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.shape import Reshape, ShapeValue
from enginewright.tensors import int64, normalize_axis

Strides = tuple[Size, ...]


@dataclass(frozen=True)
class Strided:
    """Where the elements of a tensor lie in `base`: the first at `offset`, neighbours along an axis `strides` apart."""

    base: Tensor
    offset: Size
    strides: Strides


def dense(shape: Sequence[Size]) -> Strides:
    """The strides of a tensor whose last axis is contiguous and that has no gaps."""
    strides: list[Size] = []
    step: Size = 1
    for size in reversed(shape):
        strides.append(step)
        step = step * size
    return tuple(reversed(strides))


def alike(shape: Sequence[Size], a: Strides, b: Strides) -> bool:
    """Whether two strides reach the same elements: those of axes with one entry do not matter."""
    return all(size == 1 or left == right for size, left, right in zip(shape, a, b, strict=True))


def strided(tensor: Tensor, strides_of: dict[Tensor, Strides] | None = None) -> Strided:
    """The tensor as elements of the farthest one that it can be seen in; itself at worst.

    `strides_of`: bases to stop at, which are taken to lie in memory like this.
    """
    chain: list[Tensor] = [tensor]
    known = strides_of or {}
    while chain[-1] not in known and (layer := chain[-1].producer) is not None and layer.kind in _MOVES:
        source = layer.inputs[0]
        if source is None or source.const is not None:
            break
        chain.append(source)
    for start in reversed(range(1, len(chain))):
        base = chain[start]
        found = _seen(chain[:start], base, known.get(base, dense(base.shape)))
        if found is not None:
            return found
    return Strided(tensor, 0, known.get(tensor, dense(tensor.shape)))


def _seen(chain: list[Tensor], base: Tensor, strides: Strides) -> Strided | None:
    """The first of a chain of results, the last one made of `base`, as elements of it."""
    axes = tuple(((size, stride),) for size, stride in zip(base.shape, strides, strict=True))
    layout: Layout | None = Layout(0, axes)
    for result in reversed(chain):
        maker = result.producer
        assert maker is not None
        layout = None if layout is None else _MOVES[maker.kind](maker, result, layout)
    joined = [] if layout is None else [_joined(axis) for axis in layout.axes]
    if layout is None or any(len(axis) > 1 for axis in joined):
        return None
    return Strided(base, layout.offset, tuple(axis[0][1] if axis else 1 for axis in joined))


def reshaped(network: Network, tensor: Tensor, shape: Sequence[Size]) -> Tensor:
    """The tensor in another shape of as many elements."""
    sizes = tuple(shape)
    if sizes == tensor.shape:
        return tensor
    unknown = sum(not isinstance(size, int) for size in sizes)
    if unknown == 0 or (unknown == 1 and 0 not in sizes):
        given = network.constant(np.array([size if isinstance(size, int) else -1 for size in sizes], np.int64))
    else:
        (given,) = network.add(ShapeValue(sizes, int64, (len(sizes),)))
    return network.add(Reshape(allowzero=True), tensor, given)[0]


# ---- what layers do to a layout ------------------------------------------------------------------------------------

Axis = tuple[tuple[Size, Size], ...]


@dataclass(frozen=True)
class Layout:
    """An offset and, for each axis, the (size, stride) that it is made of: several where such were joined."""

    offset: Size
    axes: tuple[Axis, ...]


def _joined(axis: Axis) -> Axis:
    """Neighbours that are contiguous as one, those with one entry left out."""
    parts: list[tuple[Size, Size]] = []
    for size, stride in axis:
        if size == 1:
            continue
        if parts and parts[-1][1] == size * stride:
            parts[-1] = (parts[-1][0] * size, stride)
        else:
            parts.append((size, stride))
    return tuple(parts)


def _transposed(layer: Layer, _result: Tensor, found: Layout) -> Layout:
    rank = len(found.axes)
    perm = layer.op.perm if layer.op.perm is not None else tuple(reversed(range(rank)))
    return replace(found, axes=tuple(found.axes[axis % rank] for axis in perm))


def _reshaped(_layer: Layer, result: Tensor, found: Layout) -> Layout | None:
    rest = list(_joined(tuple(part for axis in found.axes for part in axis)))
    axes: list[Axis] = []
    for size in reversed(result.shape):
        axis = _taken(rest, size)
        if axis is None:
            return None
        axes.append(axis)
    return None if rest else replace(found, axes=tuple(reversed(axes)))


def _taken(rest: list[tuple[Size, Size]], size: Size) -> Axis | None:
    """The last parts, which are removed, that make an axis of this size; None where that is 0 or does not divide."""
    axis: list[tuple[Size, Size]] = []
    while size != 1:
        if not rest or size == 0:
            return None
        whole, stride = rest.pop()
        inner = size if floor_div(whole, size) * size == whole else whole
        outer, size = floor_div(whole, inner), floor_div(size, inner) if floor_div(size, inner) * inner == size else 0
        if size == 0:
            return None
        if outer != 1:
            rest.append((outer, stride * inner))
        axis.insert(0, (inner, stride))
    return tuple(axis)


def _cut(layer: Layer, result: Tensor, found: Layout) -> Layout | None:
    axis = normalize_axis(layer.op.axis, result.rank)
    stride = _stride(found.axes[axis])
    before: Size = 0
    for part in layer.outputs[: layer.outputs.index(result)]:
        before = before + part.shape[axis]
    if stride is None:
        return None
    part_axis: Axis = ((result.shape[axis], stride),)
    return Layout(found.offset + before * stride, (*found.axes[:axis], part_axis, *found.axes[axis + 1 :]))


def _picked(layer: Layer, _result: Tensor, found: Layout) -> Layout | None:
    """One entry of an axis."""
    source, index = layer.inputs[:2]
    assert source is not None
    if index is None or index.const is None or index.rank:
        return None
    axis = normalize_axis(layer.op.axis, source.rank)
    stride, at = _stride(found.axes[axis]), int(index.const)
    if stride is None:
        return None
    offset = found.offset + (at if at >= 0 else source.shape[axis] + at) * stride
    return Layout(offset, (*found.axes[:axis], *found.axes[axis + 1 :]))


def _stride(axis: Axis) -> Size | None:
    """The distance of neighbours, None where there are several."""
    joined = _joined(axis)
    return (joined[0][1] if joined else 1) if len(joined) < 2 else None


_MOVES: dict[str, Callable[[Layer, Tensor, Layout], Layout | None]] = {
    "Transpose": _transposed,
    "Reshape": _reshaped,
    "Flatten": _reshaped,
    "Squeeze": _reshaped,
    "Unsqueeze": _reshaped,
    "Split": _cut,
    "Gather": _picked,
}
"""Layers whose outputs are elements of input 0, and how their layout follows from its."""
