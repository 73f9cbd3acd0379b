"""What tests of several rooms share: operators written in every way that a kernel for GPUs can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def swish_library(gpu: None) -> None:
    """The compiled kernels of the operators of `swish_cuda`."""
    from tests.sdk.runtime import swish_cuda

    swish_cuda.build_library()


@pytest.fixture
def swish_operators() -> Iterator[None]:
    """The operators of `swish_cuda` are known; what a test declares is forgotten after it."""
    from enginewright.registry.registry import registry
    from tests.sdk.runtime import swish_cuda

    with registry.isolated():
        swish_cuda.register()
        yield
