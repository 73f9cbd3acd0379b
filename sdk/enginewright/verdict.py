"""Asks before loading: what an artifact is, whether it can load here, and why not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from enginewright.trust import Trust, check_trust_option, judge_trust
from enginewright_compat.layout import Kind
from enginewright_compat.machine import Machine, machine_for, other_machine
from enginewright_compat.passport import Facts, Passport, read_facts
from enginewright_compat.plugins import installed_plugins
from enginewright_compat.reason import Reason, Refused
from enginewright_compat.releases import find_release
from enginewright_compat.rules import Level, judge, rebuild_command
from enginewright_compat.version import Version, running_version

if TYPE_CHECKING:  # loaded when something fails: the dataclasses of the errors take 8 of the 100 ms of a question
    from enginewright.errors import EnginewrightError


@dataclass(frozen=True, slots=True)
class SectionInfo:
    """A section of a file: its name, its bytes, and its digest as hex."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class PlanInfo:
    """What a file is and whether it can load; `passport` is None if only the release that wrote it can read it.

    `running` and `device` are the release and machine that the verdict is about; `key_id` names the key of the
    signature as hex, empty if there is none, and proves nothing by itself. `root` is the root digest as hex, which
    stands for the whole file; empty if only another release can read it.
    """

    path: str
    kind: str
    version: Version
    file_size: int
    signed: bool
    key_id: str
    has_code: bool
    passport: Passport | None
    sections: tuple[SectionInfo, ...]
    running: Version
    device: str
    verdict: Level
    reasons: tuple[Reason, ...]
    root: str = ""

    @property
    def rebuild(self) -> str:
        """The command that builds the file again for the release and machine asked about."""
        return rebuild_command(self.path, self.kind, self.passport, [section.name for section in self.sections])

    def exit_code(self, *, strict: bool = False) -> int:
        """The exit code of `plan check`: 0, 4 if it cannot load (with `strict`: or should be built again), 5."""
        if self.verdict is Level.SUBOPTIMAL:
            return 4 if strict else 0
        return max((5 if reason.code.startswith("EW-G") else 4 for reason in self.reasons if reason.code), default=0)


def plan_info(
    path: str | os.PathLike[str],
    *,
    against: str | None = None,
    device: str | None = None,
    trust: Trust = None,
) -> PlanInfo:
    """Return the verdict on a file from its header and passport alone; weights are not read.

    `against` asks about another release ("1.4.2" or "1.4.2+1873"), `device` about another machine ("aarch64",
    "x86_64+avx2+fma", "sm_86"); `trust` is as in `ew.load`. Raises PlanNotRecognized if the file is no artifact,
    another PlanError if its header or passport is damaged, ConfigError for an unknown release or device.
    """
    check_trust_option(trust)
    running, asked = _asked(against, device)
    try:
        facts = read_facts(Path(path))
    except Refused as refusal:
        raise as_error(refusal.reason, refusal.kind, str(path)) from refusal
    return judge_facts(facts, running, asked or _machine_of(facts.passport), trust)


def _machine_of(passport: Passport | None) -> Machine:
    """Return this machine; its GPUs are only looked for if the plan needs one."""
    target = passport.target if passport else None
    return machine_for(target.compute_capability if target else "")


def _asked(against: str | None, device: str | None) -> tuple[Version, Machine | None]:
    """Return the release and machine that a question is about; None for this machine."""
    try:
        running = find_release(against) if against is not None else running_version()
        machine = other_machine(device) if device is not None else None
    except ValueError as error:
        from enginewright.errors import ConfigError

        raise ConfigError(str(error), hint="see the page on compatibility for releases and devices") from error
    return running, machine


def judge_facts(facts: Facts, running: Version, machine: Machine, trust: Trust) -> PlanInfo:
    """Return the verdict of a release and machine on what is known of a file."""
    plugins = installed_plugins() if facts.passport and facts.passport.plugins else {}
    verdict = judge(facts, running, machine, plugins, _untrusted(facts, trust))
    return PlanInfo(
        path=facts.path,
        kind=facts.kind,
        version=facts.version,
        file_size=facts.file_size,
        signed=facts.signed,
        key_id=facts.header.key_id.hex() if facts.header is not None and facts.signed else "",
        has_code=facts.has_code,
        passport=facts.passport,
        sections=tuple(SectionInfo(entry.name, entry.length, entry.digest.hex()) for entry in facts.sections),
        running=running,
        device=machine.compute_capability or machine.arch,
        verdict=verdict.level,
        reasons=verdict.reasons,
        root=facts.header.root.hex() if facts.header is not None else "",
    )


def passport_info(passport: Passport) -> PlanInfo:
    """Return the verdict on a plan that is in memory: no file, and nothing signed."""
    running = running_version()
    facts = Facts("", Kind.PLAN, Kind.PLAN.label, running, 0, passport=passport)
    return judge_facts(facts, running, _machine_of(passport), None)


def _untrusted(facts: Facts, trust: Trust) -> tuple[Reason, ...] | None:
    """Check 8; None where the header cannot be read, so that nothing is known of a signature."""
    if facts.header is None:
        return None
    reason = judge_trust(facts.header, has_code=facts.has_code, trust=trust)
    return () if reason is None else (reason,)


def as_error(reason: Reason, kind: str, where: str, rebuild: str = "") -> EnginewrightError:
    """Return the exception for a reason of `enginewright_compat`; `rebuild` is the command, if it is known."""
    from enginewright import errors

    message = f"{kind}: {reason.field}: found {reason.found}, expected {reason.expected}"
    if reason.code == "EW-P003":
        running, rebuild = str(running_version()), rebuild or rebuild_command(where, kind, None)
        version = errors.VersionDetails(kind, reason.found, running, reason.field, rebuild)
        return errors.PlanVersionMismatch(message, hint=f"build it again: {rebuild}", where=where, details=version)
    details = errors.PlanDetails(kind, reason.field, reason.found, reason.expected)
    return errors.plan_error_class(reason.code)(message, hint=reason.remedy, where=where, details=details)
