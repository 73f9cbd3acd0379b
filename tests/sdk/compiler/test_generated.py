"""Generated inputs: by name and type, and the same numbers for ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.generated import InputRule, generate, rule_of
from enginewright.tensors import DataType

RULES = {
    "attention_mask": (ew.int64, None, ("constant", 1)),
    "flag": (ew.bool_, None, ("integers", 2)),
    "image": (ew.float32, None, ("normal", 0)),
    "position_ids": (ew.int64, 3, ("positions", 3)),
    "positions": (ew.int64, None, ("integers", 2)),
    "sr": (ew.int64, None, ("constant", 16000)),
    "ids": (ew.int32, 7, ("integers", 7)),
    "words": (ew.string, None, ("text", 0)),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_by_name_and_type(name: str) -> None:
    dtype, limit, expected = RULES[name]
    rule = rule_of(name, dtype, (2, 4), limit)
    assert (rule.kind, rule.limit) == expected
    made = generate(rule, 5)
    assert (made.shape, DataType.of(made)) == ((2, 4), dtype)
    np.testing.assert_array_equal(made, generate(rule, 5))
    if rule.kind in ("integers", "positions"):
        assert 0 <= made.min() <= made.max() < rule.limit


def test_normal_numbers() -> None:
    made = generate(rule_of("x", ew.float32, (100_000,)), 1)
    assert abs(made.mean()) < 0.02
    assert abs(made.std() - 1) < 0.02


def test_the_numbers_never_change() -> None:
    """A plan of an old release must be compared on the inputs that it was made with."""
    made = [generate(rule_of("x", dtype, (3, 50), 9), 7).tobytes() for dtype in (ew.float32, ew.float16, ew.int64)]
    assert hashlib.sha256(b"".join(made)).hexdigest()[:16] == "f2744bb4ead5e7d5"


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_scalars_and_empty_arrays(shape: tuple[int, ...]) -> None:
    for dtype in (ew.float32, ew.int64, ew.bool_):
        assert generate(rule_of("x", dtype, shape), 0).shape == shape


def test_unknown_rule() -> None:
    with pytest.raises(ValueError, match="kind 'other'"):
        generate(InputRule("x", 1, [2], "other"), 0)
