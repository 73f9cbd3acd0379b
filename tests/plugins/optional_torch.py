"""PyTorch for tests that compare with it: without it just those are skipped, not the files they stand in."""

from __future__ import annotations

from typing import Any

import pytest


class _Torch:
    def __getattr__(self, name: str) -> Any:
        return getattr(pytest.importorskip("torch"), name)


torch: Any = _Torch()
