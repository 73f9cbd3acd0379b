"""Asks before loading: what an artifact is, whether it can load here, and why not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from enginewright import errors
from enginewright.errors import EnginewrightError, MissingPlugin, MissingPluginsDetails, PlanDetails, VersionDetails
from enginewright_compat.machine import this_machine
from enginewright_compat.passport import Facts, Passport, read_facts
from enginewright_compat.reason import Reason, Refused
from enginewright_compat.rules import Level, installed_namespaces, judge, rebuild_command
from enginewright_compat.version import Version, running_version

_CLASSES = {
    cls.code: cls
    for cls in (
        errors.PlanNotRecognized,
        errors.PlanCorrupt,
        errors.PlanFormatMismatch,
        errors.PlanKindMismatch,
        errors.PlanDeviceMismatch,
        errors.PlanUntrusted,
        errors.PlanLimitExceeded,
        errors.PlanInvalid,
    )
}


@dataclass(frozen=True, slots=True)
class PlanInfo:
    """What a file is and whether it can load here; `passport` is None if only the release that wrote it can read it."""

    path: str
    kind: str
    version: Version
    file_size: int
    signed: bool
    has_code: bool
    passport: Passport | None
    verdict: Level
    reasons: tuple[Reason, ...]


def plan_info(path: str | os.PathLike[str]) -> PlanInfo:
    """Return the verdict on a file from its header and passport alone; weights are not read.

    Raises PlanNotRecognized if the file is no artifact and another PlanError if its header or passport is damaged.
    """
    try:
        facts = read_facts(Path(path))
    except Refused as refusal:
        raise as_error(refusal.reason, refusal.kind, str(path)) from refusal
    return judge_facts(facts)


def judge_facts(facts: Facts) -> PlanInfo:
    """Return the verdict of this release and machine on what is known of a file."""
    plugins = installed_namespaces() if facts.passport and facts.passport.plugins else frozenset[str]()
    verdict = judge(facts, running_version(), this_machine(), plugins)
    return PlanInfo(
        path=facts.path,
        kind=facts.kind,
        version=facts.version,
        file_size=facts.file_size,
        signed=facts.signed,
        has_code=facts.has_code,
        passport=facts.passport,
        verdict=verdict.level,
        reasons=verdict.reasons,
    )


def as_error(reason: Reason, kind: str, where: str, passport: Passport | None = None) -> EnginewrightError:
    """Return the exception for a reason of `enginewright_compat`; `passport` only improves the rebuild command."""
    message = f"{kind}: {reason.field}: found {reason.found}, expected {reason.expected}"
    if reason.code == "EW-P003":
        running, rebuild = str(running_version()), rebuild_command(where, passport)
        version = VersionDetails(kind, reason.found, running, reason.field, rebuild)
        return errors.PlanVersionMismatch(message, hint=f"build it again: {rebuild}", where=where, details=version)
    details = PlanDetails(kind, reason.field, reason.found, reason.expected)
    return _CLASSES[reason.code](message, hint=reason.remedy, where=where, details=details)


def missing_plugins(reasons: tuple[Reason, ...], kind: str, where: str) -> EnginewrightError:
    """Return the one exception for all plugins that an artifact lacks."""
    plugins = tuple(MissingPlugin(reason.field, reason.expected, reason.found) for reason in reasons)
    return errors.PluginNotFound(
        f"{kind} needs {len(plugins)} plugin{'s' * (len(plugins) > 1)} that are not available",
        hint="; ".join(dict.fromkeys(reason.remedy for reason in reasons)),
        where=where,
        details=MissingPluginsDetails(plugins),
    )
