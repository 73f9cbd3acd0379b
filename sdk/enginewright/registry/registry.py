"""Declares operators, tactics and import rules, each found by its key; the SDK's own and those of plugins alike.

An operator is a class with typed fields (its saved state), `infer` (specs to specs) and `reference` (arrays to
arrays). A tactic is one way to run an operator. An import rule turns one ONNX node into layers.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from enginewright.device.kernels import KernelSource
from enginewright.errors import PluginInvalid
from enginewright.registry.faults import OWN, plugin_faults
from enginewright.registry.keys import Key, is_reserved
from enginewright.registry.state import State, field_types, identity
from enginewright.registry.table import (
    ROOT,
    Launch,
    Operator,
    Pack,
    Registry,
    Tactic,
    doc_of,
    infer_specs,
    registry,
    run_reference,
)
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.registry.table import OnnxRule as OnnxRule

__all__ = [
    "Key", "Launch", "Operator", "Pack", "Registry", "Tactic", "doc_of", "infer_specs", "input_names",
    "onnx_rule", "operator", "registry", "run_reference", "tactic",
]  # fmt: skip

T = TypeVar("T")
FORMATS = ("linear", "nhwc", "nchw8c", "nchw16c")


@dataclass_transform(frozen_default=True)
def operator(
    key: str,
    *,
    version: int | None = None,
    alias: Mapping[int, str] | None = None,
    tolerance: float | Mapping[DataType, float] | None = None,
    onnx: Sequence[str] = (),
    deprecated: str = "",
) -> Callable[[type[T]], type[T]]:
    """Declare an operator class under ``namespace::Name``; the class becomes a frozen dataclass with `KEY`.

    `alias={0: "x"}`: output 0 is the memory of input `x`. `tolerance`: how far a tactic may be from the reference,
    relative to the largest element; one number, or one for each data type. `onnx`: further ONNX names
    (``domain::OpType``). `deprecated`: what to use instead; a build with such a layer warns and says it in its report.
    """
    parsed = Key.parse(key, version)

    def decorate(cls: type[T]) -> type[T]:
        _check_class(cls, parsed)
        made = dataclasses.dataclass(frozen=True)(cls) if parsed.namespace == OWN else _plugin_class(cls, parsed)
        made.KEY = parsed  # type: ignore[attr-defined]
        made.ALIAS = _alias(made, parsed, alias or {})  # type: ignore[attr-defined]
        made.TOLERANCE = tolerance  # type: ignore[attr-defined]
        made.DEPRECATED = deprecated  # type: ignore[attr-defined]
        names = [_onnx_name(name) for name in onnx]
        registry.add_operator(made, parsed)
        for name in names:
            registry.onnx_names.setdefault(name, set()).add(parsed)
        return made

    return decorate


def _check_class(cls: type[Any], key: Key) -> None:
    if is_reserved(key.namespace) and cls.__module__.partition(".")[0] != ROOT:
        raise PluginInvalid(
            f"{key}: the namespace {key.namespace} is reserved for ONNX's standard domains and this project",
            hint="Use a namespace of your own, such as the name of your package.",
        )
    for method in ("infer", "reference"):
        if not callable(getattr(cls, method, None)):
            raise PluginInvalid(f"operator {key} has no method {method}", hint=f"Define {method}(self, ...).")


def _plugin_class(cls: type[T], key: Key) -> type[T]:
    """The dataclass of a plugin's operator, whose fields are checked now and at each instance."""
    own = getattr(cls, "__post_init__", None)

    def __post_init__(self: Any) -> None:  # noqa: N807 - it is the one of dataclasses
        State._set_fields(self)
        if own is not None:
            with plugin_faults(str(key), "__post_init__"):
                own(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
    try:
        made = dataclasses.dataclass(frozen=True, eq=False)(cls)
    except (TypeError, ValueError) as error:
        raise PluginInvalid(f"{key} can't be a dataclass: {error}", hint="Give its fields plain defaults.") from error
    made.__eq__ = lambda a, b: type(a) is type(b) and identity(a) == identity(b)  # type: ignore[method-assign]
    made.__hash__ = lambda self: hash((type(self), identity(self)))  # type: ignore[method-assign]
    made.FIELDS = field_types(made, key)  # type: ignore[attr-defined]
    return made


def input_names(cls: type[Any]) -> list[str]:
    """The names of an operator's inputs, as `infer` has them; ``*xs`` is the last one."""
    return [name for name in inspect.signature(cls.infer).parameters if name != "self"]


def _alias(cls: type[Any], key: Key, given: Mapping[int, str]) -> dict[int, int]:
    names = input_names(cls)
    for output, name in given.items():
        if output != 0 or name not in names:
            raise PluginInvalid(
                f"{key}: alias {{{output!r}: {name!r}}} names no output 0 and input",
                hint=f"Write alias={{0: name}} with one of {', '.join(names)}.",
            )
    return {output: names.index(name) for output, name in given.items()}


def _onnx_name(name: str) -> tuple[str, str]:
    domain, _, op_type = name.rpartition("::")
    if not domain or not op_type or domain.startswith("ai.onnx"):
        raise PluginInvalid(f"{name!r} is no ONNX name of a plugin", hint="Write domain::OpType, such as acme::Swish.")
    return domain, op_type


def tactic(
    target: type[Any],
    *,
    kernel: str | KernelSource,
    deterministic: bool = True,
    formats: Sequence[str | Sequence[str]] = ("linear",),
    inplace: Mapping[int, str] | None = None,
) -> Callable[[Callable[..., Launch | str]], Callable[..., Launch | str]]:
    """Declare a way to run operator class `target`: a function (operator, *specs) -> Launch, or a reason why not.

    `kernel`: `ew.c_source(...)`, a kernel of `ew.library(...)`, or the name of a built-in one, for which every
    instruction set is a candidate. `formats`: memory formats offered, one word for all 4-D tensors or one each, inputs
    first. `inplace={0: "x"}`: output 0 may share the memory of input `x`. `deterministic=False`: left out unless the
    build allows it.
    """
    key = getattr(target, "KEY", None)
    if not isinstance(key, Key):
        raise PluginInvalid(f"{target!r} is no operator class", hint="Decorate the class with @ew.operator first.")
    if not isinstance(kernel, str | KernelSource):
        raise PluginInvalid(
            f"{key}: kernel is a {type(kernel).__name__}", hint="Use ew.c_source(...) or ew.library(...)[name]."
        )
    offered = tuple(word if isinstance(word, str) else tuple(word) for word in formats)
    _check_formats(key, offered)
    names = _inplace(target, key, inplace or {})
    found = sys._getframe(1).f_globals.get("__name__", "")

    def decorate(function: Callable[..., Launch | str]) -> Callable[..., Launch | str]:
        module = getattr(function, "__module__", None) or found
        name = getattr(function, "__name__", "tactic")
        registry.add_tactic(Tactic(name, key, kernel, function, deterministic, target, module, offered, names))
        return function

    return decorate


def _check_formats(key: Key, offered: tuple[str | tuple[str, ...], ...]) -> None:
    for item in offered:
        for word in (item,) if isinstance(item, str) else item:
            if word not in FORMATS:
                raise PluginInvalid(f"{key}: {word!r} is no memory format", hint=f"Use {', '.join(FORMATS)}.")
    if not offered:
        raise PluginInvalid(f"{key}: a tactic without formats", hint="Leave formats out for linear memory.")


def _inplace(target: type[Any], key: Key, given: Mapping[int, str]) -> tuple[str, ...]:
    names = input_names(target)
    for output, name in given.items():
        if output != 0 or name not in names:
            raise PluginInvalid(
                f"{key}: inplace {{{output!r}: {name!r}}} names no output 0 and input",
                hint=f"Write inplace={{0: name}} with one of {', '.join(names)}.",
            )
    return tuple(given.values())


def onnx_rule(name: str, *, since: int) -> Callable[[T], T]:
    """Declare the import of ONNX nodes ``domain::OpType`` from opset `since` on: a function (net, node) -> tensors."""
    domain, _, op_type = name.rpartition("::")

    def decorate(function: T) -> T:
        module = getattr(function, "__module__", "")
        if domain.startswith("ai.onnx") and module.partition(".")[0] != ROOT:
            raise PluginInvalid(
                f"{name}: the domain {domain} is reserved for ONNX's standard domains",
                hint="Declare rules for domains of your own.",
            )
        registry.rules.setdefault((domain, op_type), {})[since] = function  # type: ignore[assignment]
        return function

    return decorate
