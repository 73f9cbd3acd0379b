"""GridSample: a tensor looked up at places that another tensor gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import FLOATS, check_type, widen
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::GridSample")
class GridSample:
    """x [N, C, spatial] at the places grid [N, output, number of axes] names, in coordinates -1 to 1, last axis first.

    `mode`: nearest, linear or cubic. `padding_mode` outside of x: zeros, border or reflection. `align_corners`: -1 and
    1 are the centres of the outer elements, else their outer edges.
    """

    mode: str = "linear"
    padding_mode: str = "zeros"
    align_corners: bool = False

    def infer(self, x: TensorSpec, grid: TensorSpec) -> TensorSpec:
        """[N, C, output]."""
        if self.mode not in ("nearest", "linear", "cubic") or self.padding_mode not in (
            "zeros",
            "border",
            "reflection",
        ):
            raise NetworkError(
                f'mode is "{self.mode}", padding_mode "{self.padding_mode}"',
                hint="Modes: nearest, linear, cubic; padding: zeros, border, reflection.",
            )
        check_type(grid, FLOATS, "grid")
        if x.rank < 3 or grid.rank != x.rank:
            raise ShapeError(f"x has {x.rank} axes, grid {grid.rank}", hint="Both have as many, at least 3.")
        same(x.shape[0], grid.shape[0])
        same(grid.shape[-1], x.rank - 2)
        return TensorSpec(x.dtype, (*x.shape[:2], *grid.shape[1:-1]))

    def reference(self, x: Array, grid: Array) -> Array:
        """The weighted sum over all neighbours; places and weights in float32."""
        data = widen(x)
        places = [
            self._place(widen(grid)[..., -1 - axis], size) for axis, size in enumerate(x.shape[2:])
        ]  # one array [N, output] for each axis
        taps = [self._taps(place) for place in places]
        batch = np.arange(x.shape[0]).reshape(-1, *(1,) * (grid.ndim - 2))
        moved = np.moveaxis(data, 1, -1)
        kind = data.dtype if data.dtype.kind in "fc" else np.dtype(np.float32)
        total: Array = np.zeros((*grid.shape[:-1], x.shape[1]), kind if self.mode != "nearest" else data.dtype)
        if total.size == 0 or data.size == 0:
            return np.moveaxis(total, -1, 1).astype(x.dtype)
        for choice in itertools.product(*taps):
            index, weight = [], np.ones(grid.shape[:-1], np.float32)
            for (at, factor), size in zip(choice, x.shape[2:], strict=True):
                inside, clipped = self._inside(at, size)
                index.append(clipped)
                weight = weight * factor * inside
            total += (moved[(batch, *index)] * weight[..., None]).astype(total.dtype)
        return np.ascontiguousarray(np.moveaxis(total, -1, 1)).astype(x.dtype)

    def _place(self, normal: Array, size: int) -> Array:
        one, half = np.float32(1), np.float32(0.5)
        place = (normal + one) * half * (size - 1) if self.align_corners else ((normal + one) * size - one) * half
        if self.mode == "nearest":
            place = np.rint(place)
        low, high = self._borders(size)
        if self.mode == "cubic":
            return place  # as in PyTorch and ONNX Runtime only the neighbours are brought inside
        if self.padding_mode == "border":
            return np.clip(place, 0, size - 1)
        return reflected(place, low, high) if self.padding_mode == "reflection" else place

    def _borders(self, size: int) -> tuple[float, float]:
        return (0.0, size - 1.0) if self.align_corners else (-0.5, size - 0.5)

    def _inside(self, at: Array, size: int) -> tuple[Array, Array]:
        """Whether neighbours count, and where they are found."""
        if self.padding_mode == "reflection":
            at = np.trunc(reflected(at, *self._borders(size)))
        inside = (at >= 0) & (at < size) if self.padding_mode == "zeros" else np.ones(at.shape, bool)
        return inside, np.clip(np.nan_to_num(at), 0, size - 1).astype(np.int64)

    def _taps(self, place: Array) -> list[tuple[Array, Array]]:
        """The neighbours of each place on one axis with their weights."""
        if self.mode == "nearest":
            return [(place, np.ones(place.shape, np.float32))]
        base = np.floor(place)
        ratio = place - base
        if self.mode == "linear":
            return [(base, 1 - ratio), (base + 1, ratio)]
        return [(base + step, _cubic(np.abs(ratio - step))) for step in (-1, 0, 1, 2)]

    @staticmethod
    def examples() -> Iterator[tuple[GridSample, list[TensorSpec]]]:
        """Each mode, padding and alignment; 2-D and 3-D."""
        for mode in ("nearest", "linear", "cubic"):
            for padding in ("zeros", "border", "reflection"):
                for align in (False, True):
                    op = GridSample(mode, padding, align)
                    yield op, [TensorSpec(float32, (2, 3, 5, 6)), TensorSpec(float32, (2, 4, 7, 2))]
        yield GridSample(), [TensorSpec(float32, (1, 2, 3, 4, 5)), TensorSpec(float32, (1, 2, 3, 2, 3))]


def reflected(place: Array, low: float, high: float) -> Array:
    """Places outside [low, high] mirrored at the borders as often as it takes."""
    span = high - low
    if span <= 0:
        return np.zeros_like(place)
    far = np.where(place < low, low - place, place - high)
    turns = np.trunc(far / span)
    rest = (far - turns * span).astype(place.dtype)
    even = turns % 2 == 0
    below = np.where(even, low + rest, high - rest)
    above = np.where(even, high - rest, low + rest)
    return np.where(place < low, below, np.where(place > high, above, place)).astype(place.dtype)


def _cubic(far: Array) -> Array:
    """Keys' cubic convolution kernel with a = -0.75."""
    a = -0.75
    near = ((a + 2) * far - (a + 3)) * far * far + 1
    wide = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    return np.where(far <= 1, near, np.where(far < 2, wide, 0)).astype(np.float32)


@onnx_rule("ai.onnx::GridSample", since=16)
def grid_sample(net: Network, node: OnnxNode) -> Tensor:
    """Before 20 the modes were called bilinear and bicubic."""
    mode = node.text("mode", "linear")
    return net.grid_sample(
        node.input(0),
        node.input(1),
        mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode),
        padding_mode=node.text("padding_mode", "zeros"),
        align_corners=bool(node.integer("align_corners", 0)),
    )
