"""Convolutions and pools on CUDA, images with their channels last: our own kernels, and cuBLASLt for 1 x 1."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from enginewright.dims import Size, product
from enginewright.ops.channels_last import ChannelsLast, ImageToChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.ops.pool import AveragePool, GlobalAveragePool, MaxPool
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.epilogue import Epilogue
from enginewright.tactics.matmul_cuda import (
    ALGORITHMS,
    BULK_TILES,
    BULK_WAYS,
    SHARED_SUM,
    WAYS,
    WORKSPACE,
    Params,
    _lt_epilogue,
    _plain,
    bulk_epilogue,
    bulk_tile_fits,
)
from enginewright.tactics.rows import HALVES, is_narrow
from enginewright.tensors import TensorSpec

CONV_BULK_TILES = ((128, 64), (128, 128), (128, 256), (64, 64))
"""Places and output channels of cuda_conv_bulk's tiles, by number; with the last one blocks share a sum."""
CONV_BULK_WAYS = (*((tile, blocks) for tile in range(3) for blocks in (1, 2)), *((3, split) for split in (2, 4, 8)))
VECTOR = 8
"""Channels of 16 bits that a thread reads at once."""
Finish = Callable[[Epilogue], Params | str]


def _conv_of(op: ChannelsLast, x: TensorSpec, w: TensorSpec | None, *, depthwise: bool) -> Conv | str:
    """The convolution, if it is one of the kind asked for in 16 bits on a plane."""
    conv = op.anchor
    if not isinstance(conv, Conv) or w is None:
        return "is no convolution"
    if x.dtype not in HALVES or x.rank != 4 or not w.constant:
        return "needs 16-bit floats, two spatial axes and constant weights"
    if depthwise != (conv.group > 1):
        return "needs one group for each channel" if depthwise else "has groups"
    return conv


