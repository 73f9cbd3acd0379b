"""cuDNN as a tactic: what it is offered, why it is not, and on a GPU that it gives what references give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from enginewright.compiler.candidates import candidates
from enginewright.compiler.choice import Choice
from enginewright.dims import Dim
from enginewright.graph.network import Layer, Network
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.pointwise import Builder, Fused, PointwiseProgram
from enginewright.registry.registry import Launch
from enginewright.tactics import window_cudnn
from enginewright.tactics.window_cudnn import conv_cudnn_nchw, conv_cudnn_nhwc
from enginewright.tensors import DataType, TensorSpec, bfloat16, float16, float32
from tests.sdk.tactics.one_step import OneLayer, arrays_of, assert_close

IMAGE, WEIGHT = TensorSpec(float16, (2, 9, 11, 16)), TensorSpec(float16, (24, 16, 3, 3), constant=True)
CONVOLUTIONS = [
    (Conv(padding=1), (2, 17, 19, 64), (72, 64, 3, 3)),
    (Conv(padding=1, stride=2), (1, 21, 14, 128), (136, 128, 3, 3)),
    (Conv(stride=2), (3, 9, 9, 64), (64, 64, 1, 1)),
    (Conv(padding=2, dilation=2), (1, 12, 13, 64), (64, 64, 3, 5)),
    (Conv(), (5, 30, 30, 24), (144, 24, 1, 1)),
]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with cuDNN, as far as the tactics can tell."""
    window_cudnn.missing.cache_clear()
    monkeypatch.setattr(window_cudnn, "library_file", lambda name, versions: f"{name}.{versions[0]}")
    yield
    window_cudnn.missing.cache_clear()


@pytest.mark.usefixtures("found")
def test_sizes_and_epilogue_are_the_kernels_params() -> None:
    launch = conv_cudnn_nhwc(ChannelsLast(Conv(padding=1, stride=2)), IMAGE, WEIGHT)
    assert isinstance(launch, Launch)
    window = (3, 3, 2, 2, 1, 1, 1, 1, 1, 1)
    assert launch.params == (1, 2, 9, 11, 16, 5, 6, 24, 1, *window, 0, 0, 0, 0)
    assert launch.epilogue is not None
    p = Builder(float16, float16)
    program = p.finish(p.max(p.add(p.inputs[0], p.inputs[1]), p.constant(float16, 0)))
    fused = launch.epilogue(program, [TensorSpec(float16, (24,))], TensorSpec(float16, (2, 5, 6, 24)))
    assert isinstance(fused, Launch)
    assert (fused.params[-4:], fused.inputs) == ((1, 0, 1, 0), (0, 1, 2))
    tanh = p.finish(p.apply("tanh", p.inputs[0]))
    assert launch.epilogue(tanh, [TensorSpec(float16, (24,))], IMAGE) == "cuDNN is asked for no such activation"


@pytest.mark.usefixtures("found")
def test_what_it_does_not_take() -> None:
    conv = ChannelsLast(Conv(padding=1))
    few = replace(IMAGE, shape=(2, 9, 11, 4)), replace(WEIGHT, shape=(24, 4, 3, 3))
    assert conv_cudnn_nhwc(conv, *few) == "channels are no multiple of 8"
    assert "16-bit floats" in str(conv_cudnn_nhwc(conv, replace(IMAGE, dtype=float32), replace(WEIGHT, dtype=float32)))
    dynamic = replace(IMAGE, shape=(Dim("n"), 9, 11, 16))
    assert conv_cudnn_nhwc(conv, dynamic, WEIGHT) == "sizes are not known when building"
    assert conv_cudnn_nchw(Conv(), replace(IMAGE, shape=(2, 16, 9, 11)), WEIGHT) == "needs float32"
    line = TensorSpec(float32, (2, 3, 9)), TensorSpec(float32, (4, 3, 3))
    assert conv_cudnn_nchw(Conv(), *line) == "needs two spatial axes"


@pytest.mark.usefixtures("found")
def test_without_the_library_the_reason_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_cudnn, "library_file", lambda name, versions: "")
    assert "install nvidia-cudnn-cu13" in str(conv_cudnn_nhwc(ChannelsLast(Conv(padding=1)), IMAGE, WEIGHT))
    plane = TensorSpec(float32, (2, 3, 9, 9)), TensorSpec(float32, (4, 3, 3, 3))
    assert "install nvidia-cudnn-cu13" in str(conv_cudnn_nchw(Conv(), *plane))


def finish(dtype: DataType, *, residual: str = "", relu: bool = True) -> PointwiseProgram:
    """A bias, a residual before or behind the activation."""
    p = Builder(*[dtype] * (3 if residual else 2))
    x = p.add(p.inputs[0], p.inputs[1])
    x = p.add(x, p.inputs[2]) if residual == "before" else x
    x = p.max(x, p.constant(dtype, 0)) if relu else x
    return p.finish(p.add(x, p.inputs[2]) if residual == "behind" else x)


