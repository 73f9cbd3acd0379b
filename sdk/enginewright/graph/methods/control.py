"""Control flow: If and Loop, whose branches and bodies are nested networks; Scan is imported as a Loop.

Methods of `Network`, written by ``make methods`` from ops/control.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import control as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor


class _Control(_Adder):
    """One method an operator of ops/control.py."""

    def if_(
        self, cond: Tensor, *captures: Tensor | None, then_branch: Network, else_branch: Network, name: str = ""
    ) -> tuple[Tensor, ...]:
        """The outputs of `then_branch` where cond (one bool) is true, else those of `else_branch`.

        Both networks have the captured tensors as inputs, in the same order, and as many outputs, of the same types and
        numbers of axes.
        """
        return self.add(ops.If(then_branch=then_branch, else_branch=else_branch), cond, *captures, name=name)

    def loop(
        self,
        trip_count: Tensor | None = None,
        cond: Tensor | None = None,
        *values: Tensor | None,
        body: Network,
        n_carried: int,
        n_scan: int = 0,
        name: str = "",
    ) -> tuple[Tensor, ...]:
        """Runs `body` up to trip_count times, as long as its condition holds; both may be left out.

        Inputs: trip_count (one int64), cond (one bool), `n_carried` initial values, captured tensors. Inputs of the
        body: iteration (int64), condition (bool), carried values, captured tensors; its outputs: condition, carried
        values, `n_scan` values that are stacked over all iterations. Outputs: last carried values, stacked values.
        """
        return self.add(ops.Loop(body=body, n_carried=n_carried, n_scan=n_scan), trip_count, cond, *values, name=name)