def _image_sizes(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> tuple[Size, ...]:
    """Batch, height, width, channels, output height and width."""
    output = op.infer(x, *others)
    return (*x.shape, *output.shape[1:3])


def _bias_fixed(finish: Finish, b: TensorSpec | None) -> Finish:
    """The same with the convolution's own bias, which leaves no room for another."""

    def joint(found: Epilogue) -> Params | str:
        if b is not None and found.bias is not None:
            return "there is a bias already"
        return finish(replace(found, bias=0) if b is not None else found)

    return joint


def _packed(w: TensorSpec, perm: tuple[int, ...]) -> Pack:
    nbytes = w.nbytes
    assert isinstance(nbytes, int)  # it is constant
    return Pack("cpu_transpose", nbytes, perm)


def _own_epilogue(found: Epilogue) -> Params | str:
    return found.params


def conv_nhwc(
    way: tuple[int, int], op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """A matrix product of patches that are never written out; the sum may be shared by blocks."""
    conv = _conv_of(op, x, w, depthwise=False)
    if isinstance(conv, str):
        return conv
    assert w is not None
    channels = x.shape[3]
    if not isinstance(channels, int) or (channels % VECTOR and channels != 4) or (channels == 4 and way[0]):
        return "channels are neither 4 nor a multiple of 8, or 4 with more than one tile"
    window = conv.window(channels_first(x), w)
    if not isinstance(window.kernel[1], int) or channels * window.kernel[1] % VECTOR:
        return "a window is no whole number of 16-byte vectors"
    sizes = _image_sizes(op, x, w, b)
    pairs = (*window.kernel, *window.strides, *window.begins, *window.dilations)
    params = (*sizes, w.shape[0], *pairs, *way)
    launch = Launch(params, pack={1: _packed(w, (0, 2, 3, 1))}, inputs=(0, 1) if b is None else (0, 1, 2))
    return _plain(launch, _bias_fixed(_own_epilogue, b), 2 if b is None else 3)


def _pointwise_conv(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None
) -> tuple[Conv, tuple[Size, Size, Size]] | str:
    """A 1 x 1 convolution in steps of 1 and its sizes as a product: places, output channels, channels."""
    conv = _conv_of(op, x, w, depthwise=False)
    if isinstance(conv, str):
        return conv
    assert w is not None
    window = conv.window(channels_first(x), w)
    plain = set(window.kernel) == {1} and set(window.strides) == {1} and {*window.begins, *window.ends} == {0}
    return (conv, (product(x.shape[:3]), w.shape[0], x.shape[3])) if plain else "is not 1 x 1 in steps of 1"


@tactic(ChannelsLast, kernel="cuda_matmul_cublaslt")
def conv_1x1_cublaslt(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """A 1 x 1 convolution is a matrix product of places by channels."""
    found = _pointwise_conv(op, x, w)
    if isinstance(found, str):
        return found
    launch = Launch((0, 1, 1, 1, 1, *found[1]), WORKSPACE, variants=ALGORITHMS)
    launch = replace(launch, inputs=(0, 1) if b is None else (0, 1, 2))
    return _plain(launch, _bias_fixed(lambda e: _lt_epilogue(e, 1.0, found[1]), b), 2 if b is None else 3)


def conv_1x1_gemm(
    way: tuple[int, int], op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """The same by our own kernel."""
    found = _pointwise_conv(op, x, w)
    if isinstance(found, str):
        return found
    if not isinstance(x.shape[3], int) or x.shape[3] % VECTOR:
        return "rows are not whole 16-byte vectors"
    launch = Launch((*found[1], 1, 1, *way), inputs=(0, 1) if b is None else (0, 1, 2))
    return _plain(launch, _bias_fixed(_own_epilogue, b), 2 if b is None else 3)


def conv_1x1_bulk(
    way: tuple[int, int], op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """The same by bulk copies."""
    found = _pointwise_conv(op, x, w)
    if isinstance(found, str):
        return found
    places, outputs, channels = found[1]
    if not isinstance(channels, int) or channels % VECTOR or not isinstance(outputs, int):
        return "rows are not whole 16-byte vectors"
    if reason := bulk_tile_fits(BULK_TILES[way[0]], way[1], way[0] >= SHARED_SUM, places, outputs):
        return reason
    launch = Launch((*found[1], 1, 1, *way), inputs=(0, 1) if b is None else (0, 1, 2))
    return _plain(launch, _bias_fixed(lambda e: bulk_epilogue(e, outputs), b), 2 if b is None else 3)


def conv_bulk(
    way: tuple[int, int], op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """A matrix product of patches that bulk copies collect."""
    conv = _conv_of(op, x, w, depthwise=False)
    if isinstance(conv, str):
        return conv
    assert w is not None
    channels, outputs = x.shape[3], w.shape[0]
    if not isinstance(channels, int) or channels % 64 or not isinstance(outputs, int) or outputs % VECTOR:
        return "channels do not come in 64s, or outputs in 8s"
    window = conv.window(channels_first(x), w)
    sizes = _image_sizes(op, x, w, b)
    if reason := bulk_tile_fits(CONV_BULK_TILES[way[0]], way[1], way[0] == 3, product((sizes[0], *sizes[4:])), outputs):
        return reason
    if any(not isinstance(number, int) or number > 100 for number in (*window.kernel, *window.begins, *window.ends)):
        return "the window is too large, or not known when building"
    pairs = (*window.kernel, *window.strides, *window.begins, *window.dilations)
    params = (*sizes, outputs, *pairs, *way)
    launch = Launch(params, pack={1: _packed(w, (0, 2, 3, 1))}, inputs=(0, 1) if b is None else (0, 1, 2))
    return _plain(launch, _bias_fixed(lambda e: bulk_epilogue(e, outputs), b), 2 if b is None else 3)


@tactic(ChannelsLast, kernel="cuda_conv_stem")
def conv_stem(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """The first convolution of a network, its patches read straight from the image."""
    conv = _conv_of(op, x, w, depthwise=False)
    if isinstance(conv, str):
        return conv
    assert w is not None
    window, outputs = conv.window(channels_first(x), w), w.shape[0]
    if x.shape[3] != 4 or window.kernel not in ((3, 4), (7, 8)) or set(window.dilations) != {1}:
        return "needs 4 channels and a window of 3 x 4 or 7 x 8"
    if not isinstance(outputs, int) or outputs % VECTOR or outputs > 64:
        return "needs up to 64 output channels in eights"

    def finish(found: Epilogue) -> Params | str:
        return "the kernel adds no residual" if found.residual is not None else bulk_epilogue(found, outputs)

    pairs = (*window.kernel, *window.strides, *window.begins, *window.dilations)
    params = (*_image_sizes(op, x, w, b), outputs, *pairs, 0, 1)
    launch = Launch(params, pack={1: _packed(w, (0, 2, 3, 1))}, inputs=(0, 1) if b is None else (0, 1, 2))
    return _plain(launch, _bias_fixed(finish, b), 2 if b is None else 3)


def _depthwise(op: ChannelsLast, x: TensorSpec, w: TensorSpec | None, b: TensorSpec | None) -> Launch | str:
    conv = _conv_of(op, x, w, depthwise=True)
    if isinstance(conv, str):
        return conv
    assert w is not None
    window = conv.window(channels_first(x), w)
    kernel, stride = set(window.kernel), set(window.strides)
    if len(kernel) > 1 or not kernel <= {3, 5, 7} or len(stride) > 1 or not stride <= {1, 2}:
        return "needs a square window of 3, 5 or 7 in steps of 1 or 2"
    if set(window.dilations) != {1} or not isinstance(x.shape[3], int) or x.shape[3] % VECTOR:
        return "needs no dilation and channels in whole 16-byte vectors"

    def finish(found: Epilogue) -> Params | str:
        if found.residual is not None:
            return "the kernel adds no residual"
        return (found.activation, found.low, found.high, int(found.bias is not None))

    params = (*_image_sizes(op, x, w, b), window.kernel[0], window.strides[0], *window.begins)
    launch = Launch(params, pack={1: _packed(w, (2, 3, 0, 1))}, inputs=(0, 1) if b is None else (0, 1, 2))
    return _plain(launch, _bias_fixed(finish, b), 2 if b is None else 3)


@tactic(ChannelsLast, kernel="cuda_depthwise_nhwc")
def depthwise_nhwc(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Neighbouring channels in vectors, each at several places of a row."""
    return _depthwise(op, x, w, b)


@tactic(ChannelsLast, kernel="cuda_depthwise_bulk")
def depthwise_bulk(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """Tiles of an image, each brought by one copy."""
    launch = _depthwise(op, x, w, b)
    return launch if isinstance(launch, str) or launch.params[6] == 3 else "needs a window of 3"


@tactic(ChannelsLast, kernel="cuda_pool_nhwc")
def pool_nhwc(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The largest element or the mean of each window."""
    pool = op.anchor
    if not isinstance(pool, MaxPool | AveragePool) or x.rank != 4:
        return "is no pool over a plane"
    if not is_narrow(x) or not isinstance(x.shape[3], int) or x.shape[3] % VECTOR:
        return "needs floats and channels in whole 16-byte vectors"
    window = pool.resolve(channels_first(x).shape[2:], pool.kernel_shape)
    axes = zip(window.kernel, window.strides, window.dilations, window.begins, window.ends, strict=True)
    kind = int(isinstance(pool, AveragePool)), int(isinstance(pool, AveragePool) and pool.count_include_pad)
    return Launch((*_image_sizes(op, x), *(number for axis in axes for number in axis), *kind))


@tactic(ChannelsLast, kernel="cuda_reduction")
def global_mean_nhwc(op: ChannelsLast, x: TensorSpec, *others: TensorSpec | None) -> Launch | str:
    """The mean over all places, channels side by side."""
    if not isinstance(op.anchor, GlobalAveragePool) or not is_narrow(x):
        return "is no global mean of floats"
    return Launch((x.shape[0], product(x.shape[1:-1]), x.shape[-1], 1))


@tactic(ImageToChannelsLast, kernel="cuda_nchw_to_nhwc")
def image_to_channels_last(op: ImageToChannelsLast, x: TensorSpec) -> Launch | str:
    """A thread for each place."""
    if not is_narrow(x) or op.to not in HALVES or op.channels not in (4, 8):
        return "needs floats, and 4 or 8 channels of 16 bits"
    return Launch((x.shape[0], x.shape[1], product(x.shape[2:]), op.channels))


def _named(function: Any, way: tuple[int, int]) -> Any:
    made = functools.partial(function, way)
    made.__name__ = f"{function.__name__}_tile{way[0]}_split{way[1]}"  # type: ignore[attr-defined]
    made.__module__ = __name__
    return made


for _way in WAYS:
    tactic(ChannelsLast, kernel="cuda_conv_nhwc")(_named(conv_nhwc, _way))
    tactic(ChannelsLast, kernel="cuda_gemm")(_named(conv_1x1_gemm, _way))

for _way in BULK_WAYS:
    tactic(ChannelsLast, kernel="cuda_gemm_bulk")(_named(conv_1x1_bulk, _way))
for _way in CONV_BULK_WAYS:
    tactic(ChannelsLast, kernel="cuda_conv_bulk")(_named(conv_bulk, _way))
