"""The load rules in every cell, and the verdict with all its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from enginewright_compat.features import PYTHON_STEPS
from enginewright_compat.layout import Kind
from enginewright_compat.machine import Machine
from enginewright_compat.passport import Facts, ModelInfo, Passport, PluginUse, Target
from enginewright_compat.plugins import Installed
from enginewright_compat.reason import Reason
from enginewright_compat.rules import (
    FIELDS,
    LOAD_RULES,
    Level,
    Verdict,
    find_rule,
    judge,
    judge_version,
    rebuild_command,
)
from enginewright_compat.version import DEVELOPMENT, Version

RUNNING = Version(1, 4, 2, 1873)
MAX = 2**32 - 1

# The published table, written again by hand: which changes of each field load. "=" the same, "-" one less, "+" one
# more, "M" the largest number.
TABLE = {
    ("standard", Kind.PLAN): {"major": "=", "minor": "=", "patch": "=", "build": "="},
    ("standard", Kind.TIMING_CACHE): {"major": "=", "minor": "=", "patch": "=", "build": "="},
    ("standard", Kind.CALIBRATION_CACHE): {"major": "=", "minor": "=-+M", "patch": "=-+M", "build": "=-+M"},
    ("standard", Kind.SAFE_PLAN): {"major": "=", "minor": "=", "patch": "=", "build": "="},
    ("safety", Kind.SAFE_PLAN): {"major": "=", "minor": "=", "patch": "=-", "build": "=-+"},
    ("safety", Kind.PLAN): {"major": "", "minor": "", "patch": "", "build": ""},
    ("safety", Kind.TIMING_CACHE): {"major": "", "minor": "", "patch": "", "build": ""},
    ("safety", Kind.CALIBRATION_CACHE): {"major": "", "minor": "", "patch": "", "build": ""},
}


def cells() -> Iterator[tuple[str, Kind, str, str, bool]]:
    """Yield runtime, kind, field, change, and whether it loads."""
    for (runtime, kind), row in TABLE.items():
        for field in FIELDS:
            for change in "=-+M":
                yield runtime, kind, field, change, change in row[field] and "=" in row["major"]


def changed(field: str, change: str) -> Version:
    """Return the running version with one field changed."""
    number = getattr(RUNNING, field)
    return RUNNING._replace(**{field: {"=": number, "-": number - 1, "+": number + 1, "M": MAX}[change]})


@pytest.mark.parametrize(("runtime", "kind", "field", "change", "loads"), list(cells()))
def test_every_cell(runtime: str, kind: Kind, field: str, change: str, loads: bool) -> None:
    found = changed(field, change)
    reason = judge_version(kind, found, RUNNING, runtime)
    if loads:
        assert reason is None
        return
    assert reason is not None
    assert reason.code == "EW-P003"
    assert reason.field == (field if "=" in TABLE[runtime, kind]["major"] else "major")
    assert reason.found == str(found)
    assert str(RUNNING) in reason.expected


def test_table_is_complete() -> None:
    assert {(rule.runtime, kind) for rule in LOAD_RULES for kind in rule.kinds} == set(TABLE)
    assert sum(len(rule.kinds) for rule in LOAD_RULES) == len(TABLE)
    assert [rule.id for rule in LOAD_RULES] == ["L1", "L2", "L3", "L4", "S1", "S2"]
    for runtime, kind in TABLE:
        assert kind in find_rule(kind, runtime).kinds


def test_first_broken_field_is_named() -> None:
    reason = judge_version(Kind.PLAN, Version(1, 5, 3, 9), RUNNING)
    assert reason is not None
    assert reason.field == "minor"


@pytest.mark.parametrize(("runtime", "kind"), list(TABLE))
def test_development_builds(runtime: str, kind: Kind) -> None:
    """A development build never loads a release's plan, nor the other way round, nor that of another one."""
    mine, other = RUNNING._replace(build=DEVELOPMENT | 5), RUNNING._replace(build=DEVELOPMENT | 6)
    row = TABLE[runtime, kind]
    by_build = row["build"] == "="
    found = [
        judge_version(kind, *pair, runtime) is None
        for pair in ((mine, mine), (mine, RUNNING), (RUNNING, mine), (other, mine))
    ]
    if by_build:
        assert found == [True, False, False, False]
    elif (runtime, kind) == ("safety", Kind.SAFE_PLAN):
        assert found == [False, False, True, False], "a development runtime tests what a release wrote"
    else:
        assert found == [kind is Kind.CALIBRATION_CACHE and runtime == "standard"] * 4


