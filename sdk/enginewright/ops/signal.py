"""Signals: discrete Fourier transforms (DFT, STFT) and the mel weights of spectrograms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.dims import Size, dim_equal, dim_less, dim_select, floor_div, same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, WIDE_INTEGERS, check_same_type, check_type, widen
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, TensorSpec, float32, normalize_axis

Array = np.ndarray[Any, Any]


def _scalar(spec: TensorSpec, what: str) -> Size:
    """A size given as a tensor of one integer."""
    check_type(spec, WIDE_INTEGERS, what)
    found = spec.elements()
    if found is None or len(found) != 1:
        raise ShapeError(f"{what} is {spec}", hint="Give one integer.")
    return found[0]


def _complex(x: Array) -> Array:
    """[..., 1] or [..., 2] (real, imaginary) as numbers, in the precision of the input."""
    wide = widen(x)
    return wide[..., 0] if x.shape[-1] == 1 else wide[..., 0] + 1j * wide[..., 1]


def _parts(z: Array, dtype: np.dtype[Any]) -> Array:
    """Complex numbers as [..., 2] (real, imaginary)."""
    return np.stack([z.real, z.imag], axis=-1).astype(dtype)


@operator("ew::DFT")
class DFT:
    """The discrete Fourier transform of x [..., 1] (real) or [..., 2] (real, imaginary) along `axis` (an input, -2).

    dft_length cuts the axis or fills it with zeros. `inverse` divides by the length. `onesided` gives the first half
    and one of a real signal; inverse and onesided together take such a half and give a real signal [..., 1].
    """

    inverse: bool = False
    onesided: bool = False

    def infer(self, x: TensorSpec, dft_length: TensorSpec | None = None, axis: TensorSpec | None = None) -> TensorSpec:
        """[..., length, ..., 2]."""
        check_type(x, FLOATS, "input x")
        if x.rank < 2:
            raise ShapeError(f"x has {x.rank} axes", hint="The last axis holds real and imaginary parts.")
        at: Size = -2 if axis is None else _scalar(axis, "axis")
        if isinstance(at, int):
            at = normalize_axis(at, x.rank)
            if at == x.rank - 1:
                raise ShapeError("the last axis holds real and imaginary parts", hint="Transform along another axis.")
        else:
            at = dim_select(dim_less(at, 0), at + x.rank, at)
        sizes = [
            dim_select(dim_equal(at, index), self._length(size, dft_length), size)
            for index, size in enumerate(x.shape[:-1])
        ]
        return TensorSpec(x.dtype, (*sizes, 1 if self.inverse and self.onesided else 2))

    def _length(self, size: Size, dft_length: TensorSpec | None) -> Size:
        """The output's size along a transformed axis of this size."""
        real = self.inverse and self.onesided
        length = _scalar(dft_length, "dft_length") if dft_length is not None else (size - 1) * 2 if real else size
        return floor_div(length, 2) + 1 if self.onesided and not real else length

    def reference(self, x: Array, dft_length: Array | None = None, axis: Array | None = None) -> Array:
        """numpy.fft, in double precision."""
        at = (-2 if axis is None else int(axis.reshape(()))) % x.ndim
        length = None if dft_length is None else int(dft_length.reshape(()))
        z = _complex(x)
        if self.inverse and self.onesided:
            return np.fft.irfft(z, n=length, axis=at)[..., None].astype(x.dtype)
        found = np.fft.ifft(z, n=length, axis=at) if self.inverse else np.fft.fft(z, n=length, axis=at)
        if self.onesided:
            found = np.take(found, np.arange(found.shape[at] // 2 + 1), axis=at)
        return _parts(found, x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[DFT, list[TensorSpec | Array | None]]]:
        """Real and complex, both ways, one-sided, cut and filled, another axis."""
        real, both = TensorSpec(float32, (2, 10, 1)), TensorSpec(float32, (2, 10, 2))
        yield DFT(), [real, None, None]
        yield DFT(), [both, np.array(7), None]
        yield DFT(onesided=True), [real, np.array(16), None]
        yield DFT(inverse=True), [both, None, None]
        yield DFT(inverse=True, onesided=True), [both, None, None]
        yield DFT(), [TensorSpec(float32, (3, 5, 4, 1)), None, np.array(1)]


@operator("ew::STFT")
class STFT:
    """Fourier transforms of frames of a signal [B, length, 1 or 2], frame_step apart: [B, frames, bins, 2].

    Frames have frame_length elements (or the window's number, or else all) and are multiplied by window [frame_length];
    bins are frame_length / 2 + 1 if `onesided`, else frame_length.
    """

    onesided: bool = True

    def infer(
        self,
        signal: TensorSpec,
        frame_step: TensorSpec,
        window: TensorSpec | None = None,
        frame_length: TensorSpec | None = None,
    ) -> TensorSpec:
        """The type of the signal."""
        check_type(signal, FLOATS, "the signal")
        if signal.rank != 3:
            raise ShapeError(f"the signal has {signal.rank} axes", hint="Give [batch, length, 1 or 2].")
        check_same_type(signal, window)
        length = signal.shape[1]
        if frame_length is not None:
            length = _scalar(frame_length, "frame_length")
        elif window is not None:
            length = window.shape[0]
        if window is not None:
            same(window.shape[0], length)
        frames = floor_div(signal.shape[1] - length, _scalar(frame_step, "frame_step")) + 1
        bins = floor_div(length, 2) + 1 if self.onesided else length
        return TensorSpec(signal.dtype, (signal.shape[0], frames, bins, 2))

    def reference(
        self, signal: Array, frame_step: Array, window: Array | None = None, frame_length: Array | None = None
    ) -> Array:
        """numpy.fft, in double precision."""
        length = signal.shape[1] if window is None else window.shape[0]
        if frame_length is not None:
            length = int(frame_length.reshape(()))
        views = np.lib.stride_tricks.sliding_window_view(_complex(signal), length, axis=1)
        frames = views[:, :: int(frame_step.reshape(()))]
        found = np.fft.fft(frames if window is None else frames * widen(window), axis=-1)
        return _parts(found[..., : length // 2 + 1] if self.onesided else found, signal.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[STFT, list[TensorSpec | Array | None]]]:
        """With window, with length, both; real and complex."""
        step, length = np.array(3), np.array(8)
        window = TensorSpec(float32, (8,))
        yield STFT(), [TensorSpec(float32, (2, 30, 1)), step, window, None]
        yield STFT(), [TensorSpec(float32, (2, 30, 1)), step, None, length]
        yield STFT(onesided=False), [TensorSpec(float32, (1, 29, 2)), step, window, length]


@operator("ew::MelWeightMatrix")
class MelWeightMatrix:
    """The matrix [dft_length / 2 + 1, num_mel_bins] that weighs a spectrogram's bins into mel bins: triangles."""

    output_datatype: DataType = float32

    def infer(
        self,
        num_mel_bins: TensorSpec,
        dft_length: TensorSpec,
        sample_rate: TensorSpec,
        lower_edge_hertz: TensorSpec,
        upper_edge_hertz: TensorSpec,
    ) -> TensorSpec:
        """Sizes are read from the inputs."""
        check_type(sample_rate, WIDE_INTEGERS, "sample_rate")
        bins = floor_div(_scalar(dft_length, "dft_length"), 2) + 1
        return TensorSpec(self.output_datatype, (bins, _scalar(num_mel_bins, "num_mel_bins")))

    def reference(
        self,
        num_mel_bins: Array,
        dft_length: Array,
        sample_rate: Array,
        lower_edge_hertz: Array,
        upper_edge_hertz: Array,
    ) -> Array:
        """ONNX's formula: edges even on the mel scale, rounded down to bins; rising and falling edges."""
        count, length = int(num_mel_bins.reshape(())), int(dft_length.reshape(()))
        low, high = (
            2595 * np.log10(1 + float(edge.reshape(())) / 700) for edge in (lower_edge_hertz, upper_edge_hertz)
        )
        mels = np.arange(count + 2) * ((high - low) / (count + 2)) + low
        hertz = 700 * (10 ** (mels / 2595) - 1)
        edges = ((length + 1) * hertz // int(sample_rate.reshape(()))).astype(np.int64)
        y = np.zeros((length // 2 + 1, count))
        for index in range(count):
            start, top, end = edges[index : index + 3]
            rising = np.arange(start, top + 1)
            y[rising, index] = (rising - start) / (top - start) if top > start else 1
            falling = np.arange(top, end)
            y[falling, index] = (end - falling) / max(end - top, 1)
        return y.astype(self.output_datatype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[MelWeightMatrix, list[Array]]]:
        """One matrix."""
        numbers = [np.array(8), np.array(16), np.array(8192), np.array(0, np.float32), np.array(4096, np.float32)]
        yield MelWeightMatrix(), numbers
