"""Checks that the shape rules of the bundled plugins share."""

from __future__ import annotations

from collections.abc import Mapping

import enginewright as ew

FLOATS = (ew.float32, ew.float16, ew.bfloat16, ew.float64)
CUDA_FLOATS = FLOATS[:3]


def check_rank(name: str, spec: ew.TensorSpec, *ranks: int) -> None:
    """`ShapeError` where a tensor has none of these ranks."""
    if spec.rank not in ranks:
        allowed = " or ".join(map(str, ranks))
        raise ew.ShapeError(f"{name} has {spec.rank} axes", hint=f"Give a tensor with {allowed} axes.")


def check_float(name: str, spec: ew.TensorSpec, like: ew.TensorSpec | None = None) -> None:
    """`DataTypeError` where a tensor is no floating point, or has another type than the one beside it."""
    if spec.dtype not in FLOATS or (like is not None and spec.dtype is not like.dtype):
        wanted = str(like.dtype) if like is not None else "a floating point type"
        raise ew.DataTypeError(f"{name} is {spec.dtype}", hint=f"Cast it to {wanted}.")


def check_integer(name: str, spec: ew.TensorSpec) -> None:
    """`DataTypeError` where a tensor is neither int32 nor int64."""
    if spec.dtype not in (ew.int32, ew.int64):
        raise ew.DataTypeError(f"{name} is {spec.dtype}", hint="Cast it to int32 or int64.")


def check_fields(where: str, wrong: Mapping[str, bool]) -> None:
    """`NetworkError` that names the first field whose value is wrong."""
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ew.NetworkError(f"{where}: {message}", hint="Correct this field of the layer, or attribute.")


def needs_float32(*specs: ew.TensorSpec | None) -> str:
    """Why the native kernels, which are for float32, can't run a layer; empty if they can."""
    found = next((s.dtype for s in specs if s is not None and s.dtype.is_float and s.dtype is not ew.float32), None)
    return "" if found is None else f"needs float32, not {found}"


def needs_cuda_float(spec: ew.TensorSpec) -> str:
    """Why the kernels for GPUs can't run a layer; empty if they can."""
    return "" if spec.dtype in CUDA_FLOATS else f"needs float32, float16 or bfloat16, not {spec.dtype}"
