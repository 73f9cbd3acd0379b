"""Recurrent layers: LSTM, GRU and the plain RNN, in one or both directions.

Methods of `Network`, written by ``make methods`` from ops/recurrent.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import recurrent as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Recurrent(_Adder):
    """One method an operator of ops/recurrent.py."""

    def gru(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        b: Tensor | None = None,
        sequence_lens: Tensor | None = None,
        initial_h: Tensor | None = None,
        *,
        direction: str = "forward",
        layout: int = 0,
        activations: tuple[str, ...] = (),
        activation_alpha: tuple[float, ...] = (),
        activation_beta: tuple[float, ...] = (),
        clip: float = 0.0,
        linear_before_reset: bool = False,
        name: str = "",
    ) -> tuple[Tensor, Tensor]:
        """Gated recurrent unit: y [time, directions, batch, hidden] and the last y_h [directions, batch, hidden].

        x [time, batch, inputs], w [directions, 3 hidden, inputs], r [directions, 3 hidden, hidden], b [directions, 6
        hidden], gates in the order update, reset, hidden. `linear_before_reset` multiplies by the reset gate after r.
        """
        return cast(
            "tuple[Tensor, Tensor]",
            self.add(
                ops.GRU(
                    direction=direction,
                    layout=layout,
                    activations=activations,
                    activation_alpha=activation_alpha,
                    activation_beta=activation_beta,
                    clip=clip,
                    linear_before_reset=linear_before_reset,
                ),
                x,
                w,
                r,
                b,
                sequence_lens,
                initial_h,
                name=name,
            ),
        )

    def lstm(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
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
        """Long short-term memory: y [time, directions, batch, hidden], and last y_h and y_c [directions, batch,
        hidden].

        x [time, batch, inputs], w [directions, 4 hidden, inputs], r [directions, 4 hidden, hidden], b [directions, 8
        hidden], gates in the order input, output, forget, cell; p [directions, 3 hidden]: peepholes input, output,
        forget.
        """
        return cast(
            "tuple[Tensor, Tensor, Tensor]",
            self.add(
                ops.LSTM(
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
                b,
                sequence_lens,
                initial_h,
                initial_c,
                p,
                name=name,
            ),
        )

    def rnn(
        self,
        x: Tensor,
        w: Tensor,
        r: Tensor,
        b: Tensor | None = None,
        sequence_lens: Tensor | None = None,
        initial_h: Tensor | None = None,
        *,
        direction: str = "forward",
        layout: int = 0,
        activations: tuple[str, ...] = (),
        activation_alpha: tuple[float, ...] = (),
        activation_beta: tuple[float, ...] = (),
        clip: float = 0.0,
        name: str = "",
    ) -> tuple[Tensor, Tensor]:
        """Plain recurrence h = tanh(x w' + h r' + b): y [time, directions, batch, hidden] and the last y_h.

        x [time, batch, inputs], w [directions, hidden, inputs], r [directions, hidden, hidden], b [directions, 2
        hidden].
        """
        return cast(
            "tuple[Tensor, Tensor]",
            self.add(
                ops.RNN(
                    direction=direction,
                    layout=layout,
                    activations=activations,
                    activation_alpha=activation_alpha,
                    activation_beta=activation_beta,
                    clip=clip,
                ),
                x,
                w,
                r,
                b,
                sequence_lens,
                initial_h,
                name=name,
            ),
        )
