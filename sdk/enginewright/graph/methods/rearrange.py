"""Data set out in other ways: DepthToSpace, SpaceToDepth, Trilu, ReverseSequence, CenterCropPad, Col2Im.

Methods of `Network`, written by ``make methods`` from ops/rearrange.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import rearrange as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Rearrange(_Adder):
    """One method an operator of ops/rearrange.py."""

    def center_crop_pad(
        self, x: Tensor, shape: Tensor, *, axes: tuple[int, ...] | None = None, name: str = ""
    ) -> Tensor:
        """`x` cut or padded with zeros to the sizes `shape` of `axes` (all if left out); the middle stays in the
        middle.
        """
        return self.add(ops.CenterCropPad(axes=axes), x, shape, name=name)[0]

    def col2im(
        self,
        x: Tensor,
        image_shape: Tensor,
        block_shape: Tensor,
        *,
        dilations: tuple[int, ...] = (),
        pads: tuple[int, ...] = (),
        strides: tuple[int, ...] = (),
        name: str = "",
    ) -> Tensor:
        """Columns [N, C * product(block_shape), L] added up as the blocks of an image [N, C, *image_shape].

        `dilations`, `pads` (beginnings, then ends) and `strides` say, as for a convolution, where the blocks lie.
        """
        return self.add(
            ops.Col2Im(dilations=dilations, pads=pads, strides=strides), x, image_shape, block_shape, name=name
        )[0]

    def depth_to_space(self, x: Tensor, *, blocksize: int, mode: str = "DCR", name: str = "") -> Tensor:
        """Channels of x [N, C, H, W] set out as squares of `blocksize`: [N, C / b², H b, W b].

        `mode` "DCR": the place in the square is the slower part of the channel; "CRD": the faster.
        """
        return self.add(ops.DepthToSpace(blocksize=blocksize, mode=mode), x, name=name)[0]

    def reverse_sequence(
        self, x: Tensor, sequence_lens: Tensor, *, batch_axis: int = 1, time_axis: int = 0, name: str = ""
    ) -> Tensor:
        """For each batch the first sequence_lens[batch] elements along `time_axis` backwards, the others as they
        are.
        """
        return self.add(ops.ReverseSequence(batch_axis=batch_axis, time_axis=time_axis), x, sequence_lens, name=name)[0]

    def space_to_depth(self, x: Tensor, *, blocksize: int, mode: str = "DCR", name: str = "") -> Tensor:
        """Squares of `blocksize` of x [N, C, H, W] set out as channels: [N, C b², H / b, W / b].

        `mode` "DCR": the place in the square is the slower part of the channel; "CRD": the faster.
        """
        return self.add(ops.SpaceToDepth(blocksize=blocksize, mode=mode), x, name=name)[0]

    def trilu(self, x: Tensor, k: Tensor | None = None, *, upper: bool = True, name: str = "") -> Tensor:
        """The upper or lower triangle of each matrix of `x`, from diagonal `k` (0; above it if positive); else
        zeros.
        """
        return self.add(ops.Trilu(upper=upper), x, k, name=name)[0]
