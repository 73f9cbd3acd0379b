"""The load rules: which release may load which artifact, in one table; and the verdict on an artifact for a machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePath
from shlex import quote

from enginewright_compat.features import PYTHON_STEPS
from enginewright_compat.layout import Kind, Section
from enginewright_compat.machine import Machine
from enginewright_compat.passport import Facts, Passport, Target
from enginewright_compat.plugins import InstalledPlugins, judge_plugins
from enginewright_compat.reason import Reason
from enginewright_compat.version import Version

NEEDS_TRUST = "give the signer's key: --keys FILE, or --trust any (in Python trust=)"
CODE = Reason("EW-P007", "trust", "code", "no code, or trust", NEEDS_TRUST)
FIELDS = ("major", "minor", "patch", "build")

# What a cell of the table means: (number in the file, number of the running release) -> allowed?
CONDITIONS: dict[str, Callable[[int, int], bool]] = {
    "equal": lambda found, running: found == running,
    "any": lambda found, running: True,
    "not newer": lambda found, running: found <= running,
    "any release build": lambda found, running: found < 1 << 31,
    "refused": lambda found, running: False,
}


@dataclass(frozen=True, slots=True)
class LoadRule:
    """One row: the runtime and kinds it is for, a condition for each field, and what must hold besides."""

    id: str
    runtime: str
    kinds: tuple[Kind, ...]
    major: str
    minor: str
    patch: str
    build: str
    also: str = ""

    def broken_field(self, found: Version, running: Version) -> str | None:
        """Return the first field that breaks this rule, None if none does."""
        conditions = (self.major, self.minor, self.patch, self.build)
        rows = zip(FIELDS, conditions, found, running, strict=True)
        return next((name for name, condition, a, b in rows if not CONDITIONS[condition](a, b)), None)


LOAD_RULES = (
    LoadRule("L1", "standard", (Kind.PLAN,), "equal", "equal", "equal", "equal"),
    LoadRule("L2", "standard", (Kind.TIMING_CACHE,), "equal", "equal", "equal", "equal"),
    LoadRule("L3", "standard", (Kind.CALIBRATION_CACHE,), "equal", "any", "any", "any", "same graph digest"),
    LoadRule("L4", "standard", (Kind.SAFE_PLAN,), "equal", "equal", "equal", "equal", "for testing"),
    LoadRule(
        "S1",
        "safety",
        (Kind.SAFE_PLAN,),
        "equal",
        "equal",
        "not newer",
        "any release build",
        'features within the runtime\'s list; signed by a given key; verify="full", not mapped',
    ),
    LoadRule(
        "S2",
        "safety",
        (Kind.PLAN, Kind.TIMING_CACHE, Kind.CALIBRATION_CACHE),
        "refused",
        "refused",
        "refused",
        "refused",
    ),
)


class Level(IntEnum):
    """How well an artifact fits; the worst reason decides."""

    OK = 0
    SUBOPTIMAL = 1
    INCOMPATIBLE = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "can it load here?", with every reason."""

    level: Level
    reasons: tuple[Reason, ...]


def find_rule(kind: Kind, runtime: str = "standard") -> LoadRule:
    """Return the rule for a kind of artifact and a runtime ("standard" or "safety")."""
    return next(rule for rule in LOAD_RULES if rule.runtime == runtime and kind in rule.kinds)


def judge_version(kind: Kind, found: Version, running: Version, runtime: str = "standard") -> Reason | None:
    """Check 4: return why an artifact of release `found` cannot load in release `running`, None if it can."""
    rule = find_rule(kind, runtime)
    field = rule.broken_field(found, running)
    if field is None:
        return None
    condition = getattr(rule, field)
    expected = f"a kind that the {runtime} runtime loads" if condition == "refused" else condition
    wanted = f"{running} ({expected})"
    return Reason("EW-P003", field, str(found), wanted, "build it again with this release")


def judge(
    facts: Facts,
    running: Version,
    machine: Machine,
    plugins: InstalledPlugins,
    untrusted: tuple[Reason, ...] | None = None,
) -> Verdict:
    """Return every reason for which an artifact cannot load, or is slower than need be, in the order of the checks.

    `plugins` are the namespaces that installed distributions declare; none of them is imported. `untrusted` is what
    check 8 found, if somebody could look at the signature; None: nothing is trusted, so code is refused.
    """
    if untrusted is None:
        untrusted = (CODE,) if facts.has_code else ()
    hard = tuple(_hard_reasons(facts, running, machine, plugins, untrusted))
    soft = tuple(_soft_reasons(facts.passport, machine)) if facts.passport else ()
    level = Level.INCOMPATIBLE if hard else Level.SUBOPTIMAL if soft else Level.OK
    return Verdict(level, hard + soft)


