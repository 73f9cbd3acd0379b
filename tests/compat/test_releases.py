"""The table of releases: a version without its build is found there, anything unknown is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from enginewright_compat.releases import find_release, known_releases, read_releases
from enginewright_compat.version import Version

FACTS = 'date = 2026-02-01\nabi = "1.2"\nformat = "1.0"\nrecipe_schema = 1\n'
TABLE = f'["1.4.2"]\nbuild = 1873\n{FACTS}["1.5.0"]\nbuild = 1902\n{FACTS}'


def test_known_releases_are_those_of_the_file() -> None:
    assert list(known_releases().values()) == sorted(known_releases().values()), "builds only grow"


def test_release_without_its_build(tmp_path: Path) -> None:
    path = tmp_path / "releases.toml"
    path.write_text(TABLE)
    known = read_releases(path)
    assert find_release("1.4.2", known) == Version(1, 4, 2, 1873)
    assert find_release("1.5.0+7", known) == Version(1, 5, 0, 7)
    assert find_release("1.5.0.dev0+9fa9c17e", known).is_development


@pytest.mark.parametrize("text", ["1.4.3", "", "latest", "1.4", "1.4.2+", "x" * 500])
def test_unknown_releases(text: str) -> None:
    with pytest.raises(ValueError, match=r"1\.4\.2") as caught:
        find_release(text, {"1.4.2": Version(1, 4, 2, 1873)})
    assert len(str(caught.value)) < 200
