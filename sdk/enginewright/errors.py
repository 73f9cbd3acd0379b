"""Every exception that Enginewright raises, each with a stable code, a hint and an exit code.

Each class is raised in the same way: ``raise ModelInvalid("what was found", hint="what to do", where="node conv1")``.
Facts that a program wants to read travel in ``details``, a frozen dataclass of `error_details`. Codes are never reused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from enginewright.error_details import (
    CacheConflictDetails as CacheConflictDetails,
    CacheMissDetails as CacheMissDetails,
    CheckDetails as CheckDetails,
    Details as Details,
    InputDetails as InputDetails,
    MissingPlugin as MissingPlugin,
    MissingPluginsDetails as MissingPluginsDetails,
    NativeDetails as NativeDetails,
    NoTacticDetails as NoTacticDetails,
    PinConflict as PinConflict,
    PlanDetails as PlanDetails,
    PluginDetails as PluginDetails,
    RejectedTactic as RejectedTactic,
    ShapeDetails as ShapeDetails,
    UnsafeDetails as UnsafeDetails,
    UnsafeFeature as UnsafeFeature,
    UnsupportedDetails as UnsupportedDetails,
    UnsupportedNode as UnsupportedNode,
    VersionDetails as VersionDetails,
)
from enginewright_compat import DOCS_URL


class EnginewrightError(Exception):
    """Base of every exception that leaves Enginewright.

    `message` says what was found and what was expected, `hint` the next step, `where` the layer, node, file or plugin.
    `recoverable` tells whether the object that raised may be used again.
    """

    code: ClassVar[str] = "EW-X000"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        where: str | None = None,
        details: Details | None = None,
        recoverable: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.details = details
        self.recoverable = recoverable

    @property
    def url(self) -> str:
        """The documentation page of this code."""
        return f"{DOCS_URL}/errors/{self.code}"

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the labelled lines below the message: where, details, hint."""
        if self.where:
            yield "where", self.where
        if self.details is not None:
            yield from self.details.rows()
        yield "hint", self.hint

    def __str__(self) -> str:
        lines = [f"[{self.code}] {printable(self.message)}"]
        for label, text in self.rows():
            body = printable(text).replace("\n", "\n" + " " * 14)
            lines.append(f"  {printable(label):<11} {body}")
        return "\n".join([*lines, f"  {self.url}"])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the keyword-only constructor, which the default of `Exception` cannot call."""
        return _restore, (type(self), self.message, self.hint, self.where, self.details, self.recoverable)

    def located(self, where: str) -> Self:
        """Return this error with `where` filled in, for callers that know the place when the raiser does not."""
        self.where = self.where or where
        return self


def _restore(
    cls: type[EnginewrightError],
    message: str,
    hint: str,
    where: str | None,
    details: Details | None,
    recoverable: bool,
) -> EnginewrightError:
    """Build a pickled error again."""
    return cls(message, hint=hint, where=where, details=details, recoverable=recoverable)


def printable(text: str) -> str:
    """Return text from a file made safe for a terminal: control characters other than newline become "?"."""
    return "".join(c if c == "\n" or c.isprintable() else "?" for c in text)


class UsageError(EnginewrightError):
    """The API or command was used in a way that cannot work."""

    code = "EW-U001"
    exit_code = 2


class ConfigError(UsageError, ValueError):
    """A configuration value is unknown, out of range, or contradicts another one."""

    code = "EW-U002"


class ShapeError(UsageError, ValueError):
    """Sizes do not agree, or leave the range of the profile."""

    code = "EW-U003"


class DataTypeError(UsageError, TypeError):
    """A data type is not allowed here."""

    code = "EW-U004"


class ClosedError(UsageError, ValueError):
    """The object was closed before."""

    code = "EW-U005"


class ForkError(UsageError, RuntimeError):
    """The object was made before a fork and cannot be used in the child."""

    code = "EW-U006"


class ModelError(EnginewrightError):
    """The model cannot be used."""

    code = "EW-M001"
    exit_code = 7


class ModelNotReadable(ModelError):
    """The file is missing, cannot be read, or is no ONNX model."""

    code = "EW-M002"


class ModelInvalid(ModelError, ValueError):
    """The file is an ONNX model that breaks the rules of ONNX."""

    code = "EW-M003"


class UnsupportedModel(ModelError, NotImplementedError):
    """The model is valid but has nodes without an import rule; `nodes` lists all of them."""

    code = "EW-M004"

    @property
    def nodes(self) -> tuple[UnsupportedNode, ...]:
        """Every node that cannot be imported."""
        return self.details.nodes if isinstance(self.details, UnsupportedDetails) else ()


class ExternalDataError(ModelError):
    """Weights outside the model file are missing, too short, or outside the model's folder."""

    code = "EW-M005"


