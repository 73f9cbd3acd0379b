"""ModulatedDeformConv: deformable convolution v2, each element of whose window has a shift and a factor of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_fields, check_float, check_rank, needs_cuda_float, needs_float32
from enginewright_plugins._library import CUDA_KERNELS, KERNELS

Array = np.ndarray[Any, Any]
TASKS = 64
"""Each has memory of its own, so at most so many rows of the output are made at once."""


@ew.operator(
    "ew_plugins::ModulatedDeformConv",
    version=1,
    onnx=["mmcv::MMCVModulatedDeformConv2d", "mmdeploy::MMCVModulatedDeformConv2d"],
)
class ModulatedDeformConv:
    """Output [N, M, OH, OW]: convolution whose window elements are looked up elsewhere, and multiplied.

    x [N, C, H, W]; offset [N, deform_groups * KH * KW * 2, OH, OW]: shifts (y, x) in pixels; mask [N, deform_groups *
    KH * KW, OH, OW]; weight [M, C / groups, KH, KW]; bias [M]. Between pixels values are bilinear, outside they are 0.
    Zhu et al., "Deformable ConvNets v2"; inputs and attributes as of MMCV's operator.
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    deform_groups: int = 1

    def __post_init__(self) -> None:
        """Check the fields."""
        limits = {
            f"stride is {self.stride}, not positive": min(self.stride) <= 0,
            f"padding is {self.padding}, negative": min(self.padding) < 0,
            f"dilation is {self.dilation}, not positive": min(self.dilation) <= 0,
            f"groups is {self.groups}, not positive": self.groups <= 0,
            f"deform_groups is {self.deform_groups}, not positive": self.deform_groups <= 0,
        }
        check_fields("ModulatedDeformConv", limits)

    def infer(
        self,
        x: ew.TensorSpec,
        offset: ew.TensorSpec,
        mask: ew.TensorSpec,
        weight: ew.TensorSpec,
        bias: ew.TensorSpec | None = None,
    ) -> ew.TensorSpec:
        """The size of the output follows from x, window and fields; offset and mask have it, too."""
        check_float("x", x)
        for name, spec in (("x", x), ("offset", offset), ("mask", mask), ("weight", weight)):
            check_float(name, spec, x)
            check_rank(name, spec, 4)
        window = weight.shape[2:]
        places = [
            self._places(size, length, axis)
            for axis, (size, length) in enumerate(zip(x.shape[2:], window, strict=True))
        ]
        shape = (x.shape[0], weight.shape[0], *places)
        ew.same(weight.shape[1] * self.groups, x.shape[1])
        ew.same(x.shape[1] % self.deform_groups, 0)
        ew.same(weight.shape[0] % self.groups, 0)
        elements = window[0] * window[1] * self.deform_groups
        for spec, channels in ((offset, elements * 2), (mask, elements)):
            for size, wanted in zip(spec.shape, (x.shape[0], channels, *places), strict=True):
                ew.same(size, wanted)
        if bias is not None:
            check_float("bias", bias, x)
            check_rank("bias", bias, 1)
            ew.same(bias.shape[0], weight.shape[0])
        return x.with_shape(*shape)

    def _places(self, size: Any, length: Any, axis: int) -> Any:
        reach = self.dilation[axis] * (length - 1) + 1
        return ew.dim_max((size + 2 * self.padding[axis] - reach) // self.stride[axis] + 1, 0)

    def reference(self, x: Array, offset: Array, mask: Array, weight: Array, bias: Array | None = None) -> Array:
        """All look-ups of a window's element at once, then one product."""
        images, channels = x.shape[:2]
        rows, columns = offset.shape[2:]
        height, width = weight.shape[2:]
        shifts = offset.reshape(images, self.deform_groups, height, width, 2, rows, columns).astype(np.float32)
        factors = mask.reshape(images, self.deform_groups, height, width, rows, columns).astype(np.float32)
        each = self.deform_groups, channels // self.deform_groups
        planes = x.astype(np.float32).reshape(images, *each, *x.shape[2:])
        seen = np.zeros((images, channels, height, width, rows, columns), np.float32)
        parts = seen.reshape(images, *each, height, width, rows, columns)
        for i, j in np.ndindex(height, width):
            down = np.arange(rows, dtype=np.float32)[:, None] * self.stride[0] - self.padding[0] + i * self.dilation[0]
            across = np.arange(columns, dtype=np.float32) * self.stride[1] - self.padding[1] + j * self.dilation[1]
            found = _look_up(planes, down + shifts[:, :, i, j, 0], across + shifts[:, :, i, j, 1])
            parts[:, :, :, i, j] = found * factors[:, :, None, i, j]
        split = seen.reshape(images, self.groups, int(np.prod(weight.shape[1:])), rows * columns)
        kernel = weight.astype(np.float32).reshape(self.groups, weight.shape[0] // self.groups, split.shape[2])
        made = np.matmul(kernel, split).reshape(images, weight.shape[0], rows, columns)
        if bias is not None:
            made = made + bias.astype(np.float32)[:, None, None]
        return np.asarray(made.astype(x.dtype))

    @staticmethod
    def examples() -> Iterator[tuple[ModulatedDeformConv, list[Any]]]:
        """Plain; strides, padding and dilation; both kinds of groups; shifts far outside; no image."""
        rng = np.random.default_rng(41)

        def given(op: ModulatedDeformConv, x: tuple[int, ...], weight: tuple[int, ...], spread: float = 1) -> list[Any]:
            places = [int(op._places(x[2 + axis], weight[2 + axis], axis)) for axis in (0, 1)]
            elements = op.deform_groups * weight[2] * weight[3]
            shapes = [x, (x[0], 2 * elements, *places), (x[0], elements, *places), weight]
            made = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
            made[1] *= spread
            return [*made, rng.standard_normal(weight[0]).astype(np.float32)]

        plain = ModulatedDeformConv()
        yield plain, given(plain, (1, 3, 7, 9), (4, 3, 3, 3))
        yield plain, [*given(plain, (2, 2, 6, 5), (5, 2, 2, 3))[:4], None]
        wide = ModulatedDeformConv((2, 1), (1, 2), (1, 2))
        yield wide, given(wide, (2, 4, 9, 8), (6, 4, 3, 3), 3)
        both = ModulatedDeformConv(padding=(1, 1), groups=2, deform_groups=4)
        yield both, given(both, (1, 8, 6, 70), (6, 4, 3, 3), 20)
        yield plain, given(plain, (0, 3, 5, 5), (4, 3, 3, 3))


def _look_up(planes: Array, rows: Array, columns: Array) -> Array:
    """planes [N, G, C, H, W] at rows and columns [N, G, OH, OW]: [N, G, C, OH, OW], bilinear, 0 outside."""
    height, width = planes.shape[3:]
    top, left = np.floor(rows), np.floor(columns)
    image, group = np.ix_(range(planes.shape[0]), range(planes.shape[1]))
    found = np.zeros((*planes.shape[:3], *rows.shape[2:]), np.float32)
    for row, down in ((top, 1 - (rows - top)), (top + 1, rows - top)):
        for column, across in ((left, 1 - (columns - left)), (left + 1, columns - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            places = np.where(inside, row, 0).astype(np.int64), np.where(inside, column, 0).astype(np.int64)
            seen = planes[image[..., None, None], group[..., None, None], :, places[0], places[1]]
            found += np.moveaxis(seen * (down * across * inside)[..., None], -1, 2)
    return found


def _numbers(op: ModulatedDeformConv) -> tuple[int, ...]:
    return (*op.stride, *op.padding, *op.dilation, op.groups, op.deform_groups)


@ew.tactic(ModulatedDeformConv, kernel=KERNELS["modulated_deform_conv_f32"])
def modulated_deform_conv(
    op: ModulatedDeformConv,
    x: ew.TensorSpec,
    offset: ew.TensorSpec,
    mask: ew.TensorSpec,
    weight: ew.TensorSpec,
    bias: ew.TensorSpec | None = None,
) -> ew.Launch | str:
    """Rows of the output side by side: what is looked up for one, then a product."""
    if reason := needs_float32(x):
        return reason
    elements = x.shape[1] * weight.shape[2] * weight.shape[3]
    return ew.Launch((*_numbers(op), TASKS), workspace=elements * offset.shape[3] * TASKS * 4)


@ew.tactic(ModulatedDeformConv, kernel=CUDA_KERNELS["modulated_deform_conv"])
def modulated_deform_conv_cuda(
    op: ModulatedDeformConv,
    x: ew.TensorSpec,
    offset: ew.TensorSpec,
    mask: ew.TensorSpec,
    weight: ew.TensorSpec,
    bias: ew.TensorSpec | None = None,
) -> ew.Launch | str:
    """All that is looked up, then a product in tiles."""
    if reason := needs_cuda_float(x):
        return reason
    elements = x.shape[1] * weight.shape[2] * weight.shape[3]
    places = x.shape[0] * offset.shape[2] * offset.shape[3]
    return ew.Launch(_numbers(op), workspace=elements * places * x.dtype.bits // 8)
