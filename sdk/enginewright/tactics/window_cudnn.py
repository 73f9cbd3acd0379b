"""Convolutions on CUDA by cuDNN, beside our own kernels: 16 bits with channels last, float32 with channels first."""

from __future__ import annotations

import functools
from dataclasses import replace

from enginewright.device.cuda import library_file
from enginewright.dims import Size
from enginewright.ops.channels_last import ChannelsLast, channels_first
from enginewright.ops.conv import Conv
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.epilogue import NONE, RELU, Epilogue
from enginewright.tactics.matmul_cuda import HALVES, WORKSPACE, Params, fusing
from enginewright.tensors import TensorSpec, float32

ENGINES = 2
"""Of those that the library proposes first, each a candidate."""
VECTOR = 8
ACTIVATIONS = {NONE: 0, RELU: 1}


@functools.cache
def missing() -> str:
    """Why cuDNN cannot be used here; empty where it is found."""
    return "" if library_file("libcudnn.so", (9,)) else "cuDNN 9 is not found: install nvidia-cudnn-cu13"


def _params(op: Conv, last: int, x: TensorSpec, w: TensorSpec) -> Params | str:
    """What the kernel is told before the epilogue, of x with its channels first."""
    if reason := missing():
        return reason
    if x.rank != 4:
        return "needs two spatial axes"
    window, output = op.window(x, w), op.infer(x, w).shape
    pairs = (*window.kernel, *window.strides, *window.begins, *window.ends, *window.dilations)
    sizes: tuple[Size, ...] = (x.shape[0], *x.shape[2:], x.shape[1], *output[2:], w.shape[0], op.group, *pairs)
    if any(not isinstance(size, int) for size in sizes):
        return "sizes are not known when building"
    return last, *sizes


def _finished(params: Params, found: Epilogue) -> Params | str:
    """The params with those of an epilogue behind them."""
    if found.activation not in ACTIVATIONS:
        return "cuDNN is asked for no such activation"
    given = int(found.bias is not None), int(found.residual is not None)
    return (*params, ACTIVATIONS[found.activation], int(found.activate_first), *given)


@tactic(ChannelsLast, kernel="cuda_conv_cudnn")
def conv_cudnn_nhwc(
    op: ChannelsLast, x: TensorSpec, w: TensorSpec | None = None, b: TensorSpec | None = None
) -> Launch | str:
    """What cuDNN's heuristics propose, with bias, residual and Relu in the same kernel."""
    if not isinstance(op.anchor, Conv) or w is None:
        return "is no convolution"
    if x.dtype not in HALVES or not w.constant or op.anchor.group != 1:
        return "needs 16-bit floats, constant weights and one group"
    if any(not isinstance(size, int) or size % VECTOR for size in (x.shape[-1], w.shape[0])):
        return "channels are no multiple of 8"
    params = _params(op.anchor, 1, channels_first(x), w)
    if isinstance(params, str):
        return params
    nbytes = w.nbytes
    assert isinstance(nbytes, int)  # it is constant
    given = (0, 1) if b is None else (0, 1, 2)
    launch = Launch((), WORKSPACE, {1: Pack("cpu_transpose", nbytes, (0, 2, 3, 1))}, given, variants=ENGINES)

    def finish(found: Epilogue) -> Params | str:
        if b is not None and found.bias is not None:
            return "there is a bias already"
        return _finished(params, replace(found, bias=0) if b is not None else found)

    plain = finish(Epilogue())
    assert not isinstance(plain, str)
    return replace(launch, params=plain, epilogue=fusing(launch, finish, len(given)))


@tactic(Conv, kernel="cuda_conv_cudnn")
def conv_cudnn_nchw(op: Conv, x: TensorSpec, w: TensorSpec, b: TensorSpec | None = None) -> Launch | str:
    """The same in float32, without TF32; what is fused behind it runs by itself."""
    if x.dtype is not float32:
        return "needs float32"
    params = _params(op, 0, x, w)
    if isinstance(params, str):
        return params
    found = _finished(params, Epilogue(bias=None if b is None else 0))
    assert not isinstance(found, str)
    return Launch(found, WORKSPACE, inputs=(0, 1) if b is None else (0, 1, 2), variants=ENGINES)
