"""The decorators behind every kind of deprecation; the registry is looked up at the first use, never at import."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, TypeVar, cast

from enginewright_compat.deprecation import controls
from enginewright_compat.deprecation.registry import Deprecation, find_deprecation
from enginewright_compat.deprecation.warning import notice

F = TypeVar("F", bound=Callable[..., Any])
OWN = {"enginewright", "enginewright_compat", "enginewright_plugins", "click", "pluggy"}
"""Packages whose lines are never the caller's."""
_warned: set[tuple[str, str]] = set()


def warn_deprecated(message: str, *, once_for: str = "") -> None:
    """Warn of a use of the deprecation whose id begins `message`, at the line outside of the calling package.

    `once_for` names a thing, such as a file, for which it warns once only.
    """
    entry = find_deprecation(identity_of(message))
    if not once_for or _is_first(entry, once_for):
        _warn(entry, sys._getframe(1))


def _warn(entry: Deprecation, asking: FrameType) -> None:
    """Warn at the nearest line outside of our packages and of the one that asks."""
    frame = _caller(asking)
    file, line = frame.f_code.co_filename, frame.f_lineno
    controls.note(entry, f"{file}:{line}")
    if controls.raises(entry):
        raise notice(entry)
    if entry.stage != "soft" and not controls.settings().ignore:
        module = frame.f_globals.get("__name__", "<unknown>")
        seen = frame.f_globals.setdefault("__warningregistry__", {})
        warnings.warn_explicit(notice(entry), None, file, line, module, seen)


def identity_of(message: str) -> str:
    """Return the id with which the text of a decorator begins."""
    return message.partition(":")[0]


def _is_first(entry: Deprecation, thing: str) -> bool:
    first = (entry.id, thing) not in _warned
    _warned.add((entry.id, thing))
    return first


def _caller(frame: FrameType) -> FrameType:
    """Return that frame.

    Python 3.12 has `skip_file_prefixes` for this; the walk serves 3.11, too, and tells the place for the report.
    """
    skipped = OWN | {_package(frame)}
    while frame.f_back is not None and (_package(frame) in skipped or _is_import(frame)):
        frame = frame.f_back
    return frame


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_import(frame: FrameType) -> bool:
    return "importlib" in frame.f_code.co_filename and "_bootstrap" in frame.f_code.co_filename


# ---- functions, methods, properties, classes -------------------------------------------------------------------------


class deprecated:  # noqa: N801 - it stands where the decorator of PEP 702 stands for type checkers
    """Mark a function, method, property function or class: its use, instantiation or subclassing warns."""

    def __init__(self, message: str, /) -> None:
        self.message = message

    def __call__(self, target: Any, /) -> Any:
        """Return the same thing, which warns from now on."""
        if isinstance(target, type):
            return self._mark_class(target)
        if isinstance(target, classmethod | staticmethod):
            return type(target)(self._wrap(target.__func__))
        return self._wrap(target)

    def _wrap(self, function: F) -> F:
        message = self.message

        @functools.wraps(function)
        def warning(*args: Any, **kwargs: Any) -> Any:
            warn_deprecated(message)
            return function(*args, **kwargs)

        function.__deprecated__ = warning.__deprecated__ = message  # type: ignore[attr-defined]
        return cast(F, warning)

    def _mark_class(self, cls: Any) -> Any:
        message, new, subclassed = self.message, cls.__new__, cls.__init_subclass__

        def make(made: Any, /, *args: Any, **kwargs: Any) -> Any:
            if made is cls:
                warn_deprecated(message)
            if new is not object.__new__:
                return new(made, *args, **kwargs)
            if made.__init__ is object.__init__ and (args or kwargs):
                raise TypeError(f"{made.__name__}() takes no arguments")
            return new(made)

        def subclass(made: Any, /, **kwargs: Any) -> None:
            warn_deprecated(message)
            if hasattr(subclassed, "__func__"):  # the class's own: it must see the new subclass
                subclassed.__func__(made, **kwargs)
            else:
                subclassed(**kwargs)

        cls.__new__ = staticmethod(functools.wraps(new)(make))
        cls.__init_subclass__ = classmethod(subclass)
        cls.__deprecated__ = message
        return cls


# ---- parameters, defaults -------------------------------------------------------------------------------------------


def deprecated_param(message: str, old: str, *, new: str | None = None) -> Callable[[F], F]:
    """Accept the keyword `old` with a warning, and hand it on as `new`; without `new`, as it is or not at all."""

    def decorate(function: F) -> F:
        accepted = old in inspect.signature(function).parameters

        @functools.wraps(function)
        def renaming(*args: Any, **kwargs: Any) -> Any:
            if old in kwargs:
                _check_stage(message)
                warn_deprecated(message)
                if new in kwargs:
                    raise TypeError(f"{function.__qualname__}() got both {old!r} and {new!r}: leave {old!r} out")
                value = kwargs.pop(old)
                kwargs |= {new: value} if new is not None else {old: value} if accepted else {}
            return function(*args, **kwargs)

        _remember(renaming, message)
        return cast(F, renaming)

    return decorate


def deprecated_positional(message: str, *names: str) -> Callable[[F], F]:
    """Accept keyword-only parameters by position with a warning: `names`, in the order that they had."""

    def decorate(function: F) -> F:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        allowed = sum(parameter.kind in kinds for parameter in inspect.signature(function).parameters.values())

        @functools.wraps(function)
        def naming(*args: Any, **kwargs: Any) -> Any:
            if allowed < len(args) <= allowed + len(names):
                _check_stage(message)
                warn_deprecated(message)
                given = dict(zip(names, args[allowed:], strict=False))
                if given.keys() & kwargs.keys():
                    raise TypeError(f"{function.__qualname__}() got {sorted(given.keys() & kwargs.keys())} twice")
                args, kwargs = args[:allowed], {**kwargs, **given}
            return function(*args, **kwargs)

        _remember(naming, message)
        return cast(F, naming)

    return decorate


class Unset:
    """The type of `UNSET`, the default of a parameter whose default is about to change."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = Unset()


def changed_default(message: str, value: Any, old: Any) -> Any:
    """Return `value`, or the default of old, with a warning, where the caller left the parameter out."""
    if value is not UNSET:
        return value
    _warn(find_deprecation(identity_of(message)), sys._getframe(1))
    return old


def _check_stage(message: str) -> None:
    entry = find_deprecation(identity_of(message))
    if entry.stage == "removed":
        raise TypeError(entry.text)


def _remember(function: Any, message: str) -> None:
    """Note which deprecations a function knows, for the gate that compares decorators with the registry."""
    function.__deprecations__ = (*getattr(function, "__deprecations__", ()), message)


# ---- keys, hooks ----------------------------------------------------------------------------------------------------


def renamed_key(message: str, mapping: Mapping[str, Any], old: str, new: str, *, default: Any = None) -> Any:
    """Return what a mapping (a configuration, the environment) has under `new`, or with a warning under `old`."""
    if new in mapping:
        return mapping[new]
    if old not in mapping:
        return default
    _warn(find_deprecation(identity_of(message)), sys._getframe(1))
    return mapping[old]


def hook_warning(message: str) -> Warning:
    """Return what pluggy's `warn_on_impl` and `warn_on_impl_args` issue at the line of a plugin's hook."""
    return notice(find_deprecation(identity_of(message)))
