"""Data set out in other ways: DepthToSpace, SpaceToDepth, Trilu, ReverseSequence, CenterCropPad, Col2Im."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Dim, Size, dim_less, dim_select, evaluate, product, same
from enginewright.errors import DataTypeError, InputError, NetworkError, ShapeError
from enginewright.ops.contents import constants_of, dense, is_unknown, sizes_of
from enginewright.ops.element_types import FLOATS, check_type, widen
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    DataType,
    Shape,
    TensorSpec,
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
    normalize_axis,
)

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def _check_image(x: TensorSpec, blocksize: int, mode: str) -> None:
    if x.rank != 4 or blocksize < 1:
        raise ShapeError(f"{x.rank} axes and blocks of {blocksize}", hint="Give [N, C, H, W] and a blocksize above 0.")
    if mode not in ("DCR", "CRD"):
        raise NetworkError(f"mode is {mode!r}", hint='Use "DCR" or "CRD".')


def _rearranged(op: DepthToSpace | SpaceToDepth, x: Array) -> Array:
    seen, order = op.steps(x.shape)
    out = op.infer(TensorSpec(DataType.of(x), x.shape)).shape
    return dense(x.reshape(seen).transpose(order)).reshape(out)  # type: ignore[arg-type]


@operator("ew::DepthToSpace")
class DepthToSpace:
    """Channels of x [N, C, H, W] set out as squares of `blocksize`: [N, C / b², H b, W b].

    `mode` "DCR": the place in the square is the slower part of the channel; "CRD": the faster.
    """

    blocksize: int
    mode: str = "DCR"

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The channels must be a multiple of the blocksize squared."""
        _check_image(x, self.blocksize, self.mode)
        n, c, h, w = x.shape
        b = self.blocksize
        same(c // (b * b) * (b * b), c)
        return TensorSpec(x.dtype, (n, c // (b * b), h * b, w * b))

    def steps(self, shape: Shape) -> tuple[Shape, tuple[int, ...]]:
        """The shape in which x is seen, and the order of its axes."""
        n, c, h, w = shape
        b, channels = self.blocksize, c // (self.blocksize * self.blocksize)
        if self.mode == "DCR":
            return (n, b, b, channels, h, w), (0, 3, 4, 1, 5, 2)
        return (n, channels, b, b, h, w), (0, 1, 4, 2, 5, 3)

    def reference(self, x: Array) -> Array:
        """Reshape, transpose, reshape."""
        return _rearranged(self, x)

    @staticmethod
    def examples() -> Iterator[tuple[DepthToSpace, list[TensorSpec]]]:
        """Both modes, several sizes and types."""
        for mode in ("DCR", "CRD"):
            for b, shape in [(2, (1, 8, 2, 3)), (3, (2, 9, 1, 5)), (1, (1, 2, 3, 4)), (2, (2, 12, 9, 17))]:
                yield DepthToSpace(b, mode), [TensorSpec(float32, shape)]
            yield DepthToSpace(2, mode), [TensorSpec(float16, (1, 4, 3, 3))]


@operator("ew::SpaceToDepth")
class SpaceToDepth:
    """Squares of `blocksize` of x [N, C, H, W] set out as channels: [N, C b², H / b, W / b].

    `mode` "DCR": the place in the square is the slower part of the channel; "CRD": the faster.
    """

    blocksize: int
    mode: str = "DCR"

    def infer(self, x: TensorSpec) -> TensorSpec:
        """Height and width must be multiples of the blocksize."""
        _check_image(x, self.blocksize, self.mode)
        n, c, h, w = x.shape
        b = self.blocksize
        for size in (h, w):
            same(size // b * b, size)
        return TensorSpec(x.dtype, (n, c * (b * b), h // b, w // b))

    def steps(self, shape: Shape) -> tuple[Shape, tuple[int, ...]]:
        """The shape in which x is seen, and the order of its axes."""
        n, c, h, w = shape
        b = self.blocksize
        return (n, c, h // b, b, w // b, b), (0, 3, 5, 1, 2, 4) if self.mode == "DCR" else (0, 1, 3, 5, 2, 4)

    def reference(self, x: Array) -> Array:
        """Reshape, transpose, reshape."""
        return _rearranged(self, x)

    @staticmethod
    def examples() -> Iterator[tuple[SpaceToDepth, list[TensorSpec]]]:
        """Both modes, several sizes and types."""
        for mode in ("DCR", "CRD"):
            for b, shape in [(2, (1, 2, 4, 6)), (3, (2, 1, 3, 9)), (1, (1, 2, 3, 4)), (2, (2, 3, 18, 34))]:
                yield SpaceToDepth(b, mode), [TensorSpec(float32, shape)]
            yield SpaceToDepth(2, mode), [TensorSpec(float16, (1, 3, 4, 4))]


@operator("ew::Trilu")
class Trilu:
    """The upper or lower triangle of each matrix of `x`, from diagonal `k` (0; above it if positive); else zeros."""

    upper: bool = True

    def infer(self, x: TensorSpec, k: TensorSpec | None = None) -> TensorSpec:
        """The shape and type of x."""
        if x.rank < 2:
            raise ShapeError(f"x has {x.rank} axes", hint="Give at least 2.")
        if k is not None and k.size != 1:
            raise ShapeError(f"k has {k.size} elements", hint="Give one.")
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array, k: Array | None = None) -> Array:
        """numpy.triu and numpy.tril."""
        diagonal = 0 if k is None else int(k.reshape(()))
        rows, columns = np.indices(x.shape[-2:])
        kept = columns - rows >= diagonal if self.upper else columns - rows <= diagonal
        return np.where(kept, x, np.zeros((), x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[Trilu, list[TensorSpec | Array | None]]]:
        """Both triangles, each diagonal, outside; batches; every width of element."""
        for upper in (True, False):
            for k in (None, 0, 1, -2, 9, -9):
                yield Trilu(upper), [TensorSpec(float32, (2, 4, 5)), None if k is None else np.array(k, np.int64)]
            for dtype in (bool_, float16, int64, float64):
                yield Trilu(upper), [TensorSpec(dtype, (5, 3)), np.array([1], np.int64)]
        yield Trilu(), [TensorSpec(float32, (0, 3)), None]


@operator("ew::ReverseSequence")
class ReverseSequence:
    """For each batch the first sequence_lens[batch] elements along `time_axis` backwards, the others as they are."""

    batch_axis: int = 1
    time_axis: int = 0

    def infer(self, x: TensorSpec, sequence_lens: TensorSpec) -> TensorSpec:
        """The shape and type of x; one of the two axes is the first, the other the second."""
        check_type(sequence_lens, (int64,), "sequence_lens")
        if x.rank < 2 or {self.batch_axis, self.time_axis} != {0, 1} or sequence_lens.rank != 1:
            raise ShapeError(
                f"axes {self.batch_axis} and {self.time_axis} of {x.rank}", hint="Use axes 0 and 1, one length a batch."
            )
        same(sequence_lens.shape[0], x.shape[self.batch_axis])
        return TensorSpec(x.dtype, x.shape)

    def reference(self, x: Array, sequence_lens: Array) -> Array:
        """Batch by batch."""
        batches = x.swapaxes(0, 1) if self.batch_axis == 1 else x
        found = batches.copy()
        for batch, length in enumerate(sequence_lens):
            if not 0 <= length <= x.shape[self.time_axis]:
                raise InputError(f"length {length}", hint=f"Allowed are 0 to {x.shape[self.time_axis]}.")
            found[batch, :length] = batches[batch, :length][::-1]
        return dense(found.swapaxes(0, 1) if self.batch_axis == 1 else found)

    @staticmethod
    def examples() -> Iterator[tuple[ReverseSequence, list[TensorSpec | Array]]]:
        """Both orders of axes, short and whole lengths; every width of element."""
        lengths = np.array([4, 1, 2], np.int64)
        yield ReverseSequence(), [TensorSpec(float32, (4, 3)), lengths]
        yield ReverseSequence(0, 1), [TensorSpec(float32, (3, 4)), lengths]
        yield ReverseSequence(0, 1), [TensorSpec(float32, (3, 6, 2, 5)), lengths]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield ReverseSequence(), [TensorSpec(dtype, (5, 3, 2)), lengths]


@operator("ew::CenterCropPad")
class CenterCropPad:
    """`x` cut or padded with zeros to the sizes `shape` of `axes` (all if left out); the middle stays in the middle."""

    axes: tuple[int, ...] | None = None

    def infer(self, x: TensorSpec, shape: TensorSpec) -> TensorSpec:
        """The sizes wanted."""
        begins, ends = self.amounts(x, shape)
        sizes = tuple(size + begin + end for size, begin, end in zip(x.shape, begins, ends, strict=True))
        return TensorSpec(x.dtype, sizes)

    def amounts(self, x: TensorSpec, shape: TensorSpec) -> tuple[list[Size], list[Size]]:
        """What is added at the beginning and end of each axis; negative where something is cut."""
        axes, wanted = range(x.rank) if self.axes is None else self.axes, sizes_of(shape, "shape")
        if len(axes) != len(wanted):
            raise ShapeError(f"{len(wanted)} sizes for {len(axes)} axes", hint="Give one size an axis.")
        begins: list[Size] = [0] * x.rank
        ends: list[Size] = [0] * x.rank
        for given, size in zip(axes, wanted, strict=True):
            axis = normalize_axis(given, x.rank)
            more = size - x.shape[axis]
            begins[axis] = dim_select(dim_less(more, 0), -((-more) // 2), more // 2)
            ends[axis] = more - begins[axis]
        return begins, ends

    def reference(self, x: Array, shape: Array) -> Array:
        """Slices of the input and of the output."""
        spec = TensorSpec(DataType.of(x), x.shape)
        known = TensorSpec(int64, shape.shape, tuple(shape.tolist()))
        found = np.zeros([evaluate(size, {}) for size in self.infer(spec, known).shape], x.dtype)
        begins = [evaluate(begin, {}) for begin in self.amounts(spec, known)[0]]
        source = tuple(
            slice(max(-b, 0), max(-b, 0) + min(n, m)) for b, n, m in zip(begins, x.shape, found.shape, strict=True)
        )
        target = tuple(
            slice(max(b, 0), max(b, 0) + min(n, m)) for b, n, m in zip(begins, x.shape, found.shape, strict=True)
        )
        found[target] = x[source]
        return found

    @staticmethod
    def examples() -> Iterator[tuple[CenterCropPad, list[TensorSpec | Array]]]:
        """Cut, padded, both, odd differences; some axes."""
        for axes, shape, wanted in [
            (None, (20, 7), [10, 8]),
            (None, (5, 6), [8, 3]),
            ((1,), (3, 8, 4), [5]),
            ((-1, 0), (3, 8, 4), [7, 2]),
        ]:
            yield CenterCropPad(axes), [TensorSpec(float32, shape), np.array(wanted, np.int64)]
        yield CenterCropPad(), [TensorSpec(int32, (4, 4)), np.array([3, 9], np.int64)]


@operator("ew::Col2Im")
class Col2Im:
    """Columns [N, C * product(block_shape), L] added up as the blocks of an image [N, C, *image_shape].

    `dilations`, `pads` (beginnings, then ends) and `strides` say, as for a convolution, where the blocks lie.
    """

    dilations: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()

    def infer(self, x: TensorSpec, image_shape: TensorSpec, block_shape: TensorSpec) -> TensorSpec:
        """L is the number of blocks that fit; where the block is read at run time, the channels are found then."""
        check_type(x, FLOATS, "x")
        sizes = sizes_of(image_shape, "image_shape")
        if is_unknown(block_shape):
            return TensorSpec(x.dtype, (x.shape[0], Dim.data(x.shape[1]), *sizes))
        block = constants_of(block_shape, "block_shape")
        if x.rank != 3 or len(sizes) != len(block):
            raise ShapeError(f"{x.rank} axes, {len(sizes)} and {len(block)} sizes", hint="Give [N, C * block, L].")
        blocks = [
            (size + pad - reach) // stride + 1
            for size, (reach, stride, pad) in zip(sizes, self.grid(block), strict=True)
        ]
        same(product(blocks), x.shape[2])
        same(x.shape[1] // product(block) * product(block), x.shape[1])
        return TensorSpec(x.dtype, (x.shape[0], x.shape[1] // product(block), *sizes))

    def grid(self, block: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """For each axis: the reach of a block, the stride, and both pads added up."""
        rank = len(block)
        dilations, strides, pads = (
            self.dilations or (1,) * rank,
            self.strides or (1,) * rank,
            self.pads or (0,) * 2 * rank,
        )
        if not len(dilations) == len(strides) == rank == len(pads) // 2:
            raise DataTypeError("dilations, strides and pads do not fit the block", hint="Give one number an axis.")
        return [
            (dilation * (size - 1) + 1, stride, pads[i] + pads[i + rank])
            for i, (dilation, size, stride) in enumerate(zip(dilations, block, strides, strict=True))
        ]

    def reference(self, x: Array, image_shape: Array, block_shape: Array) -> Array:
        """Each element of the block in turn, all blocks at once; in float32 at least."""
        sizes, block = tuple(int(s) for s in image_shape), tuple(int(s) for s in block_shape)
        rank = len(sizes)
        grid, dilations, pads = self.grid(block), self.dilations or (1,) * rank, self.pads or (0,) * 2 * rank
        counts = [(size + pad - reach) // stride + 1 for size, (reach, stride, pad) in zip(sizes, grid, strict=True)]
        channels = x.shape[1] // int(np.prod(block))
        parts = widen(x).reshape(len(x), channels, *block, *counts)
        padded = np.zeros((len(x), channels, *(s + g[2] for s, g in zip(sizes, grid, strict=True))), parts.dtype)
        for place in itertools.product(*(range(size) for size in block)):
            first = [i * d for i, d in zip(place, dilations, strict=True)]
            index = tuple(slice(f, f + g[1] * (n - 1) + 1, g[1]) for f, g, n in zip(first, grid, counts, strict=True))
            part: tuple[Any, ...] = (slice(None), slice(None), *place)
            padded[(slice(None), slice(None), *index)] += parts[part]
        inside = tuple(slice(pads[i], pads[i] + size) for i, size in enumerate(sizes))
        return dense(padded[(slice(None), slice(None), *inside)]).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[Col2Im, list[TensorSpec | Array]]]:
        """Apart, overlapping, dilated, padded; two and three axes."""
        yield Col2Im(), [TensorSpec(float32, (1, 5, 5)), np.array([5, 5]), np.array([1, 5])]
        yield Col2Im(), [TensorSpec(float32, (2, 12, 12)), np.array([4, 5]), np.array([2, 2])]
        yield Col2Im(strides=(2, 2)), [TensorSpec(float32, (1, 9, 4)), np.array([5, 5]), np.array([3, 3])]
        yield Col2Im(pads=(0, 1, 0, 1)), [TensorSpec(float32, (1, 5, 15)), np.array([5, 5]), np.array([1, 5])]
        yield Col2Im(dilations=(1, 5)), [TensorSpec(float32, (1, 4, 5)), np.array([6, 6]), np.array([2, 2])]
        yield Col2Im(), [TensorSpec(float32, (1, 8, 27)), np.array([4, 4, 4]), np.array([2, 2, 2])]


@onnx_rule("ai.onnx::DepthToSpace", since=1)
def depth_to_space(net: Network, node: OnnxNode) -> Tensor:
    """The mode from 11 on."""
    return net.depth_to_space(node.input(0), blocksize=node.integer("blocksize"), mode=node.text("mode", "DCR"))


@onnx_rule("ai.onnx::SpaceToDepth", since=1)
def space_to_depth(net: Network, node: OnnxNode) -> Tensor:
    """The mode from 28 on."""
    return net.space_to_depth(node.input(0), blocksize=node.integer("blocksize"), mode=node.text("mode", "DCR"))


@onnx_rule("ai.onnx::Trilu", since=14)
@onnx_rule("com.microsoft::Trilu", since=1)
def trilu(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.trilu(node.input(0), node.optional(1), upper=bool(node.integer("upper", 1)))


@onnx_rule("ai.onnx::ReverseSequence", since=10)
def reverse_sequence(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    batch, time = node.integer("batch_axis", 1), node.integer("time_axis", 0)
    return net.reverse_sequence(node.input(0), node.input(1), batch_axis=batch, time_axis=time)


@onnx_rule("ai.onnx::CenterCropPad", since=18)
def center_crop_pad(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    axes = node.integers("axes") if node.has("axes") else None
    return net.center_crop_pad(node.input(0), node.input(1), axes=axes)


@onnx_rule("ai.onnx::Col2Im", since=18)
def col2im(net: Network, node: OnnxNode) -> Tensor:
    """A transposed convolution where the shapes are known, as blocks that overlap are added up there natively."""
    dilations, pads, strides = (node.integers(name, ()) for name in ("dilations", "pads", "strides"))
    x, image, block = (node.input(index) for index in range(3))
    op = Col2Im(dilations, pads, strides)
    sizes, kernel = image.spec.constants(), block.spec.constants()
    if x.dtype is not float32 or sizes is None or kernel is None or not isinstance(x.shape[1], int):
        found: Tensor = net.add(op, x, image, block)[0]
        return found
    op.infer(x.spec, image.spec, block.spec)  # checks that they fit
    return _added_up(net, op, x, sizes, kernel)


def _added_up(net: Network, op: Col2Im, x: Tensor, sizes: tuple[int, ...], block: tuple[int, ...]) -> Tensor:
    """Each channel by itself, with a kernel for each element of the block that puts it in its place."""
    count, channels = int(np.prod(block)), x.shape[1]
    assert isinstance(channels, int)
    grid = op.grid(block)
    rooms = [size + pad - reach for size, (reach, _, pad) in zip(sizes, grid, strict=True)]
    blocks = [room // stride + 1 for room, (_, stride, _) in zip(rooms, grid, strict=True)]
    kernels = np.tile(
        np.eye(count, dtype=np.float32).reshape(count, 1, *block), (channels // count, *[1] * (len(block) + 1))
    )
    return net.conv_transpose(
        net.reshape(x, net.constant(np.array([0, channels, *blocks]))),
        net.constant(kernels),
        stride=op.strides or 1,
        padding=op.pads or 0,
        dilation=op.dilations or 1,
        group=channels // count,
        output_padding=tuple(room % stride for room, (_, stride, _) in zip(rooms, grid, strict=True)),
    )