def test_the_matrix_is_large_enough() -> None:
    assert len(list(cells())) >= 112


# --- Verdict ----------------------------------------------------------------------------------------------------------

MACHINE = Machine("x86_64", frozenset({"avx2", "fma", "fpu"}), "Fast CPU", 1 << 30)
TARGET = Target("x86_64", needs=("avx2",), features=("avx2", "fma"), device="Fast CPU")
PASSPORT = Passport(str(RUNNING), target=TARGET, timings="measured", memory=1 << 20)
FACTS = Facts("det.plan", Kind.PLAN, "plan", RUNNING, 100, passport=PASSPORT)
USE = PluginUse("acme::Swish@1", "acme-ops", "1.3.0", "", "reference", 0, "", "", needed=True)


def verdict(passport: Passport = PASSPORT, facts: Facts = FACTS) -> Verdict:
    """Return the verdict on a plan with this passport."""
    return judge(replace(facts, passport=passport), RUNNING, MACHINE, {"acme": (Installed("acme-ops", "1.3.0"),)})


def test_ok() -> None:
    assert verdict() == Verdict(Level.OK, ())


@pytest.mark.parametrize(
    ("passport", "code", "field"),
    [
        (replace(PASSPORT, target=replace(TARGET, arch="aarch64")), "EW-P006", "arch"),
        (replace(PASSPORT, target=replace(TARGET, needs=("avx512f", "fma"))), "EW-P006", "needs"),
        (replace(PASSPORT, target=replace(TARGET, compute_capability="sm_90")), "EW-P006", "compute_capability"),
        (replace(PASSPORT, memory=(1 << 30) + 1), "EW-P006", "memory"),
        (replace(PASSPORT, plugins=(replace(USE, key="foo::Nms@3", level=1),)), "EW-G001", "foo::Nms@3"),
        (replace(PASSPORT, plugins=(replace(USE, version="1.4.0", level=1),)), "EW-G001", "acme::Swish@1"),
        (replace(PASSPORT, plugins=(replace(USE, distribution="other", level=1),)), "EW-G001", "acme::Swish@1"),
    ],
)
def test_incompatible(passport: Passport, code: str, field: str) -> None:
    answer = verdict(passport)
    assert answer.level is Level.INCOMPATIBLE
    assert [(reason.code, reason.field) for reason in answer.reasons] == [(code, field)]
    assert answer.reasons[0].remedy


@pytest.mark.parametrize(
    ("passport", "field"),
    [
        (replace(PASSPORT, target=replace(TARGET, device="Slow CPU")), "device"),
        (replace(PASSPORT, target=replace(TARGET, features=("avx2",))), "features"),
        (replace(PASSPORT, timings="imported"), "timings"),
        (replace(PASSPORT, timings="heuristic"), "timings"),
        (replace(PASSPORT, features=(PYTHON_STEPS,)), "features"),
        (replace(PASSPORT, plugins=(USE,)), "acme::Swish@1"),
        (replace(PASSPORT, deprecations=("EW-D0001",)), "deprecations"),
    ],
)
def test_suboptimal(passport: Passport, field: str) -> None:
    answer = verdict(passport)
    assert answer.level is Level.SUBOPTIMAL
    assert [(reason.code, reason.field) for reason in answer.reasons] == [("", field)]
    assert answer.reasons[0].remedy


