"""LSTM with 8-bit weights whose inputs are quantized at run time (com.microsoft's DynamicQuantizeLSTM).

Methods of `Network`, written by ``make methods`` from ops/recurrent_quantized.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import recurrent_quantized as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _RecurrentQuantized(_Adder):
    """One method an operator of ops/recurrent_quantized.py."""

    def dynamic_quantize_lstm(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        w_scale: Tensor,
        w_zero_point: Tensor,
        r_scale: Tensor,
        r_zero_point: Tensor,
        b: Tensor | None = None,
        sequence_lens: Tensor | None = None,
        initial_h: Tensor | None = None,
        initial_c: Tensor | None = None,
        p: Tensor | None = None,
        *,
        direction: str = "forward",
        layout: int = 0,
        activations: tuple[str, ...] = (),
        activation_alpha: tuple[float, ...] = (),
        activation_beta: tuple[float, ...] = (),
        clip: float = 0.0,
        input_forget: bool = False,
        name: str = "",
    ) -> tuple[Tensor, Tensor, Tensor]:
        """LSTM with quantized weights: as lstm, but w [directions, inputs, 4 hidden], r [directions, hidden, 4 hidden].

        Scales and zero points have one number for each direction, or [directions, 4 hidden]. x is quantized as a whole
        to uint8 by its range, the hidden state of each sequence likewise at each step; products are summed in int32.
        """
        return cast(
            "tuple[Tensor, Tensor, Tensor]",
            self.add(
                ops.DynamicQuantizeLSTM(
                    direction=direction,
                    layout=layout,
                    activations=activations,
                    activation_alpha=activation_alpha,
                    activation_beta=activation_beta,
                    clip=clip,
                    input_forget=input_forget,
                ),
                x,
                w,
                r,
                w_scale,
                w_zero_point,
                r_scale,
                r_zero_point,
                b,
                sequence_lens,
                initial_h,
                initial_c,
                p,
                name=name,
            ),
        )
