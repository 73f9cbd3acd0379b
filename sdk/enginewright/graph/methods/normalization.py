"""Layer, RMS, instance, group and batch normalization.

Methods of `Network`, written by ``make methods`` from ops/normalization.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import normalization as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Normalization(_Adder):
    """One method an operator of ops/normalization.py."""

    def batch_normalization(
        self,
        x: Tensor,
        scale: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        *,
        epsilon: float = 1e-05,
        name: str = "",
    ) -> Tensor:
        """(x - mean) / sqrt(variance + epsilon) * scale + bias for each channel of x (N, C, ...), by given
        statistics.
        """
        return self.add(ops.BatchNormalization(epsilon=epsilon), x, scale, bias, mean, variance, name=name)[0]

    def group_normalization(
        self,
        x: Tensor,
        scale: Tensor,
        bias: Tensor,
        *,
        num_groups: int,
        epsilon: float = 1e-05,
        stash_type: int = 1,
        name: str = "",
    ) -> Tensor:
        """x (N, C, ...) normalized over each of `num_groups` groups of channels, times scale, plus bias (C)."""
        return self.add(
            ops.GroupNormalization(num_groups=num_groups, epsilon=epsilon, stash_type=stash_type),
            x,
            scale,
            bias,
            name=name,
        )[0]

    def instance_normalization(
        self, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float = 1e-05, name: str = ""
    ) -> Tensor:
        """x (N, C, ...) normalized over the spatial axes of each sample and channel, times scale, plus bias (C)."""
        return self.add(ops.InstanceNormalization(epsilon=epsilon), x, scale, bias, name=name)[0]

    def layer_normalization(
        self,
        x: Tensor,
        scale: Tensor,
        bias: Tensor | None = None,
        *,
        axis: int = -1,
        epsilon: float = 1e-05,
        stash_type: int = 1,
        name: str = "",
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x less its mean, divided by its standard deviation, over all axes from `axis` on; times scale plus bias.

        scale and bias are repeated to the shape of x. Outputs: the result, and mean and 1 / standard deviation in
        float32 (float64 of float64), reduced axes being 1. `stash_type` is kept for ONNX; sums are float32 at least.
        """
        return cast(
            "tuple[Tensor, Tensor, Tensor]",
            self.add(
                ops.LayerNormalization(axis=axis, epsilon=epsilon, stash_type=stash_type), x, scale, bias, name=name
            ),
        )

    def rms_normalization(
        self, x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-05, stash_type: int = 1, name: str = ""
    ) -> Tensor:
        """x divided by the root of its mean square over all axes from `axis` on, times scale, which is repeated."""
        return self.add(ops.RMSNormalization(axis=axis, epsilon=epsilon, stash_type=stash_type), x, scale, name=name)[0]
