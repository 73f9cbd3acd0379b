"""The recipe: one spelling, any release up to this one, upgraded step by step."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from enginewright_compat.passport import Tolerance
from enginewright_compat.recipe import (
    AxisRange,
    InputRange,
    ProfileInfo,
    Recipe,
    Setting,
    SourceFile,
    SourceInfo,
    decode_recipe,
    encode_recipe,
)
from enginewright_compat.recipe_upgrades import SCHEMA, UPGRADES, upgrade

RECIPE = Recipe(
    schema=SCHEMA,
    source=SourceInfo("onnx", SourceFile("a.onnx", 12, "ab" * 32), (SourceFile("a.data", 5, "cd" * 32),)),
    settings=(Setting("level", "3"), Setting("target", '"cpu"')),
    profiles=(ProfileInfo("p", (InputRange("x", (AxisRange(1, 2, 3),)),)),),
    plugins=(),
    timings="ef" * 32,
    tolerance=Tolerance(1e-4, 0.0),
)


def test_round_trip() -> None:
    assert decode_recipe(encode_recipe(RECIPE)) == RECIPE


def plain() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode_recipe(RECIPE))
    return found


def encoded(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def damaged(**changes: Any) -> bytes:
    return encoded(plain() | changes)


BAD = {
    "no JSON": b"{",
    "no object": b"[]",
    "spaces": encode_recipe(RECIPE).replace(b",", b", ", 1),
    "no schema": encoded({key: value for key, value in plain().items() if key != "schema"}),
    "schema is text": damaged(schema="1"),
    "schema is 0": damaged(schema=0),
    "a newer schema": damaged(schema=SCHEMA + 1),
    "an unknown key": damaged(other=1),
    "a key is missing": encoded({key: value for key, value in plain().items() if key != "timings"}),
    "tolerance is a number": damaged(tolerance={"atol": 0, "rtol": 1}),
    "a setting is no JSON": damaged(settings=[{"name": "level", "value": "{"}]),
    "a setting is deep": damaged(settings=[{"name": "level", "value": "[" * 1000 + "]" * 1000}]),
    "an unknown format": damaged(source=plain()["source"] | {"format": "pickle"}),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recipes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_recipe(BAD[name])


def test_what_would_be_refused_is_not_written() -> None:
    with pytest.raises(ValueError, match="format"):
        encode_recipe(replace(RECIPE, source=replace(RECIPE.source, format="pickle")))


def test_every_schema_has_its_step() -> None:
    assert len(UPGRADES) + 1 == SCHEMA


def rename(recipe: dict[str, object]) -> dict[str, object]:
    """A step: `config` became `settings`."""
    return {"settings": recipe.pop("config"), **recipe}


def add(recipe: dict[str, object]) -> dict[str, object]:
    """Another: `tolerance` is new."""
    return {**recipe, "tolerance": {"rtol": "0x0.0p+0", "atol": "0x0.0p+0"}}


def test_an_old_schema_is_upgraded_step_by_step() -> None:
    old: dict[str, object] = {"schema": 1, "config": [1]}
    assert upgrade(old, (rename, add)) == {
        "schema": 3,
        "settings": [1],
        "tolerance": {"rtol": "0x0.0p+0", "atol": "0x0.0p+0"},
    }
    assert old == {"schema": 1, "config": [1]}, "what was read stays as it is"
    assert upgrade({"schema": 2, "settings": [1]}, (rename, add))["schema"] == 3
    assert upgrade({"schema": 4, "a": 1}, (rename, add)) == {"schema": 4, "a": 1}


def test_a_step_on_what_is_no_recipe() -> None:
    with pytest.raises(ValueError, match="not a recipe of schema 1"):
        upgrade({"schema": 1}, (rename, add))
