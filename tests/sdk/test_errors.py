"""Every exception has its own code, an exit code, a hint that must be given, and a text that a person can read."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from enginewright import errors
from enginewright.errors import EnginewrightError


def error_classes() -> list[type[EnginewrightError]]:
    """Return every exception class of the module, sorted by code."""
    found = (cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, EnginewrightError))
    return sorted(found, key=lambda cls: cls.code)


CLASSES = error_classes()

# (class, code, exit code): the published table; a released line never changes.
TABLE = """
EnginewrightError EW-X000 1
UsageError EW-U001 2
ConfigError EW-U002 2
ShapeError EW-U003 2
DataTypeError EW-U004 2
ClosedError EW-U005 2
ForkError EW-U006 2
ModelError EW-M001 7
ModelNotReadable EW-M002 7
ModelInvalid EW-M003 7
UnsupportedModel EW-M004 7
ExternalDataError EW-M005 7
NetworkError EW-N001 7
SymbolicShapeError EW-N002 7
CheckFailed EW-N003 7
BuildError EW-B001 1
NoTactic EW-B002 1
OutOfMemory EW-B003 1
BuildCancelled EW-B004 1
AccuracyError EW-B005 3
UnsafeNetwork EW-B006 1
PlanError EW-P000 4
PlanNotRecognized EW-P001 6
PlanCorrupt EW-P002 6
PlanVersionMismatch EW-P003 4
PlanFormatMismatch EW-P004 4
PlanKindMismatch EW-P005 4
PlanDeviceMismatch EW-P006 4
PlanUntrusted EW-P007 4
PlanLimitExceeded EW-P008 6
PlanInvalid EW-P009 6
PlanRecipeError EW-P010 1
PlanWriteError EW-P011 1
CacheError EW-C000 1
TimingCacheMiss EW-C001 1
TimingCacheConflict EW-C002 1
CalibrationMismatch EW-C003 1
RunError EW-R001 1
InputError EW-R002 1
DeviceError EW-R003 1
DeviceOutOfMemory EW-R004 1
DeviceMissing EW-R005 1
PluginError EW-G002 5
PluginNotFound EW-G001 5
PluginConflict EW-G003 5
PluginInvalid EW-G004 5
PluginAbiMismatch EW-G005 5
NativeError EW-X001 1
"""


def test_published_table() -> None:
    published = {tuple(line.split()) for line in TABLE.split("\n") if line}
    assert {(cls.__name__, cls.code, str(cls.exit_code)) for cls in CLASSES} == published


def test_codes_are_unique_and_own() -> None:
    assert len({cls.code for cls in CLASSES}) == len(CLASSES)
    assert all("code" in vars(cls) for cls in CLASSES)
    assert all(re.fullmatch(r"EW-[UMNBPCRGX]\d{3}", cls.code) for cls in CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_raised_in_the_same_way(cls: type[EnginewrightError]) -> None:
    with pytest.raises(cls) as caught:
        raise cls("found 3, expected 4", hint="give 4", where="layer conv1")
    error = caught.value
    assert (error.message, error.hint, error.where, error.recoverable) == (
        "found 3, expected 4",
        "give 4",
        "layer conv1",
        True,
    )
    assert error.url.endswith(f"/errors/{cls.code}")
    assert str(error).splitlines() == [
        f"[{cls.code}] found 3, expected 4",
        "  where       layer conv1",
        "  hint        give 4",
        f"  {error.url}",
    ]


@pytest.mark.parametrize("cls", CLASSES)
def test_hint_is_required(cls: type[EnginewrightError]) -> None:
    with pytest.raises(TypeError, match="hint"):
        cls("no hint")  # type: ignore[call-arg]


@pytest.mark.parametrize("cls", CLASSES)
def test_pickles(cls: type[EnginewrightError]) -> None:
    error = cls("text", hint="step", where="here", details=errors.NativeDetails(7), recoverable=False)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (copy.message, copy.hint, copy.where, copy.details, copy.recoverable) == (
        "text",
        "step",
        "here",
        errors.NativeDetails(7),
        False,
    )
    assert str(copy) == str(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_documented(cls: type[EnginewrightError]) -> None:
    assert cls.__doc__
    assert cls.__doc__ is not EnginewrightError.__doc__ or cls is EnginewrightError


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.ShapeError, ValueError),
        (errors.DataTypeError, TypeError),
        (errors.ForkError, RuntimeError),
        (errors.ModelInvalid, ValueError),
        (errors.UnsupportedModel, NotImplementedError),
        (errors.OutOfMemory, MemoryError),
        (errors.DeviceOutOfMemory, MemoryError),
        (errors.InputError, ValueError),
        (errors.PlanWriteError, OSError),
        (errors.PluginNotFound, LookupError),
        (errors.TimingCacheMiss, LookupError),
    ],
)
def test_built_in_bases(cls: type[EnginewrightError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise cls("text", hint="step")


def test_control_characters_are_not_shown() -> None:
    text = str(errors.PlanInvalid("name \x1b[31mred\x07", hint="none\nsecond line"))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "second line" in text


def test_located_keeps_the_first_place() -> None:
    assert errors.RunError("a", hint="b").located("c").where == "c"
    assert errors.RunError("a", hint="b", where="x").located("c").where == "x"


def test_details_are_shown_and_readable() -> None:
    nodes = (
        errors.UnsupportedNode("n1", "Foo", "", 19, "no rule"),
        errors.UnsupportedNode("n2", "Bar", "acme", 1, "no rule either"),
    )
    unsupported = errors.UnsupportedModel("2 nodes", hint="plugin", details=errors.UnsupportedDetails(nodes))
    assert unsupported.nodes == nodes
    assert 'node        "n1": ai.onnx::Foo version 19: no rule' in str(unsupported)
    assert 'node        "n2": acme::Bar version 1: no rule either' in str(unsupported)

    candidates = (errors.RejectedTactic("cpu_gemm", "dtype is int8"),)
    no_tactic = errors.NoTactic("none", hint="h", details=errors.NoTacticDetails("fc", candidates))
    assert no_tactic.candidates == candidates
    assert "candidate   cpu_gemm: dtype is int8" in str(no_tactic)

    wrong = errors.InputError("x", hint="h", details=errors.InputDetails("x", "1 x 3", "N x 4"))
    assert (wrong.tensor, wrong.given, wrong.allowed) == ("x", "1 x 3", "N x 4")
    assert "given       1 x 3\n  allowed     N x 4" in str(wrong)


def test_plan_details() -> None:
    version = errors.PlanVersionMismatch(
        "v", hint="h", details=errors.VersionDetails("plan", "1.0.0+1", "1.0.1+2", "patch", "rebuild it")
    )
    assert (version.kind, version.found, version.running) == ("plan", "1.0.0+1", "1.0.1+2")
    assert (version.field, version.rebuild) == ("patch", "rebuild it")
    assert "rebuild     rebuild it" in str(version)
    corrupt = errors.PlanCorrupt("c", hint="h", details=errors.PlanDetails("timing cache", "crc32", "1", "2"))
    assert corrupt.kind == "timing cache"
    assert "field       crc32\n  found       1\n  expected    2" in str(corrupt)
    assert errors.PlanCorrupt("c", hint="h").kind == "artifact"


def test_other_details() -> None:
    check = errors.CheckFailed("c", hint="h", details=errors.CheckDetails("fold_constants", ("a", "b")))
    assert "history     a\n  history     b" in str(check)
    shape = errors.ShapeError("s", hint="h", details=errors.ShapeDetails("add1", 2, 3, 4))
    assert "axis        2\n  found       3\n  expected    4" in str(shape)
    missing = (errors.MissingPlugin("acme", "acme-ops>=1"),)
    absent = errors.PluginNotFound("p", hint="h", details=errors.MissingPluginsDetails(missing))
    assert absent.plugins == missing
    assert "acme\n                needs acme-ops>=1; not installed" in str(absent)
    failed = errors.PluginError("p", hint="h", details=errors.PluginDetails("acme", "infer", "swish1"))
    assert "method      infer\n  layer       swish1" in str(failed)
    miss = errors.TimingCacheMiss("t", hint="h", details=errors.CacheMissDetails(("conv1", "conv2")))
    assert "layer       conv2" in str(miss)
    assert "status      -7" in str(errors.NativeError("n", hint="h", details=errors.NativeDetails(-7)))


def test_facts_default_to_nothing() -> None:
    assert errors.UnsupportedModel("a", hint="b").nodes == ()
    assert errors.NoTactic("a", hint="b").candidates == ()
    assert errors.PluginNotFound("a", hint="b").plugins == ()
    wrong = errors.InputError("a", hint="b")
    assert (wrong.tensor, wrong.given, wrong.allowed) == ("", "", "")
    version = errors.PlanVersionMismatch("a", hint="b")
    assert (version.found, version.running, version.field, version.rebuild) == ("", "", "", "")
    assert list(errors.Details().rows()) == []
