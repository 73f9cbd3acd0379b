"""Network's operator methods are what `make methods` writes from the operators."""

from __future__ import annotations

import ast

from enginewright.graph import write_methods


def test_methods_are_up_to_date() -> None:
    committed = write_methods.TARGET.read_text(encoding="utf-8")
    written = ast.unparse(ast.parse(write_methods.source()))  # ruff breaks the lines of the committed file
    assert ast.unparse(ast.parse(committed)) == written, "run `make methods` and commit the file"
