"""Resize: images and other tensors made larger or smaller by nearest, linear or cubic interpolation, axis by axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Dim, Size, dim_less, dim_scale, dim_select, floor_div
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import check_type, widen
from enginewright.ops.window import known
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, float16, float32, float64, int32, int64, normalize_axis, uint8

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple")
POLICIES = ("stretch", "not_larger", "not_smaller")


@operator("ew::Resize")
class Resize:
    """x resized by `scales` (floats) or to `sizes` (int64), one for each of `axes` (all where there are none).

    `mode`: nearest, linear or cubic. `coordinate_transformation_mode` maps output to input coordinates as in ONNX; for
    tf_crop_and_resize `roi` holds the starts and then the ends of the crop in units of the axes, and what lies outside
    is `extrapolation_value`. `nearest_mode` simple rounds down when enlarging and up when shrinking.
    """

    mode: str = "nearest"
    coordinate_transformation_mode: str = "half_pixel"
    nearest_mode: str = "round_prefer_floor"
    cubic_coeff_a: float = -0.75
    exclude_outside: bool = False
    extrapolation_value: float = 0.0
    antialias: bool = False
    axes: tuple[int, ...] = ()
    keep_aspect_ratio_policy: str = "stretch"

    def infer(
        self,
        x: TensorSpec,
        roi: TensorSpec | None = None,
        scales: TensorSpec | None = None,
        sizes: TensorSpec | None = None,
    ) -> TensorSpec:
        """The type of x; sizes as given, or floor(size * scale)."""
        self._check_words()
        if (scales is None) == (sizes is None):
            raise NetworkError("resize takes either scales or sizes", hint="Give exactly one of them.")
        for spec, types, what in ((scales, (float32, float64), "scales"), (sizes, (int64, int32), "sizes")):
            if spec is not None:
                check_type(spec, types, what)
                self._check_count(spec, x)
        if self.coordinate_transformation_mode == "tf_crop_and_resize" and roi is None:
            raise NetworkError("tf_crop_and_resize needs roi", hint="Give the crop's starts and ends.")
        return TensorSpec(x.dtype, self.output_shape(x, scales, sizes))

    def output_shape(self, x: TensorSpec, scales: TensorSpec | None, sizes: TensorSpec | None) -> Shape:
        """The output's sizes."""
        shape = list(x.shape)
        if sizes is not None:
            wanted = sizes.elements()
            assert wanted is not None  # their number is known
            scale = self.kept_scale(x, sizes)
            for axis, size in zip(self.resized(x.rank), wanted, strict=True):
                shape[axis] = size if scale is None else _rounded(shape[axis], scale)
            return tuple(shape)
        factors = None if scales is None else scales.numbers()
        for index, axis in enumerate(self.resized(x.rank)):
            shape[axis] = Dim.data() if factors is None else dim_scale(shape[axis], factors[index])
        return tuple(shape)

    def resized(self, rank: int) -> tuple[int, ...]:
        """The axes that scales and sizes speak of."""
        return tuple(normalize_axis(axis, rank) for axis in self.axes) if self.axes else tuple(range(rank))

    def _check_words(self) -> None:
        for word, allowed in (
            (self.mode, ("nearest", "linear", "cubic")),
            (self.coordinate_transformation_mode, COORDINATES),
            (self.nearest_mode, NEAREST),
            (self.keep_aspect_ratio_policy, POLICIES),
        ):
            if word not in allowed:
                raise NetworkError(f'"{word}" is no way to resize', hint=f"Use one of {', '.join(allowed)}.")

    def _check_count(self, spec: TensorSpec, x: TensorSpec) -> None:
        count = len(self.resized(x.rank))
        if spec.shape != (count,):
            raise ShapeError(f"scales or sizes are {spec}", hint=f"Give {count} numbers, one for each resized axis.")

    def kept_scale(self, x: TensorSpec, sizes: TensorSpec | None) -> tuple[Size, Size] | None:
        """The one scale of all resized axes where the aspect ratio is kept, as an exact fraction; else None."""
        wanted = None if sizes is None else sizes.elements()
        if wanted is None or self.keep_aspect_ratio_policy == "stretch":
            return None
        now = [x.shape[axis] for axis in self.resized(x.rank)]
        above, below = wanted[0], now[0]
        for a, b in zip(wanted[1:], now[1:], strict=True):
            smaller, larger = dim_less(a * below, above * b), dim_less(above * b, a * below)
            take = smaller if self.keep_aspect_ratio_policy == "not_larger" else larger
            above, below = dim_select(take, a, above), dim_select(take, b, below)
        return above, below

    def reference(
        self, x: Array, roi: Array | None = None, scales: Array | None = None, sizes: Array | None = None
    ) -> Array:
        """Axis by axis; coordinates and weights in float32, as ONNX Runtime has them."""
        specs = [None if array is None else _known(array) for array in (scales, sizes)]
        spec = TensorSpec(float32, x.shape)
        shape, kept = known(self.output_shape(spec, *specs)), self.kept_scale(spec, specs[1])
        axes = self.resized(x.ndim)
        wide = widen(x)
        total = wide if wide.dtype.kind == "f" or self.mode == "nearest" else wide.astype(np.float32)
        outside = np.zeros((1,) * x.ndim, bool)
        for index, axis in enumerate(axes):
            size, out = x.shape[axis], shape[axis]
            scale = np.float32(scales[index]) if scales is not None else _ratio(kept or (out, size))
            if size == out and scale == 1 and self.coordinate_transformation_mode != "tf_crop_and_resize":
                continue
            crop = None if roi is None or roi.size == 0 else (roi[index], roi[index + len(axes)])
            at = self._coordinates(size, out, scale, crop)
            total = self._interpolate(total, axis, at, scale)
            if self.coordinate_transformation_mode == "tf_crop_and_resize":
                outside = outside | _along((at < 0) | (at > size - 1), axis, x.ndim)
        return np.where(outside, np.asarray(self.extrapolation_value, total.dtype), total).astype(x.dtype)

    def _coordinates(self, size: int, out: int, scale: np.float32, crop: tuple[float, float] | None) -> Array:
        mode, x = self.coordinate_transformation_mode, np.arange(out, dtype=np.float32)
        half = (x + np.float32(0.5)) / scale
        if mode == "asymmetric":
            return x / scale
        if mode == "tf_half_pixel_for_nn":
            return half
        if mode == "align_corners":
            return x * np.float32(size - 1) / np.float32(out - 1) if out > 1 else x * 0
        if mode == "pytorch_half_pixel" and out == 1:
            return x * 0
        if mode == "half_pixel_symmetric":
            adjustment = np.float32(out) / (scale * np.float32(size))
            return np.float32(size / 2) * (1 - adjustment) + half - np.float32(0.5)
        if mode == "tf_crop_and_resize" and crop is not None:
            start, end = np.float32(crop[0]), np.float32(crop[1])
            if out == 1:
                return x + np.float32(0.5) * (start + end) * np.float32(size - 1)
            return start * np.float32(size - 1) + x * (end - start) * np.float32(size - 1) / np.float32(out - 1)
        return half - np.float32(0.5)

    def _interpolate(self, x: Array, axis: int, at: Array, scale: np.float32) -> Array:
        size = x.shape[axis]
        if self.mode == "nearest":
            return np.take(x, np.clip(self._nearest(at, scale), 0, max(size - 1, 0)), axis=axis)
        base, places, weights = self._taps(at, scale)
        if self.exclude_outside:
            inside = (places + base[:, None] >= 0) & (places + base[:, None] < size)
            weights = np.where(inside, weights, 0)
            weights = weights / weights.sum(axis=1, keepdims=True)
        total = np.zeros((*x.shape[:axis], len(at), *x.shape[axis + 1 :]), x.dtype)
        for number, place in enumerate(places):
            seen = np.take(x, np.clip(base + place, 0, size - 1), axis=axis)
            total += seen * _along(weights[:, number].astype(x.dtype), axis, x.ndim)
        return total

    def _nearest(self, at: Array, scale: np.float32) -> Array:
        rule = self.nearest_mode
        if rule == "simple":
            rule = "ceil" if scale < 1 else "floor"
        half = np.float32(0.5)
        if rule.startswith("round"):
            found = np.ceil(at - half) if rule == "round_prefer_floor" else np.floor(at + half)
        else:
            found = np.ceil(at) if rule == "ceil" else np.floor(at)
        return found.astype(np.int64)

    def _taps(self, at: Array, scale: np.float32) -> tuple[Array, Array, Array]:
        """The first index of each output, the offsets of its neighbours, and their weights [out, neighbours]."""
        reach = 2 if self.mode == "cubic" else 1
        shrink = min(float(scale), 1.0) if self.antialias else 1.0
        base = np.ceil(at).astype(np.int64) - 1
        first = math.floor(-reach / shrink) + 1
        places = np.arange(first, 2 - first)
        far = np.abs(places[None, :] - (at - base)[:, None]) * np.float32(shrink)
        weights = _cubic(far, self.cubic_coeff_a) if self.mode == "cubic" else np.clip(1 - far, 0, 1)
        if self.antialias:
            weights = weights / weights.sum(axis=1, keepdims=True)
        return base, places, np.asarray(weights, np.float32)

    @staticmethod
    def examples() -> Iterator[tuple[Resize, list[TensorSpec | Array | None]]]:
        """Each mode and coordinate rule; larger and smaller; by scales and by sizes; few axes."""
        up, down = np.array([1, 1, 2, 3], np.float32), np.array([1, 1, 0.6, 0.5], np.float32)
        x = TensorSpec(float32, (2, 3, 7, 8))
        for mode in ("nearest", "linear", "cubic"):
            for rule in COORDINATES[:-1]:
                op = Resize(mode=mode, coordinate_transformation_mode=rule)
                yield op, [x, None, up, None]
                yield op, [x, None, down, None]
                yield op, [x, None, None, np.array([2, 3, 11, 5])]
        for rule in NEAREST:
            yield Resize(nearest_mode=rule, coordinate_transformation_mode="asymmetric"), [x, None, down, None]
        yield Resize(axes=(2, 3), mode="linear"), [x, None, None, np.array([14, 1])]
        yield Resize(axes=(3, 2), antialias=True, mode="linear"), [x, None, None, np.array([3, 4])]
        yield Resize(antialias=True, mode="cubic"), [x, None, down, None]
        yield Resize(mode="cubic", exclude_outside=True), [x, None, up, None]
        yield Resize(mode="cubic", cubic_coeff_a=-0.5), [x, None, down, None]
        yield Resize(axes=(2, 3), keep_aspect_ratio_policy="not_larger"), [x, None, None, np.array([14, 15])]
        yield Resize(axes=(2, 3), keep_aspect_ratio_policy="not_smaller"), [x, None, None, np.array([14, 15])]
        crop = np.array([0, 0, 0.2, 0.3, 1, 1, 0.7, 1.2], np.float32)
        for mode in ("nearest", "linear"):
            op = Resize(mode=mode, coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=10.0)
            yield op, [x, crop, None, np.array([2, 3, 5, 6])]
        yield Resize(), [TensorSpec(uint8, (1, 2, 5, 5)), None, up, None]
        yield Resize(mode="linear"), [TensorSpec(float16, (1, 2, 5, 5)), None, up, None]
        yield Resize(mode="linear"), [TensorSpec(float32, (1, 2, 9)), None, np.array([1, 1, 1.7], np.float32), None]
        yield Resize(mode="linear"), [TensorSpec(float32, (1, 2, 3, 4, 5)), None, None, np.array([1, 2, 6, 3, 10])]


