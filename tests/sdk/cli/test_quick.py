"""The plain forms of `plan check` and `plan info` answer exactly as the commands do, and leave all else to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from enginewright.cli import _quick
from enginewright.cli._group import group
from enginewright.cli._running import run
from tests.compat.artifacts import example_plan
from tests.golden.plans import golden
from tests.sdk.cli.test_plan import other_release

PLAIN = ["check A", "check A B", "check A C", "check A --json", "check --json B --strict", "info A", "info B --json"]
OTHER = [
    "", "check", "check --help", "check A --against 1.4.2+5", "check -v A", "check A --unknown", "info", "info A B",
    "info A --strict", "info C", "info --json C", "verify A", "check --",
]  # fmt: skip


@pytest.fixture
def words(tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """Write the files A (loads), B (of another release), C (damaged); return a command with their paths."""
    contents = {"A": golden("mlp"), "B": other_release(), "C": example_plan()[:-1]}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    text: str = request.param
    return [str(tmp_path / word) if word in contents else word for word in text.split()]


@pytest.mark.parametrize("words", PLAIN, indirect=True)
def test_answers_as_the_command_does(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = _quick.answer(words)
    quick = capsys.readouterr()
    assert (code, quick) == (run(group, ["plan", *words]), capsys.readouterr())
    assert quick.out


@pytest.mark.parametrize("words", OTHER, indirect=True)
def test_leaves_the_rest_to_the_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _quick.answer(words) is None
    assert capsys.readouterr() == ("", "")
