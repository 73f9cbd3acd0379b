"""Every broken model gives a typed error that names what is wrong, at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import enginewright as ew
from tests.sdk.onnx_io.bad_models import BadModel, collect_models

SECONDS = 1.0
CORPUS = collect_models()


def test_corpus_is_large_enough() -> None:
    """The number of broken models never falls below what was promised."""
    assert len({bad.name for bad in CORPUS}) == len(CORPUS) >= 45


@pytest.mark.parametrize("bad", CORPUS, ids=lambda bad: bad.name)
def test_bad_model(bad: BadModel, tmp_path: Path) -> None:
    """The error has the class, the name and the hint that a user needs, within a second."""
    path = bad.make(tmp_path)
    begin = time.perf_counter()
    with pytest.raises(bad.error) as caught:
        ew.build(path, ew.BuilderConfig(level=0))
    seconds = time.perf_counter() - begin
    text = str(caught.value)
    assert [name for name in bad.mentions if name not in text] == [], text
    assert caught.value.hint, text
    assert seconds < SECONDS, f"{seconds:.2f} s"
