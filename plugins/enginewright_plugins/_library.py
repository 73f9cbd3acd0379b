"""The libraries with the kernels of the bundled plugins; native/ beside this file holds their sources."""

from __future__ import annotations

import enginewright as ew

KERNELS = ew.library("libenginewright_plugins.so")
CUDA_KERNELS = ew.library("libenginewright_plugins_cuda.so", target="cuda")
"""Built where nvcc is installed; each kernel takes float32, float16 and bfloat16."""
