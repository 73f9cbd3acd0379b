"""Network's operator methods are what `make methods` writes from the operators."""

from __future__ import annotations

import ast

from enginewright.graph import write_methods


def test_methods_are_up_to_date() -> None:
    written = {name: _code(text) for name, text in write_methods.sources().items()}
    committed = {path.stem: _code(path.read_text(encoding="utf-8")) for path in write_methods.FOLDER.glob("*.py")}
    del committed["_adder"]
    assert committed == written, "run `make methods` and commit the files"


def _code(text: str) -> str:
    return ast.unparse(ast.parse(text))  # ruff breaks the lines of the committed files
