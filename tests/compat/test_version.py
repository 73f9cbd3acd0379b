"""The four numbers: a release has them built in, a tree computes them, and any edit of a source changes them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from enginewright_compat import version
from enginewright_compat.version import Version, development_version, parse_version, running_version, write_version

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh_cache() -> Iterator[None]:
    """Let `running_version` compute again, before and after."""
    running_version.cache_clear()
    yield
    running_version.cache_clear()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a small source tree."""
    for name, text in {
        "pyproject.toml": '[project]\nname = "enginewright"\nversion = "3.4.5"\n',
        "sdk/enginewright/__init__.py": '"""SDK."""\n',
        "compat/enginewright_compat/version.py": Path(version.__file__).read_text(),
        "native/cpu/add.cpp": "int add;\n",
        "plugins/enginewright_plugins/__init__.py": "\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_this_tree_is_a_development_build() -> None:
    running = running_version()
    assert running.is_development
    assert str(running) == f"{running.public}.dev0+{running.build:08x}"
    assert running == development_version(ROOT)


@pytest.mark.parametrize(
    "text", ["1.4.2+1873", "0.0.0+0", "4294967295.1.0+2147483647", "1.5.0.dev0+9fa9c17e", "1.5.0.dev0+80000000"]
)
def test_text_and_back(text: str) -> None:
    assert str(parse_version(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2.3",
        "1.2+3",
        "01.2.3+4",
        "1.2.3+04",
        "1.2.3+4 ",
        "1.2.3+4294967296",
        "1.2.3+2147483648",
        "4294967296.0.0+1",
        "1.2.3.dev0+7fffffff",
        "1.2.3.dev0+9FA9C17E",
        "1.2.3.dev1+9fa9c17e",
        "-1.2.3+4",
        "1.2.3+" + "9" * 5000,
        "\u0661.2.3+4",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="four numbers"):
        parse_version(text)


def test_numbers_of_a_tree(tree: Path) -> None:
    found = development_version(tree)
    assert found[:3] == (3, 4, 5)
    assert found.is_development
    assert found == development_version(tree)


@pytest.mark.parametrize(
    "edited", ["pyproject.toml", "sdk/enginewright/__init__.py", "native/cpu/add.cpp", "native/cpu/new.cu"]
)
def test_any_edit_gives_another_build(tree: Path, edited: str) -> None:
    before = development_version(tree).build
    with (tree / edited).open("a") as file:
        file.write("# edited\n")
    assert development_version(tree).build != before


def test_moving_a_source_gives_another_build(tree: Path) -> None:
    before = development_version(tree).build
    shutil.move(tree / "native/cpu/add.cpp", tree / "native/cpu/sum.cpp")
    assert development_version(tree).build != before


@pytest.mark.parametrize(
    "name",
    [
        "sdk/enginewright/__pycache__/x.py",
        "sdk/enginewright/_native/_abi.py",
        "sdk/enginewright/_native/libenginewright.so",
        "compat/enginewright_compat/_version.py",
        "sdk/.cache/x.py",
        "build/x.py",
    ],
)
def test_what_is_built_is_no_source(tree: Path, name: str) -> None:
    before = development_version(tree).build
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text("VERSION = (1, 2, 3, 4)\n")
    assert development_version(tree).build == before


def write_with_script(tree: Path, *arguments: str) -> Path:
    """Run the script as a build does, and return what it wrote."""
    output = tree / "_version.py"
    script = tree / "compat/enginewright_compat/version.py"
    subprocess.run([sys.executable, str(script), str(output), *arguments], check=True, cwd=tree)
    return output


def test_script_writes_the_numbers_of_the_tree(tree: Path) -> None:
    expected = development_version(tree)
    written = write_with_script(tree).read_text()
    assert f"VERSION = ({', '.join(map(str, expected))})" in written


def test_script_writes_given_numbers(tree: Path) -> None:
    assert "VERSION = (9, 8, 7, 6)" in write_with_script(tree, "9.8.7+6").read_text()


def test_script_writes_the_running_numbers(tmp_path: Path) -> None:
    version.main([str(tmp_path / "_version.py")])
    assert str(tuple(running_version())) in (tmp_path / "_version.py").read_text()


def test_release_numbers_win_in_a_tree_and_development_ones_do_not(tree: Path) -> None:
    script = tree / "compat/enginewright_compat/version.py"
    built = script.with_name("_version.py")
    write_version(built, Version(3, 4, 5, 77))
    assert "(3, 4, 5, 77)" in write_with_script(tree).read_text()
    write_version(built, Version(3, 4, 5, version.DEVELOPMENT | 77))
    assert f"(3, 4, 5, {development_version(tree).build})" in write_with_script(tree).read_text()


@pytest.mark.usefixtures("fresh_cache")
def test_installed_package_uses_what_was_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "site" / "enginewright_compat"
    package.mkdir(parents=True)
    monkeypatch.setattr(version, "__file__", str(package / "version.py"))
    with pytest.raises(RuntimeError, match="incomplete"):
        running_version()
    write_version(package / "_version.py", Version(1, 2, 3, version.DEVELOPMENT | 5))
    assert running_version() == (1, 2, 3, version.DEVELOPMENT | 5)