class NetworkError(EnginewrightError, ValueError):
    """A network breaks a rule: wrong attribute, wrong type, unknown name, cycle."""

    code = "EW-N001"
    exit_code = 7


class SymbolicShapeError(NetworkError):
    """Two symbolic shapes can never agree."""

    code = "EW-N002"


class CheckFailed(NetworkError):
    """The checker found a network broken by a stage of the build; details name the stage and its history."""

    code = "EW-N003"


class BuildError(EnginewrightError):
    """The build failed."""

    code = "EW-B001"


class NoTactic(BuildError):
    """No tactic can run a layer; `candidates` lists each one with its reason."""

    code = "EW-B002"

    @property
    def candidates(self) -> tuple[RejectedTactic, ...]:
        """Each candidate with the reason of its rejection."""
        return self.details.candidates if isinstance(self.details, NoTacticDetails) else ()


class OutOfMemory(BuildError, MemoryError):
    """The build needs more memory than there is or than was allowed."""

    code = "EW-B003"


class BuildCancelled(BuildError):
    """A progress monitor cancelled the build."""

    code = "EW-B004"


class AccuracyError(BuildError):
    """Numbers differ beyond the tolerance."""

    code = "EW-B005"
    exit_code = 3


class UnsafeNetwork(BuildError):
    """The safety runtime cannot run the network; `unsafe` lists each reason with the layer or input behind it."""

    code = "EW-B006"

    @property
    def unsafe(self) -> tuple[UnsafeFeature, ...]:
        """Each feature that the safety runtime lacks, with the first place that needs it."""
        return self.details.unsafe if isinstance(self.details, UnsafeDetails) else ()


class PlanError(EnginewrightError):
    """An artifact (plan, timing cache, calibration cache, safe plan) cannot be used; `kind` says which."""

    code = "EW-P000"
    exit_code = 4

    @property
    def kind(self) -> str:
        """The kind of artifact, "artifact" if the file does not even say that."""
        return self.details.kind if isinstance(self.details, PlanDetails | VersionDetails) else "artifact"


class PlanNotRecognized(PlanError):
    """The file is no artifact of Enginewright, or cannot be read."""

    code = "EW-P001"
    exit_code = 6


class PlanCorrupt(PlanError):
    """Bytes of the artifact are damaged or missing."""

    code = "EW-P002"
    exit_code = 6


class PlanVersionMismatch(PlanError):
    """Another release wrote the artifact, and the load rules forbid it here."""

    code = "EW-P003"

    @property
    def found(self) -> str:
        """The release that wrote the artifact."""
        return self.details.found if isinstance(self.details, VersionDetails) else ""

    @property
    def running(self) -> str:
        """The running release."""
        return self.details.running if isinstance(self.details, VersionDetails) else ""

    @property
    def field(self) -> str:
        """The first field that breaks the rule: major, minor, patch or build."""
        return self.details.field if isinstance(self.details, VersionDetails) else ""

    @property
    def rebuild(self) -> str:
        """The command that rebuilds the artifact for the running release."""
        return self.details.rebuild if isinstance(self.details, VersionDetails) else ""


