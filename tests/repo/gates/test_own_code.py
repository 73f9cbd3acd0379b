"""Gate 11: our own code, plugins, examples, tests and pages use nothing deprecated, and warnings are errors there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import enginewright as ew
from tests.compat.deprecation.conftest import library as library
from tests.repo.sources import ROOT, python_files, text, tracked

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SAMPLE = "tests/compat/deprecation/"  # its library is another one


def page_code(folder: Path) -> list[str]:
    """Write the code of each page into a file."""
    made = []
    for name in tracked("README.md", "docs/*.md"):
        code = "\n".join(BLOCK.findall(text(name)))
        path = folder / f"{name.replace('/', '_')}.py"
        path.write_text(code, encoding="utf-8")
        made.append(str(path))
    return made


def test_this_tree(tmp_path: Path) -> None:
    sources = [str(ROOT / name) for name in python_files() if not name.startswith(SAMPLE)]
    found = ew.deprecations.scan([*sources, *page_code(tmp_path)])
    assert found.findings == ()
    assert found.files == len(sources) + len(list(tmp_path.iterdir()))


def test_warnings_are_errors_in_every_test_and_page() -> None:
    settings = tomllib.loads(text("pyproject.toml"))["tool"]["pytest"]["ini_options"]
    first, *others = settings["filterwarnings"]
    assert first == "error"
    assert all(rule.endswith(":pytest.PytestAssertRewriteWarning") for rule in others)


def test_broken(library: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import acme_lib\nacme_lib.old_total(1, 2)\n")
    assert len(ew.deprecations.scan([str(tmp_path)]).findings) == 1