def _rounded(size: Size, scale: tuple[Size, Size]) -> Size:
    """size * scale, rounded half up."""
    return floor_div(scale[0] * size * 2 + scale[1], scale[1] * 2)


def _ratio(scale: tuple[Size, Size]) -> np.float32:
    above, below = known(scale)
    return np.float32(np.float32(above) / np.float32(max(below, 1)))


def _cubic(far: Array, a: float) -> Array:
    """Keys' cubic convolution kernel (https://doi.org/10.1109/TASSP.1981.1163711) at distances >= 0."""
    near = ((a + 2) * far - (a + 3)) * far * far + 1
    wide = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    return np.where(far <= 1, near, np.where(far < 2, wide, 0))


def _along(vector: Array, axis: int, rank: int) -> Array:
    return vector.reshape([-1 if index == axis else 1 for index in range(rank)])


def _known(array: Array) -> TensorSpec:
    """The spec of a constant with its contents."""
    kind = int64 if array.dtype.kind == "i" else float64
    return TensorSpec(kind, array.shape, tuple(array.reshape(-1).tolist()))


def _given(tensor: Tensor | None) -> Tensor | None:
    """An optional input; an empty one counts as left out, as in ONNX 11."""
    return None if tensor is None or tensor.shape == (0,) else tensor


