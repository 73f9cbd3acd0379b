"""Brings the recipes of older releases to the form of this one: a function for each step, and none is ever removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Plain = dict[str, object]
Step = Callable[[Plain], Plain]

UPGRADES: tuple[Step, ...] = ()
"""Step number n (counted from 0) makes a recipe of schema n + 2 from one of schema n + 1, without its `schema`."""

SCHEMA = 1 + len(UPGRADES)
"""The schema that this release writes."""


def upgrade(recipe: Plain, steps: Sequence[Step] = UPGRADES) -> Plain:
    """Return a recipe in the newest schema; one that is newer still is returned as it is. Raises ValueError."""
    schema = recipe.get("schema")
    if type(schema) is not int or schema < 1:
        raise ValueError(f"schema {schema!r} is none")
    for number, step in enumerate(steps[schema - 1 :], start=schema + 1):
        try:
            recipe = {**step({**recipe}), "schema": number}
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"not a recipe of schema {number - 1}: {error}") from None
    return recipe
