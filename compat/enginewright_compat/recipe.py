"""The recipe of a plan: what it was built from and how, so that any release can build it again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from enginewright_compat.passport import PluginUse, Tolerance
from enginewright_compat.recipe_upgrades import SCHEMA, upgrade
from enginewright_compat.records import canonical_json, from_plain, parse_canonical, to_plain


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a plan was built from: name, bytes, SHA-256 in hex. Weights beside a model count as files, too."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """The model behind a plan.

    `format` is "onnx" or "network"; `model.file` is empty if it did not come from a file; `data` are the files that
    hold its weights, by their places in its folder.
    """

    format: str
    model: SourceFile
    data: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """An option of the build by name; `value` is JSON."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class AxisRange:
    """The sizes of one axis that an engine accepts, and the one that it is tuned for."""

    min: int
    opt: int
    max: int


@dataclass(frozen=True, slots=True)
class InputRange:
    """The range of shapes of one input."""

    name: str
    axes: tuple[AxisRange, ...]


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """One optimization profile."""

    name: str
    inputs: tuple[InputRange, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The content of the RECIPE section; `timings` is the SHA-256 in hex of the timings that decided."""

    schema: int
    source: SourceInfo
    settings: tuple[Setting, ...]
    profiles: tuple[ProfileInfo, ...]
    plugins: tuple[PluginUse, ...]
    timings: str
    tolerance: Tolerance


def encode_recipe(recipe: Recipe) -> bytes:
    """Return the bytes of the RECIPE section; raise ValueError if the recipe breaks a rule."""
    data = canonical_json(to_plain(recipe))
    decode_recipe(data)
    return data


def decode_recipe(data: bytes) -> Recipe:
    """Return the recipe in the bytes of a section of any release up to this one; raise ValueError that names the fault.

    A recipe of an older schema is upgraded step by step; one of a newer schema cannot be read.
    """
    plain = parse_canonical(data)
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if not isinstance(plain, dict) or type(schema) is not int:
        raise ValueError("not a recipe: no schema")
    recipe = from_plain(Recipe, upgrade(plain), strict=True)
    if recipe.schema != SCHEMA:
        raise ValueError(f"schema {recipe.schema} is newer than {SCHEMA}, the newest that this release reads")
    if recipe.source.format not in ("onnx", "network"):
        raise ValueError(f"the source has the format {recipe.source.format!r}")
    try:
        for setting in recipe.settings:
            json.loads(setting.value)
    except RecursionError:
        raise ValueError("a setting is nested too deeply") from None
    return recipe
