"""The public names: one table, the same in the type stub, each of them there and documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec

import pytest

import enginewright as ew
from tests.repo.sources import text


def stub_names() -> dict[str, str]:
    """Return name -> module of every import in the type stub."""
    tree = ast.parse(text("sdk/enginewright/__init__.pyi"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert all(alias.asname == alias.name for node in imports for alias in node.names), 'write "X as X": it re-exports'
    return {alias.name: f"{node.module}" for node in imports for alias in node.names}


def test_stub_and_table_agree() -> None:
    assert stub_names() == ew._HOME | {"deprecations": "enginewright"}


def test_public_names_are_sorted_by_use_and_unique() -> None:
    listed = [name for names in ew._PUBLIC.values() for name in names.split()]
    assert len(listed) == len(set(listed)) == len(ew._HOME)


@pytest.mark.parametrize("name", ew.__all__)
def test_name_is_there_and_documented(name: str) -> None:
    value = getattr(ew, name)
    assert name in dir(ew)
    assert not (callable(value) or isinstance(value, type)) or value.__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("name", ew._HOME)
def test_no_module_has_the_name_of_a_public_function(name: str) -> None:
    assert find_spec(f"enginewright.{name}") is None


def test_version() -> None:
    assert ew.__version__ == ".".join(str(number) for number in ew.__version_info__[:3])
    assert len(ew.__version_info__) == 4


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ew.nothing  # noqa: B018 - the look-up itself is what is tested


def test_import_is_light() -> None:
    """`import enginewright` loads none of the heavy packages: they come with the names that need them."""
    code = "import enginewright, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"numpy", "cffi", "onnx", "click", "rich", "msgspec", "enginewright.errors"} & set(loaded)
