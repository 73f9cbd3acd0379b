"""NonMaxSuppression: of boxes that overlap only the one with the highest score stays.

Methods of `Network`, written by ``make methods`` from ops/non_max_suppression.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import non_max_suppression as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _NonMaxSuppression(_Adder):
    """One method an operator of ops/non_max_suppression.py."""

    def non_max_suppression(
        self,
        boxes: Tensor,
        scores: Tensor,
        max_output_boxes_per_class: Tensor | None = None,
        iou_threshold: Tensor | None = None,
        score_threshold: Tensor | None = None,
        *,
        center_point_box: bool = False,
        name: str = "",
    ) -> Tensor:
        """The chosen boxes as rows (batch, class, box) of int64, batch by batch, class by class, highest score first.

        boxes [B, N, 4] are two corners (y, x, y, x) in any order, or with `center_point_box` (x, y, width, height);
        scores [B, C, N]. A box is dropped if its score is not above score_threshold, or if its intersection over union
        with a chosen one of the class is above iou_threshold (0 if left out). Without max_output_boxes_per_class there
        is none.
        """
        return self.add(
            ops.NonMaxSuppression(center_point_box=center_point_box),
            boxes,
            scores,
            max_output_boxes_per_class,
            iou_threshold,
            score_threshold,
            name=name,
        )[0]
