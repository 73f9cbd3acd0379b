"""Operators, tactics and import rules, each found by its key; the SDK's own and those of plugins alike.

An operator is a class with typed fields (its saved state), `infer` (specs to specs) and `reference` (arrays to
arrays). A tactic is one way to run an operator. An import rule turns one ONNX node into layers.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, dataclass_transform, runtime_checkable

from enginewright.dims import Size
from enginewright.errors import PluginConflict, PluginInvalid, PluginNotFound
from enginewright.tensors import TensorSpec

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor
    from enginewright.registry.onnx_node import OnnxNode

    OnnxRule = Callable[[Network, OnnxNode], Tensor | None | Iterable[Tensor | None]]

T = TypeVar("T")


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """Name of an operator: namespace, name and version, written ``ew::Softmax@1``."""

    namespace: str
    name: str
    version: int = 1

    @staticmethod
    def parse(text: str, version: int | None = None) -> Key:
        """Read ``acme::Swish`` or ``acme::Swish@2``; `PluginInvalid` where the text is no key."""
        found = re.fullmatch(r"([a-z0-9_]+(?:\.[a-z0-9_]+)*)::([A-Za-z_][A-Za-z0-9_]*)(?:@([1-9][0-9]*))?", text)
        if found is None or len(text) > 255:
            raise PluginInvalid(f"{text!r} is no operator key", hint="Write it as namespace::Name, for instance a::B.")
        return Key(found[1], found[2], int(found[3] or version or 1))

    def __str__(self) -> str:
        return f"{self.namespace}::{self.name}@{self.version}"


@runtime_checkable
class Operator(Protocol):
    """What every operator class offers; `@operator` makes it a frozen dataclass and adds `KEY`.

    Optional methods: `emit(self, p, *values)` writes an elementwise operator as instructions of a pointwise program;
    `view(self, *specs)` gives the byte offset at which output 0 lies inside input 0 (None: it needs a copy);
    `examples()` (static) yields (operator, specs or arrays) pairs for the conformance tests.
    """

    KEY: ClassVar[Key]
    infer: Callable[..., Any]
    reference: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Pack:
    """A constant input is stored as `kernel` writes it when building: `size` bytes."""

    kernel: str
    size: int
    params: tuple[int | float, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """How a tactic runs one layer: the numbers its kernel receives, its memory and its constant inputs.

    `params`: integers, floats and sizes. `workspace`: bytes, aligned to 64. `pack`: by input index. `inputs`: which of
    the operator's inputs the kernel reads, in its order; None: all. Leave out inputs whose known value went into
    `params`. `split`: the kernel can run a fused pointwise program on its output, seen as rows = axes before `split`,
    columns = axes from `split` on; None: it cannot. `kernel`: instead of the tactic's own. `inplace`: output 0 may
    share the memory of one of these inputs (numbered as the operator's inputs).
    """

    params: tuple[Size | float, ...] = ()
    workspace: Size = 0
    pack: Mapping[int, Pack] = field(default_factory=dict)
    inputs: tuple[int, ...] | None = None
    split: int | None = None
    kernel: str | None = None
    inplace: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Tactic:
    """One way to run an operator: `plan` answers with a Launch for these specs, or the reason why it can't."""

    name: str
    operator: Key
    kernel: str
    plan: Callable[..., Launch | str]
    deterministic: bool = True


class Registry:
    """All operators, tactics and import rules that this process knows."""

    def __init__(self) -> None:
        self.operators: dict[Key, type[Any]] = {}
        self.tactics: dict[Key, list[Tactic]] = {}
        self.rules: dict[tuple[str, str], dict[int, OnnxRule]] = {}

    def add_operator(self, cls: type[Any], key: Key) -> None:
        """Register an operator class; the same class may be redefined, another origin may not take its key."""
        known = self.operators.get(key)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise PluginConflict(
                f"{key} is declared by {known.__module__} and by {cls.__module__}", hint="Rename one of them."
            )
        self.operators[key] = cls

    def operator(self, key: Key) -> type[Any]:
        """The class of a key; `PluginNotFound` if there is none. The SDK's own families are imported when needed."""
        if key not in self.operators and key.namespace == "ew":
            importlib.import_module("enginewright.ops").load()
        found = self.operators.get(key)
        if found is None:
            raise PluginNotFound(f"operator {key} is not known", hint="Install or import the plugin that declares it.")
        return found

    def newest(self, namespace: str, name: str, at_most: int | None = None) -> type[Any] | None:
        """The operator class with the highest version (not above `at_most`), or None."""
        keys = [key for key in self.operators if (key.namespace, key.name) == (namespace, name)]
        allowed = [key for key in keys if at_most is None or key.version <= at_most] or keys[:0]
        return self.operators[max(allowed)] if allowed else None

    def rule(self, domain: str, op_type: str, version: int) -> OnnxRule | None:
        """The import rule with the highest `since` that is not above the opset version, or None."""
        rules = self.rules.get((domain, op_type), {})
        since = max((number for number in rules if number <= version), default=None)
        return None if since is None else rules[since]


registry = Registry()


@dataclass_transform(frozen_default=True)
def operator(key: str, *, version: int | None = None) -> Callable[[type[T]], type[T]]:
    """Declare an operator class under ``namespace::Name``; the class becomes a frozen dataclass with `KEY`."""
    parsed = Key.parse(key, version)

    def decorate(cls: type[T]) -> type[T]:
        for method in ("infer", "reference"):
            if not callable(getattr(cls, method, None)):
                raise PluginInvalid(f"operator {parsed} has no method {method}", hint=f"Define {method}(self, ...).")
        made = dataclasses.dataclass(frozen=True)(cls)
        made.KEY = parsed  # type: ignore[attr-defined]
        registry.add_operator(made, parsed)
        return made

    return decorate


def tactic(
    target: type[Any], *, kernel: str, deterministic: bool = True
) -> Callable[[Callable[..., Launch | str]], Callable[..., Launch | str]]:
    """Declare a way to run operator class `target`: a function (operator, *specs) -> Launch, or a reason why not.

    `kernel` names a native kernel; for a built-in one without ``@isa`` every instruction set is a candidate.
    """

    def decorate(function: Callable[..., Launch | str]) -> Callable[..., Launch | str]:
        made = Tactic(function.__name__, target.KEY, kernel, function, deterministic)
        known = registry.tactics.setdefault(target.KEY, [])
        known[:] = [other for other in known if other.name != made.name] + [made]
        return function

    return decorate


def onnx_rule(name: str, *, since: int) -> Callable[[T], T]:
    """Declare the import of ONNX nodes ``domain::OpType`` from opset `since` on: a function (net, node) -> tensors."""
    domain, _, op_type = name.rpartition("::")

    def decorate(function: T) -> T:
        registry.rules.setdefault((domain, op_type), {})[since] = function  # type: ignore[assignment]
        return function

    return decorate


def infer_specs(op: Operator, specs: Iterable[TensorSpec | None]) -> tuple[TensorSpec, ...]:
    """The operator's output specs, always as a tuple."""
    found = op.infer(*specs)
    return found if isinstance(found, tuple) else (found,)


def doc_of(cls: type[Any]) -> str:
    """The operator's docstring, dedented."""
    return inspect.getdoc(cls) or ""