class PlanFormatMismatch(PlanError):
    """The container has a format, flag, algorithm or required section that this release does not know."""

    code = "EW-P004"


class PlanKindMismatch(PlanError):
    """The artifact is of another kind than the one asked for."""

    code = "EW-P005"


class PlanDeviceMismatch(PlanError):
    """The plan was built for another machine."""

    code = "EW-P006"


class PlanUntrusted(PlanError):
    """The signature, or code in the plan, is not allowed by the trust given."""

    code = "EW-P007"


class PlanLimitExceeded(PlanError):
    """The artifact exceeds a documented limit."""

    code = "EW-P008"
    exit_code = 6


class PlanInvalid(PlanError):
    """The artifact is intact but its content breaks the format."""

    code = "EW-P009"
    exit_code = 6


class PlanRecipeError(PlanError):
    """The plan has no recipe, or its source is missing or different."""

    code = "EW-P010"
    exit_code = 1


class PlanWriteError(PlanError, OSError):
    """The artifact could not be written; an existing file is intact."""

    code = "EW-P011"
    exit_code = 1


def plan_error_class(code: str) -> type[PlanError]:
    """Return the class of errors about plan files with a code, such as "EW-P002"."""
    return next(cls for cls in PlanError.__subclasses__() if cls.code == code)


class CacheError(EnginewrightError):
    """A cache cannot answer."""

    code = "EW-C000"


class TimingCacheMiss(CacheError, LookupError):
    """The timing cache lacks layers and timing was forbidden; details list all of them."""

    code = "EW-C001"


class TimingCacheConflict(CacheError):
    """Two timing caches pin different tactics for one key."""

    code = "EW-C002"


class CalibrationMismatch(CacheError):
    """The calibration cache belongs to another model."""

    code = "EW-C003"


class RunError(EnginewrightError):
    """An inference failed."""

    code = "EW-R001"


class InputError(RunError, ValueError):
    """An input is missing, unknown, or has a wrong shape or type; `tensor`, `given` and `allowed` say which."""

    code = "EW-R002"

    @property
    def tensor(self) -> str:
        """The name of the input."""
        return self.details.tensor if isinstance(self.details, InputDetails) else ""

    @property
    def given(self) -> str:
        """What was given."""
        return self.details.given if isinstance(self.details, InputDetails) else ""

    @property
    def allowed(self) -> str:
        """What is allowed."""
        return self.details.allowed if isinstance(self.details, InputDetails) else ""


class DeviceError(RunError):
    """The device failed."""

    code = "EW-R003"


class DeviceOutOfMemory(RunError, MemoryError):
    """The device has less memory than the inference needs."""

    code = "EW-R004"


class DeviceMissing(RunError):
    """The device that was asked for does not exist here."""

    code = "EW-R005"


class PluginError(EnginewrightError):
    """A plugin failed."""

    code = "EW-G002"
    exit_code = 5


class PluginNotFound(PluginError, LookupError):
    """Plugins that an artifact or model needs are not available; `plugins` lists all of them."""

    code = "EW-G001"

    @property
    def plugins(self) -> tuple[MissingPlugin, ...]:
        """Every plugin that is missing."""
        return self.details.plugins if isinstance(self.details, MissingPluginsDetails) else ()


class PluginConflict(PluginError):
    """Two distributions provide the same key."""

    code = "EW-G003"


class PluginInvalid(PluginError):
    """A plugin declares something that breaks the rules of the registry."""

    code = "EW-G004"


class PluginAbiMismatch(PluginError):
    """A plugin library was built for another ABI."""

    code = "EW-G005"


class NativeError(EnginewrightError, RuntimeError):
    """Native code returned a status that has no class of its own: a bug of Enginewright."""

    code = "EW-X001"