@onnx_rule("ai.onnx::Resize", since=11)
def resize(net: Network, node: OnnxNode) -> Tensor:
    """axes, antialias and keep_aspect_ratio_policy since 18; half_pixel_symmetric since 19."""
    return net.resize(
        node.input(0),
        _given(node.optional(1)),
        _given(node.optional(2)),
        _given(node.optional(3)),
        mode=node.text("mode", "nearest"),
        coordinate_transformation_mode=node.text("coordinate_transformation_mode", "half_pixel"),
        nearest_mode=node.text("nearest_mode", "round_prefer_floor"),
        cubic_coeff_a=node.number("cubic_coeff_a", -0.75),
        exclude_outside=bool(node.integer("exclude_outside", 0)),
        extrapolation_value=node.number("extrapolation_value", 0.0),
        antialias=bool(node.integer("antialias", 0)),
        axes=node.integers("axes", ()),
        keep_aspect_ratio_policy=node.text("keep_aspect_ratio_policy", "stretch"),
    )


@onnx_rule("ai.onnx::Resize", since=10)
@onnx_rule("ai.onnx::Upsample", since=9)
def upsample(net: Network, node: OnnxNode) -> Tensor:
    """The first version: scales only; coordinates are divided by the scale."""
    mode = node.text("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise NotSupported(f'mode "{mode}"')
    return net.resize(
        node.input(0),
        None,
        node.input(1),
        None,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="simple",
    )
