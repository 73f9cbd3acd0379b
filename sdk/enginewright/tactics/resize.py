"""Resize on the CPU, an axis at a time."""

from __future__ import annotations

from enginewright.ops.resize import COORDINATES, NEAREST, Resize
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, bfloat16, float16, float32, float64, int8, int32, int64, uint8

MODES = ("nearest", "linear", "cubic")
TYPES = (float16, bfloat16, float32, float64, uint8, int8, int32, int64)


@tactic(Resize, kernel="cpu_resize")
def resize(
    op: Resize,
    x: TensorSpec,
    roi: TensorSpec | None = None,
    scales: TensorSpec | None = None,
    sizes: TensorSpec | None = None,
) -> Launch | str:
    """Nearest copies rows, linear and cubic weigh neighbours; scales and crop must be known when building."""
    if x.dtype not in TYPES:
        return f"not for {x.dtype}"
    axes = op.resized(x.rank)
    factors = None if scales is None else scales.numbers()
    if scales is not None and factors is None:
        return "the scales are not known when building"
    crop = roi.numbers() if roi is not None and op.coordinate_transformation_mode == "tf_crop_and_resize" else None
    if op.coordinate_transformation_mode == "tf_crop_and_resize" and crop is None:
        return "the crop is not known when building"
    kept = op.kept_scale(x, sizes)
    if kept is not None:
        above, below = kept
        if not isinstance(above, int) or not isinstance(below, int):
            return "the scale that keeps the aspect ratio is not known when building"
        factors = (above / below,) * len(axes)
    numbers = [[0.0 if factors is None else 1.0, 0.0, 1.0] for _ in range(x.rank)]
    for index, axis in enumerate(axes):
        if factors is not None:
            numbers[axis][0] = factors[index]
        if crop is not None:
            numbers[axis][1:] = [crop[index], crop[index + len(axes)]]
    return Launch(_fixed(op) + tuple(number for axis in numbers for number in axis), inputs=(0,))


def _fixed(op: Resize) -> tuple[int | float, ...]:
    return (
        MODES.index(op.mode),
        COORDINATES.index(op.coordinate_transformation_mode),
        NEAREST.index(op.nearest_mode),
        float(op.cubic_coeff_a),
        int(op.exclude_outside),
        float(op.extrapolation_value),
        int(op.antialias),
    )
