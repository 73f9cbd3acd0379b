"""State: the fields are all there is to an operator; they are saved, loaded equal, and in the plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from enginewright.compiler.weights import WeightPool
from enginewright.errors import EnginewrightError, NetworkError
from enginewright.plan.fields import operator_record, restore_operator
from enginewright.registry.state import check_field_names, identity
from enginewright.testing.checks import Skipped, check
from enginewright.testing.lock import compare, read_lock
from enginewright.testing.subject import Subject, other_values


@check(
    "state/fields",
    "fields are typed, and nothing else is kept in the operator",
    "Declare every attribute as a typed field; keep caches out of the operator, which is frozen.",
)
def fields(subject: Subject) -> Iterator[str]:
    """Compare the attributes before and after all methods ran."""
    names = {item.name for item in dataclasses.fields(subject.cls)}
    for case in subject.usable():
        before = identity(case.op)
        case.infer()
        case.reference(case.arrays())
        for tactic in subject.tactics:
            with suppress(Exception):  # behaviour/methods tells
                tactic.plan(case.op, *case.specs())
        hidden = sorted(set(vars(case.op)) - names)
        if hidden:
            yield f"{case.label}: the operator keeps {', '.join(hidden)}, which no plan saves"
        if identity(case.op) != before:
            yield f"{case.label}: a method changed a field of the operator"


@check(
    "state/saved",
    "fields are saved, and loaded equal",
    "Let __post_init__ check and normalize, so that normalizing again changes nothing.",
)
def saved(subject: Subject) -> Iterator[str]:
    """Write each operator as a plan does, and read it back."""
    for case in subject.usable():
        again = _reloaded(case.op)
        if identity(again) != identity(case.op):
            yield f"{case.label}: saved as {_shown(case.op)}, loaded as {_shown(again)}"


def _reloaded(op: Any) -> Any:
    pool = WeightPool()
    record = operator_record(op, pool.add)
    return restore_operator(record, pool.records, pool.data())


def _shown(op: Any) -> str:
    return ", ".join(f"{item.name}={getattr(op, item.name)!r:.40}" for item in dataclasses.fields(op)) or "no fields"


@check(
    "state/refused",
    "unknown and missing fields are refused",
    "Leave __init__ to ew.operator: fields are its arguments.",
)
def refused(subject: Subject) -> Iterator[str]:
    """Make the operator with a field too many, and with a required one too few."""
    case = subject.usable()[0]
    values = {item.name: getattr(case.op, item.name) for item in dataclasses.fields(case.op)}
    required = [item.name for item in dataclasses.fields(case.op) if item.default is dataclasses.MISSING]
    wrong = [{**values, "no_such_field": 1}]
    wrong += [{name: value for name, value in values.items() if name != missing} for missing in required]
    for given in wrong:
        try:
            check_field_names(subject.cls, given)
            accepted = True
        except NetworkError:
            accepted = False
        try:
            subject.cls(**given)
        except TypeError:
            pass
        else:
            accepted = True
        if accepted:
            yield f"the operator takes the fields {sorted(given)}"


@check(
    "state/plan",
    "a changed field changes the plan",
    "Let __post_init__ leave the values that it was given.",
)
def plan(subject: Subject) -> Iterator[str]:
    """Give each field another value, and look whether it is still there in what a plan saves."""
    case, tried = subject.usable()[0], 0
    if not subject.cls.FIELDS:
        raise Skipped("the operator has no fields")
    for name, kind in subject.cls.FIELDS.items():
        values = other_values(getattr(case.op, name), kind.enum)
        made = [(value, op) for value in values for op in _changed(case.op, name, value)]
        tried += len(made)
        if made and all(identity(op) == identity(case.op) for _, op in made):
            yield f"{name}={made[0][0]!r:.40} gives the same plan as {name}={getattr(case.op, name)!r:.40}"
    if not tried:
        raise Skipped("no other values for the fields of the first case")


def _changed(op: Any, name: str, value: Any) -> Iterator[Any]:
    try:
        yield dataclasses.replace(op, **{name: value})
    except (EnginewrightError, ValueError, TypeError):
        return


@check(
    "state/version",
    "fields change only with the version",
    "Raise version= in ew.operator: a plan with the old fields must not meet the new ones.",
)
def version(subject: Subject) -> Iterator[str]:
    """Compare with plugin.lock.json."""
    known = read_lock(subject.lock) if subject.lock else {}
    if str(subject.key) not in known:
        raise Skipped("no plugin.lock.json names it; `enginewright plugin check KEY --lock` writes it")
    yield from compare(subject.cls, known)
