"""Gate 4: the marks in the sources, and those of the imported packages, agree with the registry, both ways."""

from __future__ import annotations

from typing import Any

import pytest

import enginewright as ew
from enginewright_release.decorators import mark_problems, walk_problems
from enginewright_release.snapshot import members
from tests.compat.deprecation.conftest import LIBRARY
from tests.repo.gates.registry import EXAMPLE, TREE, example, registry
from tests.repo.sources import python_files, text

MARK = '@deprecated("EW-D0012: use new")\ndef old(): ...\n'


def public_objects() -> dict[str, Any]:
    """Return every public name, and the members of every public class."""
    found: dict[str, Any] = {}
    for name in ew.__all__:
        value = getattr(ew, name)
        found[f"enginewright.{name}"] = value
        if isinstance(value, type):
            found |= {f"enginewright.{name}.{inner}": each for inner, each in members(value)}
    return found


def test_this_tree() -> None:
    sources = {name: text(name) for name in [*python_files("sdk", "plugins"), "native/include/enginewright.h"]}
    assert mark_problems(sources, TREE.deprecations(), TREE.version) == []
    assert walk_problems(public_objects(), TREE.deprecations()) == []


@pytest.mark.parametrize(
    ("source", "entry", "problem"),
    [
        (MARK, example(id="EW-D0013"), "EW-D0012 is not in the registry"),
        (MARK, example(replacement="enginewright.newer"), "the text is"),
        ('@deprecated("EW-D0012")\ndef old(): ...\n', EXAMPLE, "the text is"),
        ("def old(): ...\n", EXAMPLE, "is marked nowhere"),
        ('warn_deprecated("EW-D0012: use this")\n', EXAMPLE, "the text is"),
    ],
)
def test_broken(source: str, entry: Any, problem: str) -> None:
    assert mark_problems({"a.py": MARK}, registry(EXAMPLE), "1.4.0") == []
    assert problem in " ".join(mark_problems({"a.py": source}, registry(entry), "1.4.0"))


def test_broken_seen_from_the_package() -> None:
    marked: Any = type("Marked", (), {"__deprecated__": "EW-D0012: use new"})
    assert walk_problems({"enginewright.old": marked}, registry(EXAMPLE)) == []
    assert walk_problems({"enginewright.other": marked}, registry(EXAMPLE)) != []
    assert walk_problems({"enginewright.old": property(marked)}, {}) != []


def test_every_form_of_a_mark_is_seen() -> None:
    from enginewright_compat.deprecation.registry import read_deprecations

    entries = read_deprecations(LIBRARY / "deprecations.toml")
    sources = {path.name: path.read_text() for path in [*(LIBRARY / "acme_lib").glob("*.py"), LIBRARY / "acme.h"]}
    assert mark_problems(sources, entries, "1.4.0") == []
