"""GridSampler: feature maps and volumes looked up at places that another tensor gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_fields, check_float, needs_cuda_float, needs_float32
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]
LINEAR, NEAREST = 0, 1
ZEROS, BORDER, REFLECTION = 0, 1, 2


@ew.operator("ew_plugins::GridSampler", version=1, onnx=["mmcv::grid_sampler", "mmdeploy::grid_sampler"])
class GridSampler:
    """x [N, C, H, W] or [N, C, D, H, W] at places grid [N, out..., 2 or 3]: (x, y) or (x, y, z) from -1 to 1.

    The output is [N, C, out...]. `interpolation_mode` 0: linear along each axis, 1: the nearest element.
    `padding_mode` 0: elements outside are 0; 1: the nearest one inside; 2: mirrored at the borders. `align_corners`: -1
    and 1 are the middles of the outer elements, else their outer edges. After PyTorch's grid_sample.
    """

    interpolation_mode: int = LINEAR
    padding_mode: int = ZEROS
    align_corners: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        limits = {
            f"interpolation_mode is {self.interpolation_mode}, neither 0 nor 1": self.interpolation_mode not in (0, 1),
            f"padding_mode is {self.padding_mode}, not 0, 1 or 2": self.padding_mode not in (0, 1, 2),
        }
        check_fields("GridSampler", limits)

    def infer(self, x: ew.TensorSpec, grid: ew.TensorSpec) -> ew.TensorSpec:
        """Images and channels of x, places of the grid."""
        check_float("x", x)
        check_float("grid", grid, x)
        if x.rank not in (4, 5) or grid.rank != x.rank:
            raise ew.ShapeError(f"x has {x.rank} axes, grid {grid.rank}", hint="Give 4 each, or 5 each.")
        ew.same(x.shape[0], grid.shape[0])
        ew.same(grid.shape[-1], x.rank - 2)
        return x.with_shape(*x.shape[:2], *grid.shape[1:-1])

    def reference(self, x: Array, grid: Array) -> Array:
        """All corners around each place in turn, in float32."""
        axes = [self._axis(grid[..., -1 - axis].astype(np.float32), size) for axis, size in enumerate(x.shape[2:])]
        images = np.arange(len(x)).reshape(-1, *(1 for _ in grid.shape[1:-1]))
        found = np.zeros((*grid.shape[:-1], x.shape[1]), np.float32)
        if found.size and x.size:
            moved = np.moveaxis(x, 1, -1).astype(np.float32)
            for corner in itertools.product(*axes):
                share = np.prod([part for _, part in corner], axis=0)
                found += moved[(images, *(at for at, _ in corner))] * share[..., None]
        return np.ascontiguousarray(np.moveaxis(found, -1, 1)).astype(x.dtype)

    def _axis(self, normal: Array, size: int) -> list[tuple[Array, Array]]:
        """Indices and shares of the elements around each place on one axis."""
        one = np.float32(1)
        place = (normal + one) / 2 * (size - 1) if self.align_corners else ((normal + one) * size - one) / 2
        if self.padding_mode == REFLECTION:
            place = self._mirrored(place, size)
        if self.padding_mode != ZEROS:
            place = np.fmin(np.fmax(place, 0), np.float32(size - 1))
        if self.interpolation_mode == NEAREST:
            return [_counted(np.rint(place), np.ones_like(place), size)]
        low = np.floor(place)
        return [_counted(low, low + 1 - place, size), _counted(low + 1, place - low, size)]

    def _mirrored(self, place: Array, size: int) -> Array:
        low, span = np.float32(0 if self.align_corners else -0.5), np.float32(size - 1 if self.align_corners else size)
        if span <= 0:
            return np.zeros_like(place)
        far = np.abs(place - low)
        rest, even = np.fmod(far, span), np.floor(far / span) % 2 == 0
        return np.asarray(np.where(even, rest, span - rest) + low, np.float32)

    @staticmethod
    def examples() -> Iterator[tuple[GridSampler, list[Any]]]:
        """Each mode, padding and alignment, in two and three dimensions; no place."""
        rng = np.random.default_rng(19)
        flat = rng.standard_normal((2, 3, 6, 5)).astype(np.float32), (rng.random((2, 4, 7, 2), np.float32) - 0.5) * 4
        deep = (
            rng.standard_normal((2, 5, 4, 3, 6)).astype(np.float32),
            (rng.random((2, 3, 5, 30, 3), np.float32) - 0.5) * 5,
        )
        for mode, padding, align in itertools.product((LINEAR, NEAREST), (ZEROS, BORDER, REFLECTION), (False, True)):
            yield GridSampler(mode, padding, align), list(deep if align or padding else flat)
        yield GridSampler(), [deep[0], deep[1][:, :0]]


def _counted(at: Array, share: Array, size: int) -> tuple[Array, Array]:
    """Indices inside, and shares that are 0 where there is nothing: NaN is nowhere."""
    inside = (at >= 0) & (at < size)
    return np.where(inside, at, 0).astype(np.int64), np.where(inside, share, np.float32(0))


def _launch(op: GridSampler) -> ew.Launch:
    return ew.Launch((op.interpolation_mode, op.padding_mode, int(op.align_corners)))


@ew.tactic(GridSampler, kernel=KERNELS["grid_sampler_f32"])
def grid_sampler(op: GridSampler, x: ew.TensorSpec, grid: ew.TensorSpec) -> ew.Launch | str:
    """Places side by side, some at a time, for all channels."""
    return needs_float32(x) or _launch(op)


@ew.tactic(GridSampler, kernel=CUDA_KERNELS["grid_sampler"])
def grid_sampler_cuda(op: GridSampler, x: ew.TensorSpec, grid: ew.TensorSpec) -> ew.Launch | str:
    """A thread for each place goes through the channels."""
    return needs_cuda_float(x) or _launch(op)
