"""Signals: discrete Fourier transforms (DFT, STFT) and the mel weights of spectrograms.

Methods of `Network`, written by ``make methods`` from ops/signal.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import signal as ops
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Signal(_Adder):
    """One method an operator of ops/signal.py."""

    def dft(
        self,
        x: Tensor,
        dft_length: Tensor | None = None,
        axis: Tensor | None = None,
        *,
        inverse: bool = False,
        onesided: bool = False,
        name: str = "",
    ) -> Tensor:
        """The discrete Fourier transform of x [..., 1] (real) or [..., 2] (real, imaginary) along `axis` (an input,
        -2).

        dft_length cuts the axis or fills it with zeros. `inverse` divides by the length. `onesided` gives the first
        half and one of a real signal; inverse and onesided together take such a half and give a real signal [..., 1].
        """
        return self.add(ops.DFT(inverse=inverse, onesided=onesided), x, dft_length, axis, name=name)[0]

    def mel_weight_matrix(
        self,
        num_mel_bins: Tensor,
        dft_length: Tensor,
        sample_rate: Tensor,
        lower_edge_hertz: Tensor,
        upper_edge_hertz: Tensor,
        *,
        output_datatype: DataType = DataType.FLOAT32,
        name: str = "",
    ) -> Tensor:
        """The matrix [dft_length / 2 + 1, num_mel_bins] that weighs a spectrogram's bins into mel bins: triangles."""
        return self.add(
            ops.MelWeightMatrix(output_datatype=output_datatype),
            num_mel_bins,
            dft_length,
            sample_rate,
            lower_edge_hertz,
            upper_edge_hertz,
            name=name,
        )[0]

    def stft(
        self,
        signal: Tensor,
        frame_step: Tensor,
        window: Tensor | None = None,
        frame_length: Tensor | None = None,
        *,
        onesided: bool = True,
        name: str = "",
    ) -> Tensor:
        """Fourier transforms of frames of a signal [B, length, 1 or 2], frame_step apart: [B, frames, bins, 2].

        Frames have frame_length elements (or the window's number, or else all) and are multiplied by window
        [frame_length]; bins are frame_length / 2 + 1 if `onesided`, else frame_length.
        """
        return self.add(ops.STFT(onesided=onesided), signal, frame_step, window, frame_length, name=name)[0]
