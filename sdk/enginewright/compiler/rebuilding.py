"""Builds a plan of any release again from its recipe, and proves on its probes that the new one computes the same."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from enginewright.compiler.builder import Read, build_origin
from enginewright.compiler.config import Profile
from enginewright.compiler.differences import OutputComparison
from enginewright.compiler.probes import compare_probes
from enginewright.compiler.recipe import config_of
from enginewright.errors import AccuracyError, EnginewrightError, PlanDetails, PlanKindMismatch
from enginewright.onnx_io.origin import DIGEST, FULL, Origin, check_model, read_again, recipe_error, source_file
from enginewright.onnx_io.parser import parse
from enginewright.plan.artifact import Artifact, Kind, Section, check_file
from enginewright.plan.plan import Plan
from enginewright.plan.plugin_check import check_plugins
from enginewright.progress import ProgressMonitor
from enginewright.trust import Trust, check_trust_option, judge_trust
from enginewright.verdict import as_error
from enginewright_compat.recipe import Recipe, decode_recipe

_log = logging.getLogger("enginewright.plan")

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A plan built again: where its model came from, and each output on the probes of the old plan, if it has any."""

    plan: Plan
    model: str
    outputs: tuple[OutputComparison, ...]


def rebuild(
    old: PathLike,
    *,
    model: PathLike | None = None,
    profiles: Sequence[Profile] | None = None,
    timing_cache: str | None = None,
    trust: Trust = None,
    progress: ProgressMonitor | None = None,
) -> Rebuilt:
    """Build the plan file of any release again for this release and machine; the file stays as it is.

    The model is the one in the plan, else `model`, else the file of the recorded name beside the plan; its SHA-256 must
    be the recorded one. `profiles` replaces the recorded ones. Raises `PlanRecipeError` where the plan has no recipe or
    the model is missing or another one, `PluginNotFound` for all missing plugins, `AccuracyError` where the new plan
    computes something else on the probes, a `PlanError` for a damaged or untrusted file, and whatever a build raises.
    """
    check_trust_option(trust)
    artifact, container, _ = check_file(old)
    if artifact.kind is not Kind.PLAN:
        raise PlanKindMismatch(
            f"this is a {artifact.kind.label}, not a plan",
            hint="Only plans can be rebuilt.",
            where=artifact.where,
            details=PlanDetails(artifact.kind.label, "kind", artifact.kind.label, "plan"),
        )
    untrusted = judge_trust(container.header, has_code=container.prefix.has_code, trust=trust)
    if untrusted is not None:
        raise as_error(untrusted, artifact.kind.label, artifact.where)
    recipe = _recipe(artifact)
    if recipe.plugins:
        check_plugins(recipe.plugins, artifact.kind.label, artifact.where, any_version=True)
    read, mode, place = _find_source(artifact, recipe, None if model is None else Path(model))
    changes: dict[str, Any] = {} if profiles is None else {"profiles": tuple(profiles)}
    config = config_of(recipe, recipe=mode, timing_cache=timing_cache, **changes)
    plan = build_origin(read, config, progress=progress)
    return Rebuilt(plan, place, _compare(plan, artifact, recipe, other_shapes=profiles is not None))


def _recipe(artifact: Artifact) -> Recipe:
    section = artifact.sections.get(Section.RECIPE)
    if section is None:
        hint = "Build it anew from the model: enginewright build MODEL -o PLAN."
        raise recipe_error("the plan has no recipe", "RECIPE", "no such section", "one", hint=hint)
    try:
        return decode_recipe(bytes(section))
    except ValueError as error:
        hint = "Build it anew from the model, or with the release that wrote it."
        raise recipe_error(f"the recipe cannot be read: {error}", "RECIPE", str(error), hint=hint) from None


def _find_source(artifact: Artifact, recipe: Recipe, given: Path | None) -> tuple[Read, str, str]:
    """How to import the model, the kind of recipe for the new plan, and where the model is."""
    info, inside = recipe.source, artifact.sections.get(Section.SOURCE)
    if inside is not None:
        content = bytes(inside)
        if not info.data and source_file(info.model.file, content) != info.model:
            raise recipe_error("the model in the plan is not the one that its recipe names", "SOURCE")
        return (lambda replacer: read_again(content, info, replacer)), FULL, f"SOURCE of {artifact.where}"
    if given is None and not info.model.file:
        raise recipe_error("the plan was not built from a file, so its model must be given", "model", "none")
    # Of the recorded name only the last part counts: a file must not choose what else is opened.
    path = given or Path(artifact.where).parent / PurePath(info.model.file).name
    check_model(path, info)
    return (lambda replacer: Origin(parse(path, replacer), info, b"", DIGEST)), DIGEST, str(path)


def _compare(plan: Plan, artifact: Artifact, recipe: Recipe, *, other_shapes: bool) -> tuple[OutputComparison, ...]:
    """Raise `AccuracyError` unless the plan computes on the probes of the old one what that did."""
    section = artifact.sections.get(Section.PROBES)
    if section is None:
        _log.warning("%s carries no probes: the new plan was not compared with it", artifact.where)
        return ()
    try:
        outputs = compare_probes(plan, section, recipe.tolerance, other_shapes=other_shapes)
    except ValueError as error:
        if isinstance(error, EnginewrightError):
            raise
        hint = "Build it anew from the model: enginewright build MODEL -o PLAN."
        raise recipe_error(f"the probes cannot be read: {error}", "PROBES", str(error), hint=hint) from None
    wrong = [item for item in outputs if not item.passed]
    if wrong:
        texts = [f'"{item.name}" by {item.error:.2g}{f" ({item.note})" * bool(item.note)}' for item in wrong]
        raise AccuracyError(
            f"the new plan does not compute what the old one did: {', '.join(texts)};"
            f" {recipe.tolerance.rtol:.2g} is allowed",
            hint="Compare both with ONNX Runtime (enginewright verify MODEL); nothing was written.",
            where=artifact.where,
        )
    return tuple(outputs)
