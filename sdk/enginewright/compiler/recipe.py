"""Writes how a plan was built into its recipe, and makes the build configuration of a recipe again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_type_hints

import msgspec

from enginewright.compiler.config import BuilderConfig, Profile
from enginewright.compiler.report import BuildReport
from enginewright.errors import ConfigError
from enginewright.graph.network import Network
from enginewright.onnx_io.origin import recipe_error
from enginewright.plan.meta import ProfileRecord
from enginewright.plan.plan import Plan
from enginewright_compat.passport import Tolerance
from enginewright_compat.recipe import AxisRange, InputRange, ProfileInfo, Recipe, Setting, SourceInfo
from enginewright_compat.recipe_upgrades import SCHEMA

APART = frozenset({"profiles", "timing_cache", "error_on_timing_cache_miss", "recipe"})
"""Options that are no setting: profiles have their own place, a cache is no part of the result, and what a rebuilt
plan carries follows from what the old one did."""

RTOL_FLOAT32, RTOL_INT8 = 1e-4, 2e-2
QUANTIZED = frozenset(
    {
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "MatMulInteger",
        "ConvInteger",
        "QLinearMatMul",
        "QLinearConv",
    }
)


def default_rtol(network: Network | None) -> float:
    """The tolerance for a network's numbers: wider where it is quantized."""
    names = {layer.key.name for layer in network.layers} if network else set()
    return RTOL_INT8 if names & QUANTIZED else RTOL_FLOAT32


def make_recipe(config: BuilderConfig, source: SourceInfo, plan: Plan) -> Recipe:
    """The recipe of a plan."""
    return Recipe(
        schema=SCHEMA,
        source=source,
        settings=tuple(_settings(config)),
        profiles=tuple(map(_profile_info, plan.meta.profiles)),
        plugins=plan.passport.plugins,
        timings=timings_digest(plan.report),
        tolerance=plan.passport.tolerance or Tolerance(0.0, 0.0),
    )


def _profile_info(record: ProfileRecord) -> ProfileInfo:
    inputs = (
        InputRange(name, tuple(AxisRange(*axis) for axis in axes)) for name, axes in sorted(record.shapes.items())
    )
    return ProfileInfo(record.name, tuple(inputs))


def _settings(config: BuilderConfig) -> Iterator[Setting]:
    """Yield every option, those at their defaults too, because a later release may have others."""
    for item in sorted(fields(config), key=lambda item: item.name):
        value = getattr(config, item.name)
        if item.name not in APART:
            yield Setting(item.name, msgspec.json.encode(value, order="sorted").decode())


def timings_digest(report: BuildReport) -> str:
    """The SHA-256 of all timings that decided, as hex."""
    used = [[item.layer, [[c.tactic, c.kernel, c.nanoseconds] for c in item.candidates]] for item in report.layers]
    return hashlib.sha256(json.dumps(used, separators=(",", ":")).encode()).hexdigest()


def config_of(recipe: Recipe, /, **changes: Any) -> BuilderConfig:
    """The build configuration of a recipe; `PlanRecipeError` where this release has no such option any more."""
    known = {item.name for item in fields(BuilderConfig)} - APART
    given = {setting.name: json.loads(setting.value) for setting in recipe.settings}
    if given.keys() - known:
        unknown = ", ".join(sorted(given.keys() - known))
        hint = "Build anew from the model, with options that this release has: enginewright build."
        raise recipe_error(f"the recipe has options that this release lacks: {unknown}", "settings", unknown, hint=hint)
    profiles, kinds = tuple(_profile(item) for item in recipe.profiles), get_type_hints(BuilderConfig)
    try:
        checked = {name: msgspec.convert(value, kinds[name]) for name, value in given.items()}
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in checked.items()}
        return BuilderConfig(**({"profiles": profiles} | values | changes))
    except (ConfigError, TypeError, ValueError) as error:
        text = error.message if isinstance(error, ConfigError) else str(error)
        hint = "Build anew from the model, with options that this release has: enginewright build."
        raise recipe_error(f"the recipe cannot be followed: {text}", "settings", hint=hint) from error


def _profile(info: ProfileInfo) -> Profile:
    shapes = {
        item.name: ([a.min for a in item.axes], [a.opt for a in item.axes], [a.max for a in item.axes])
        for item in info.inputs
    }
    return Profile(shapes, info.name)