class BehindOurs(OneLayer):
    """x -> our convolution -> one of cuDNN that adds x: ours lets what is behind it start before it is done."""

    def __init__(self) -> None:
        p = Builder(float16, float16)
        program = p.finish(p.max(p.add(p.inputs[0], p.inputs[1]), p.constant(float16, 0)))
        self.op, self.ours = Fused(ChannelsLast(Conv(padding=1)), program), ChannelsLast(Conv(padding=1))
        sizes = [(2, 24, 24, 8), (8, 8, 3, 3), (8, 8, 3, 3)]
        self.arrays, self.network = arrays_of([TensorSpec(float16, size) for size in sizes], spread=0.3), Network()
        x = self.network.input("x0", float16, sizes[0])
        first, second = (self.network.constant(array) for array in self.arrays[1:])
        (between,) = self.network.add(self.ours, x, first)
        self.network.output("y0", self.network.add(self.op, between, second, x)[0])

    def choices(self, choice: Choice) -> dict[Layer, Choice]:
        first, last = self.network.layers
        offered = candidates(first, device="cuda").choices
        return {first: next(c for c in offered if c.tactic == "conv_nhwc_tile0_split1"), last: choice}

    def expected(self) -> list[Any]:
        x, first, second = self.arrays
        found = self.op.reference(self.ours.reference(x, first), second, x)
        return list(found) if isinstance(found, tuple) else [found]


def first_engine(layer: OneLayer) -> Choice:
    """The library's favourite."""
    choices = candidates(layer.network.layers[0], device="cuda").choices
    (choice,) = [choice for choice in choices if choice.kernel == "cuda_conv_cudnn" and choice.tactic.endswith("#0")]
    return replace(choice, device=1)


def run_checked(layer: OneLayer, what: str) -> None:
    for given, wanted in zip(layer.run(first_engine(layer)), layer.expected(), strict=True):
        assert_close(given, wanted, what)


@pytest.mark.cuda
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("dtype", [float16, bfloat16])
@pytest.mark.parametrize(("conv", "x", "w"), CONVOLUTIONS)
def test_halves_with_all_that_is_fused(conv: Conv, x: tuple[int, ...], w: tuple[int, ...], dtype: DataType) -> None:
    if reason := window_cudnn.missing():
        pytest.skip(reason)
    op = ChannelsLast(conv)
    shape = tuple(op.infer(TensorSpec(dtype, x), TensorSpec(dtype, w)).shape)
    for residual in ("", "before", "behind"):
        for relu in (True, False):
            sizes = [x, w, w[:1], *([shape] if residual else [])]
            arrays = arrays_of([TensorSpec(dtype, size) for size in sizes], spread=0.5)
            fused = Fused(op, finish(dtype, residual=residual, relu=relu))
            run_checked(OneLayer(fused, arrays, {1, 2}), f"{residual} {relu}")
    run_checked(OneLayer(op, arrays_of([TensorSpec(dtype, size) for size in (x, w)], spread=0.5), {1}), "alone")


@pytest.mark.cuda
@pytest.mark.usefixtures("gpu")
def test_every_engine_waits_for_the_kernels_before_it() -> None:
    if reason := window_cudnn.missing():
        pytest.skip(reason)
    layer = BehindOurs()
    offered = candidates(layer.network.layers[-1], device="cuda").choices
    tried = [choice for choice in offered if choice.kernel == "cuda_conv_cudnn"]
    assert len(tried) == window_cudnn.ENGINES
    for choice in tried:
        assert_close(layer.run(choice)[0], layer.expected()[0], choice.tactic)


@pytest.mark.cuda
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("conv", "x", "w"),
    [
        *((conv, (x[0], x[3], x[1], x[2]), w) for conv, x, w in CONVOLUTIONS),
        (Conv(padding=3, stride=2), (2, 3, 40, 31), (20, 3, 7, 7)),
        (Conv(padding=1, group=4), (1, 20, 9, 9), (24, 5, 3, 3)),
        (Conv(padding=1, group=24), (1, 24, 9, 9), (24, 1, 3, 3)),
    ],
)
def test_float32_has_all_its_digits(conv: Conv, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    if reason := window_cudnn.missing():
        pytest.skip(reason)
    arrays = arrays_of([TensorSpec(float32, size) for size in (x, w, w[:1])], spread=0.5)
    run_checked(OneLayer(conv, arrays, {1, 2}), "with a bias")
    run_checked(OneLayer(conv, arrays[:2], {1}), "alone")
