"""The fixture of all tests of the kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.testing.modules import planting


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Any]:
    """A function that makes a plugin of a text."""
    with planting(tmp_path) as plant:
        yield plant
