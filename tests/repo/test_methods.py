"""Network's operator methods are what `make methods` writes from the operators."""

from __future__ import annotations

from enginewright.graph import write_methods


def test_methods_are_up_to_date() -> None:
    committed = write_methods.TARGET.read_text(encoding="utf-8")
    assert committed == write_methods.source(), "run `make methods` and commit the file"
