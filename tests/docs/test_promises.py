"""Each promise on the pages about plans names the test that keeps it, and that test is there."""

from __future__ import annotations

import ast
import re

import pytest

from enginewright_compat.layout import MAX_DIMENSION, MAX_NAME, MAX_PASSPORT, MAX_RANK, MAX_RECORDS, MAX_SECTIONS
from tests.repo.sources import ROOT, text, tracked

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PAGES = ("docs/compatibility.md", "docs/signing.md", "docs/safety.md", "docs/limits.md")


@pytest.mark.parametrize("page", [name for name in tracked("docs/*.md") if NAMED.search(text(name))])
def test_tests_that_a_page_names_exist(page: str) -> None:
    for file, function in NAMED.findall(text(page)):
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not function or function in names, f"{page}: {file} has no {function}"


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_tests(page: str) -> None:
    assert NAMED.search(text(page))


def test_limits_are_those_of_the_code() -> None:
    page = text("docs/limits.md")
    for number in (
        f"{MAX_SECTIONS}",
        f"{MAX_PASSPORT >> 10} KiB",
        f"{MAX_RECORDS:,}",
        f"{MAX_NAME:,} bytes",
        f"{MAX_RANK}",
    ):
        assert f"| {number}" in page, number
    assert MAX_DIMENSION == 2**31 - 1


def test_the_table_of_rules_is_not_written_by_hand() -> None:
    page = text("docs/compatibility.md")
    assert "```{load-rules}" in page
    assert "| L1 |" not in page