def rebuild_command(path: str, kind: str, passport: Passport | None, sections: Collection[str] = ()) -> str:
    """Return the command that makes an artifact again for the running release; `sections` are those that it has.

    Of a plan with a recipe it can be run as it stands, if the model lies beside the plan or inside.
    """
    name = PurePath(passport.model.file).name if passport and passport.model else ""
    model = quote(str(PurePath(path).parent / (name or "MODEL.onnx")))
    file = quote(path)
    if kind == Kind.TIMING_CACHE.label:
        return f"enginewright build {model} -o MODEL.plan --timing-cache {file}"
    if Section.RECIPE.name not in sections:
        return f"enginewright build {model} -o {file}"
    origin = "" if Section.SOURCE.name in sections else f" --from {model}"
    return f"enginewright plan rebuild {file}{origin} -o {file}"


def _hard_reasons(
    facts: Facts,
    running: Version,
    machine: Machine,
    plugins: InstalledPlugins,
    untrusted: tuple[Reason, ...],
) -> Iterator[Reason]:
    """Yield what prevents loading: checks 4, 5, 8, 11 and 12."""
    if facts.prefix_kind in frozenset(Kind):
        version = judge_version(Kind(facts.prefix_kind), facts.version, running)
        if version is not None:
            yield version
    if facts.unreadable is not None:
        yield facts.unreadable
    yield from untrusted
    if facts.passport is not None:
        yield from judge_target(facts.passport, machine)
        yield from judge_plugins(facts.passport, plugins)


def judge_target(passport: Passport, machine: Machine) -> Iterator[Reason]:
    """Check 11: yield each reason for which a plan cannot run on a machine."""
    target = passport.target
    if target is None:
        return
    again = "build it again on this machine"
    if target.arch != machine.arch:
        yield Reason("EW-P006", "arch", target.arch, machine.arch, again)
    if target.compute_capability:
        yield from _judge_gpu(target, machine)
    missing = sorted(set(target.needs) - machine.features)
    if missing:
        yield Reason("EW-P006", "needs", " ".join(missing), "features of this CPU", again)
    if machine.memory and passport.memory > machine.memory:
        found, expected = f"{passport.memory:,} bytes", f"at most {machine.memory:,}"
        yield Reason("EW-P006", "memory", found, expected, "build it with a smaller profile")


def _judge_gpu(target: Target, machine: Machine) -> Iterator[Reason]:
    """A plan for GPUs needs one, of its compute capability, and a driver that is not older."""
    found, here = target.compute_capability, machine.compute_capability
    if not here:
        remedy = f'load it where libnvidia-ml.so.1 tells of a GPU of {found}, or build it with target="cpu"'
        yield Reason("EW-P006", "compute_capability", found, "a CPU plan: there is no NVIDIA GPU here", remedy)
    elif found != here:
        yield Reason("EW-P006", "compute_capability", found, here, "build it again for this GPU")
    elif machine.cuda and _numbers(target.driver) > _numbers(machine.cuda):
        remedy = "update the NVIDIA driver, or build it again on this machine"
        yield Reason("EW-P006", "driver", f"CUDA {target.driver}", f"at most CUDA {machine.cuda}", remedy)


def _numbers(version: str) -> list[int]:
    """Return "13.0" as numbers; nothing of what is no version."""
    return [int(part) for part in version.split(".")] if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}", version) else []


def _soft_reasons(passport: Passport, machine: Machine) -> Iterator[Reason]:
    """Yield what makes a plan slower than one built here and now, or bound to something deprecated."""
    if passport.target is not None and passport.target.arch == machine.arch:
        yield from _target_differences(passport.target, machine)
    yield from lasting_reasons(passport)


def lasting_reasons(passport: Passport) -> Iterator[Reason]:
    """Yield what makes a plan slower than need be, or bound to something deprecated, on whatever machine."""
    if passport.timings in ("imported", "heuristic"):
        yield Reason("", "timings", passport.timings, "measured", "build it again with timing")
    if PYTHON_STEPS in passport.features:
        yield Reason(
            "", "features", "layers that run in NumPy", "kernels", "enginewright inspect shows which; add kernels"
        )
    for use in passport.plugins:
        if use.level == 0:
            yield Reason("", use.key, "runs in NumPy", "a kernel", "give the plugin a kernel")
    for deprecation in passport.deprecations:
        yield Reason("", "deprecations", deprecation, "nothing deprecated", f"see the note of {deprecation}")


def _target_differences(target: Target, machine: Machine) -> Iterator[Reason]:
    again = "build it again on this machine to time again"
    model = machine.gpu if target.compute_capability else machine.model
    if target.device and model and target.device != model:
        yield Reason("", "device", target.device, model, again)
    wider = sorted(set(machine.kernel_features) - set(target.features))
    if wider and target.features:
        yield Reason("", "features", "built without " + " ".join(wider), "features of this CPU", again)
