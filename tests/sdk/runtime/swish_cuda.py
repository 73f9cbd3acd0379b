"""Swish for GPUs in each way that there is: CUDA source, cupy, torch, Triton, a prebuilt library; and ways that fail.

Imported by the process that loads saved plans, too. `counts` tells how often each Python function ran.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.registry.registry import registry

SOURCE = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>
template <class T>
__global__ void swish(const T *x, T *y, long long n, float beta) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) y[i] = T(float(x[i]) / (1.0f + expf(-beta * float(x[i]))));
}
"""
TYPES = {ew.float32: "float", ew.float16: "__half", ew.bfloat16: "__nv_bfloat16"}
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "plugins" / "swish_cuda.cu"
LIBRARY = Path(tempfile.gettempdir()) / f"enginewright-tests-{os.getuid()}" / "libswish_cuda.so"
counts: Counter[str] = Counter()
HAS = {name: importlib.util.find_spec(name) is not None for name in ("cupy", "torch", "triton")}


def build_library() -> None:
    """Compile the example of the documentation, once; it goes when this process ends."""
    LIBRARY.parent.mkdir(mode=0o700, exist_ok=True)
    if not LIBRARY.exists():
        command = ["nvcc", "-shared", "-Xcompiler", "-fPIC", "-arch=native", f"-I{ew.header_folder()}", str(EXAMPLE)]
        subprocess.run([*command, "-o", str(LIBRARY)], check=True)
        atexit.register(LIBRARY.unlink)


def operator(name: str) -> Any:
    """Swish under another name, so that a test chooses its tactics."""

    class Swish:
        """x * sigmoid(beta x)."""

        beta: float = 1.5

        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            """Same type and shape."""
            return x

        def reference(self, x: Any) -> Any:
            """In float32."""
            wide = x.astype(np.float32)
            return (wide / (1 + np.exp(-np.float32(self.beta) * wide))).astype(x.dtype)

    Swish.__qualname__ = Swish.__name__ = name
    return ew.operator(f"acme_gpu::{name}", version=1)(Swish)


def source_of(dtype: ew.DataType) -> Any:
    """The kernel in CUDA source for a type."""
    return ew.cuda_source(SOURCE, f"swish<{TYPES[dtype]}>")


def source_launch(op: Any, x: ew.TensorSpec) -> ew.Launch:
    """A thread for each element."""
    return ew.Launch(params=(x.size, ew.f32(op.beta)), grid=(ew.ceil_div(x.size, 256),))


@ew.device_function
def swish_cupy(x: Any, y: Any, beta: float, *, stream: int) -> None:
    """With an elementwise kernel of cupy."""
    import cupy

    counts["cupy"] += 1
    if "cupy" not in _kernels:
        text = "y = T(float(x) / (1.0f + expf(-beta * float(x))))"
        _kernels["cupy"] = cupy.ElementwiseKernel("T x, float32 beta", "T y", text, "swish_cupy")
    _kernels["cupy"](cupy.asarray(x), np.float32(beta), cupy.asarray(y))


_kernels: dict[str, Any] = {}


@ew.device_function
def swish_torch(x: Any, y: Any, scratch: Any, beta: float, *, stream: int) -> None:
    """With torch, whose steps between lie in the workspace."""
    import torch

    counts["torch"] += 1
    given, made = torch.from_dlpack(x), torch.from_dlpack(y)
    between = torch.from_dlpack(scratch)[: x.nbytes].view(given.dtype).view(given.shape)
    torch.mul(given, beta, out=between)
    torch.sigmoid(between, out=between)
    torch.mul(given, between, out=made)


@ew.device_function
def swish_triton(x: Any, y: Any, n: int, beta: float, *, stream: int) -> None:
    """With Triton, which takes the arrays as they are."""
    counts["triton"] += 1
    if n:
        from tests.sdk.runtime.swish_triton import kernel

        kernel[(-(-n // 1024),)](x, y, n, beta, BLOCK=1024)


def tactics_for(name: str) -> Any:
    """An operator with one tactic."""
    cls = operator(f"Swish{name.capitalize()}")
    add_tactic(cls, name)
    return cls


def add_tactic(cls: Any, name: str) -> None:
    """Give an operator one of the ways."""
    if name == "source":

        @ew.tactic(cls, kernel=source_of(ew.float32))
        def swish_source(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
            return source_launch(op, x) if x.dtype is ew.float32 else "needs float32"

        @ew.tactic(cls, kernel=source_of(ew.float16))
        def swish_source_half(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
            return source_launch(op, x) if x.dtype is ew.float16 else "needs float16"

        @ew.tactic(cls, kernel=source_of(ew.bfloat16))
        def swish_source_bfloat(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
            return source_launch(op, x) if x.dtype is ew.bfloat16 else "needs bfloat16"

    elif name == "library":

        @ew.tactic(cls, kernel=ew.library(LIBRARY, target="cuda")["swish_f32"], inplace={0: "x"})
        def swish_library(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
            return ew.Launch(params=(x.size, op.beta)) if x.dtype is ew.float32 else "needs float32"

    elif name == "cupy":

        @ew.tactic(cls, kernel=swish_cupy)
        def swish_with_cupy(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
            return ew.Launch(params=(op.beta,)) if x.dtype in TYPES and x.dtype is not ew.bfloat16 else "no kernel"

    elif name == "torch":

        @ew.tactic(cls, kernel=swish_torch)
        def swish_with_torch(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
            return ew.Launch(params=(op.beta,), workspace=x.nbytes) if x.dtype in TYPES else "no kernel"

    elif name == "triton":

        @ew.tactic(cls, kernel=swish_triton)
        def swish_with_triton(op: Any, x: ew.TensorSpec) -> ew.Launch | str:
            return ew.Launch(params=(x.size, op.beta)) if x.dtype in TYPES else "no kernel"


WAYS = ("source", "library", *(name for name, there in HAS.items() if there))
with registry.isolated():  # other tests go through all operators that are known
    OPERATORS = {name: tactics_for(name) for name in WAYS}
    ALL = operator("SwishAll")
    for way in WAYS:
        add_tactic(ALL, way)
    _OPERATORS = {cls.KEY: cls for cls in (*OPERATORS.values(), ALL)}
    _TACTICS = {key: registry.tactics[key] for key in _OPERATORS}


def register() -> None:
    """Make them known, until the registry is what it was before."""
    registry.operators.update(_OPERATORS)
    registry.tactics.update(_TACTICS)