GPU = replace(MACHINE, compute_capability="sm_90", gpu="Fast GPU", cuda="13.0")
FOR_GPU = replace(TARGET, device="Fast GPU", compute_capability="sm_90", driver="13.0")
ON_GPUS = {
    "the same": (GPU, FOR_GPU, Level.OK, ""),
    "an older driver was enough": (GPU, replace(FOR_GPU, driver="12.9"), Level.OK, ""),
    "in words, nothing known but the capability": (replace(GPU, gpu="", cuda=""), FOR_GPU, Level.OK, ""),
    "a driver that is no version": (GPU, replace(FOR_GPU, driver="new"), Level.OK, ""),
    "none": (MACHINE, FOR_GPU, Level.INCOMPATIBLE, "compute_capability"),
    "another capability": (replace(GPU, compute_capability="sm_86"), FOR_GPU, Level.INCOMPATIBLE, "compute_capability"),
    "a driver that is too old": (replace(GPU, cuda="9.10"), FOR_GPU, Level.INCOMPATIBLE, "driver"),
    "another model": (replace(GPU, gpu="Slow GPU"), FOR_GPU, Level.SUBOPTIMAL, "device"),
    "a CPU plan": (GPU, TARGET, Level.OK, ""),
}


@pytest.mark.parametrize("case", ON_GPUS)
def test_gpus(case: str) -> None:
    machine, target, level, field = ON_GPUS[case]
    answer = judge(replace(FACTS, passport=replace(PASSPORT, target=target)), RUNNING, machine, {})
    assert (answer.level, [reason.field for reason in answer.reasons]) == (level, [field] if field else [])
    assert all(reason.remedy for reason in answer.reasons)


def test_without_a_gpu_the_reason_says_so() -> None:
    (reason,) = verdict(replace(PASSPORT, target=FOR_GPU)).reasons
    assert "no NVIDIA GPU here" in reason.expected
    assert 'target="cpu"' in reason.remedy


def test_every_reason_at_once() -> None:
    facts = replace(FACTS, version=RUNNING._replace(patch=3), has_code=True)
    passport = replace(PASSPORT, memory=1 << 40, timings="heuristic", target=replace(TARGET, needs=("sve",)))
    answer = verdict(passport, facts)
    assert answer.level is Level.INCOMPATIBLE
    assert [reason.field for reason in answer.reasons] == ["patch", "trust", "needs", "memory", "timings"]


def test_unreadable_by_this_release() -> None:
    unreadable = Reason("EW-P004", "format_major", "2", "1", "load it with the release that wrote it")
    facts = replace(FACTS, version=RUNNING._replace(major=2), passport=None, unreadable=unreadable)
    answer = judge(facts, RUNNING, MACHINE, {})
    assert [reason.code for reason in answer.reasons] == ["EW-P003", "EW-P004"]


def test_unknown_kind_has_no_rule() -> None:
    unreadable = Reason("EW-P004", "kind", "9", "1, 2, 3 or 4", "")
    facts = replace(FACTS, prefix_kind=9, passport=None, unreadable=unreadable)
    assert judge(facts, RUNNING, MACHINE, {}).reasons == (unreadable,)


def test_cache_has_no_target() -> None:
    assert verdict(replace(PASSPORT, target=None)).level is Level.OK


COMMANDS = {
    "nothing known": (None, (), "enginewright build folder/MODEL.onnx -o folder/det.plan"),
    "a model": ("a b.onnx", (), "enginewright build 'folder/a b.onnx' -o folder/det.plan"),
    "a recipe": (
        "a.onnx",
        ("PASSPORT", "RECIPE"),
        "enginewright plan rebuild folder/det.plan --from folder/a.onnx -o folder/det.plan",
    ),
    "the model inside": ("", ("RECIPE", "SOURCE"), "enginewright plan rebuild folder/det.plan -o folder/det.plan"),
    "a name that leads away": ("../x.onnx", (), "enginewright build folder/x.onnx -o folder/det.plan"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_rebuild_command(case: str) -> None:
    file, sections, expected = COMMANDS[case]
    passport = None if file is None else replace(PASSPORT, model=ModelInfo("onnx", file, "", ""))
    assert rebuild_command("folder/det.plan", "plan", passport, sections) == expected


def test_rebuild_command_of_a_timing_cache() -> None:
    command = rebuild_command("a.timing", "timing cache", None)
    assert command == "enginewright build MODEL.onnx -o MODEL.plan --timing-cache a.timing"
