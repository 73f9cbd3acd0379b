"""What all tests share: a cache folder of their own, Ctrl-C, and the same random examples on every machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's timing and plan caches out of the tests, those of child processes included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def gpu() -> None:
    """A machine without a GPU, or without the CUDA kernels, skips the tests that use this."""
    from enginewright.device.cuda import use_cuda
    from enginewright.errors import DeviceMissing, NativeError

    try:
        use_cuda()
    except (DeviceMissing, NativeError) as error:
        pytest.skip(error.message)


@pytest.fixture(scope="session", autouse=True)
def interrupt_key() -> None:
    """Ctrl-C works in the tests and their child processes, also where a shell started them in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
