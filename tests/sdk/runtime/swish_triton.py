"""The kernel of Triton for the tests of plugins on a GPU; Triton reads sources, so it is a module of its own."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def kernel(x, y, n, beta, BLOCK: tl.constexpr):
    """y = x * sigmoid(beta x)."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    given = tl.load(x + at, mask=at < n).to(tl.float32)
    tl.store(y + at, given / (1 + tl.exp(-beta * given)), mask=at < n)
