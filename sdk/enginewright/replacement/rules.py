"""A replacement rule ready to be matched: its traced pattern, and the operator for what was captured."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from enginewright.errors import PluginInvalid
from enginewright.graph.network import Tensor
from enginewright.graph.pattern_network import TracedPattern, trace_pattern
from enginewright.graph.patterns import Match, Node, maker_of
from enginewright.registry.registry import registry
from enginewright.registry.replacements import Replacement

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Rule:
    """A replacement and its pattern."""

    replacement: Replacement
    pattern: TracedPattern

    @cached_property
    def order(self) -> tuple[Any, ...]:
        """Rules are tried by priority, then larger pattern, then key."""
        return (-self.replacement.priority, -len(self.pattern.nodes), self.replacement.key, self.replacement.origin)

    @property
    def first(self) -> Node:
        """The node from which matching begins: the maker of the first result."""
        return maker_of(self.pattern.roots[0])

    @property
    def name(self) -> str:
        """The name of the pattern function."""
        return self.replacement.origin[2]

    def captures(self, match: Match) -> dict[str, Any]:
        """What the rule's functions get: attributes, constants as arrays, values as specs."""
        found: dict[str, Any] = dict(match.attributes)
        for name in self.pattern.constants:
            found[name] = match.tensors[name].const
        for name in self.pattern.values:
            found[name] = match.tensors[name].spec
        return found

    def inputs(self, match: Match) -> list[Tensor]:
        """The operator's inputs: the pattern's values in their order."""
        return [match.tensors[name] for name in self.pattern.values]

    def build(self, match: Match) -> Any:
        """The operator for a match."""
        captures = self.captures(match)
        if self.replacement.build is not None:
            return self.replacement.build(captures)
        wanted = {item.name: item for item in fields(self.replacement.operator)}
        values = {name: captures[name] for name in (*self.pattern.attributes, *self.pattern.constants)}
        return self.replacement.operator(**{name: _as_field(value, wanted[name]) for name, value in values.items()})

    def reference(self, op_type: str) -> Callable[..., Any] | None:
        """What computes an unsupported node of the pattern."""
        given = self.replacement.reference
        if not isinstance(given, Mapping):
            return given if len(self.pattern.opaque) == 1 else None
        return given.get(op_type)


def all_rules() -> tuple[list[Rule], list[tuple[Replacement, PluginInvalid]]]:
    """The rules of the registry in the order in which they are tried, and those that can't work with the reason."""
    registry.discovery.load_extensions()
    found: list[Rule] = []
    broken: list[tuple[Replacement, PluginInvalid]] = []
    for item in registry.replacements.values():
        try:
            rule = Rule(item, trace_pattern(item.pattern))
            _check(rule)
            found.append(rule)
        except PluginInvalid as error:
            broken.append((item, error))
    return sorted(found, key=lambda rule: rule.order), broken


def _check(rule: Rule) -> None:
    """Captured names are fields and all fields without a default are captured; the inputs are as many."""
    replacement = rule.replacement
    where = f"rule {rule.name} of {replacement.key}"
    if replacement.build is None:
        known = {item.name: item for item in fields(replacement.operator)}
        captured = (*rule.pattern.attributes, *rule.pattern.constants)
        unknown = sorted(set(captured) - known.keys())
        needed = [name for name, item in known.items() if _is_required(item) and name not in captured]
        if unknown or needed:
            wrong = f"captures {', '.join(unknown)}, no field" if unknown else f"lacks the field {', '.join(needed)}"
            hint = f"The fields are {', '.join(known) or 'none'}; capture them, or give build=."
            raise PluginInvalid(f"the pattern {wrong} of the operator", hint=hint, where=where)
    if not isinstance(replacement.reference, Mapping) and len(rule.pattern.opaque) != 1:
        message = f"one reference= is given for {len(rule.pattern.opaque)} unsupported operators"
        raise PluginInvalid(message, hint='Give reference={"domain::OpType": function, ...}.', where=where)
    parameters = list(inspect.signature(replacement.operator.infer).parameters.values())[1:]
    least = sum(p.default is p.empty and p.kind is not p.VAR_POSITIONAL for p in parameters)
    most = len(parameters) if all(p.kind is not p.VAR_POSITIONAL for p in parameters) else len(rule.pattern.values)
    if not least <= len(rule.pattern.values) <= most:
        message = f"the pattern has {len(rule.pattern.values)} values, the operator takes {least} to {most} inputs"
        raise PluginInvalid(message, hint="The pattern's values become the operator's inputs in order.", where=where)


def _is_required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _as_field(value: Any, item: Any) -> Any:
    """A captured constant as a field of this type: a number, a tuple, or the array itself."""
    kind = item.type if isinstance(item.type, str) else getattr(item.type, "__name__", str(item.type))
    if not isinstance(value, np.ndarray) or "ndarray" in kind or "Array" in kind:
        return value
    if kind.startswith("tuple"):
        return tuple(value.reshape(-1).tolist())
    return value.reshape(-1)[0].item() if value.size == 1 else value
