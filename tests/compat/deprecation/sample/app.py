"""A user's program: each line with a deprecated use names its id; lines without one use nothing deprecated."""

from __future__ import annotations

import functools
import os

import acme_lib
import acme_lib as al
import acme_lib.old_shapes as shapes  # EW-D9015
from acme_lib import Color, Engine, old_total  # EW-D9001
from acme_lib import OldConfig as Settings  # EW-D9007


def totals() -> list[int]:
    """Three ways to the same function."""
    add = al.old_total  # EW-D9001
    return [old_total(1, 2), add(3, 4), acme_lib.old_total(b=6, a=5)]  # EW-D9001 EW-D9001


def loaded() -> list[str]:
    """Keywords of functions, some behind partial."""
    red = functools.partial(al.load, colour="red")  # EW-D9008
    plain = al.load("a", colour="é")  # EW-D9008
    return [red("b"), plain, al.paint(tint="x"), al.load("c", color="green")]  # EW-D9022


class Car:
    """Objects of the library in attributes and parameters."""

    def __init__(self, speed: int) -> None:
        self.engine = Engine(speed)
        self.colour = "mine"

    def drive(self, other: Engine) -> list[int]:
        """Methods and properties."""
        made = [self.engine.begin(), other.velocity, other.speed]  # EW-D9002 EW-D9005
        made += [Engine.make(3), Engine.halve(8), al.Engine(2).begin()]  # EW-D9003 EW-D9004 EW-D9002
        return made

    def begin(self) -> str:
        """Named as a method of the library, and something else."""
        return self.colour


class Mine:
    """Names that the library uses, too."""

    velocity = 5

    def begin(self) -> int:
        """Not the library's."""
        return self.velocity


def own_names(old_total: int, colour: str = "a") -> list[object]:
    """Nothing here is the library's, though the names are."""
    engine = Mine()
    mine = {"colour": colour, "LIMIT": engine.velocity}
    return [old_total, engine.begin(), engine.velocity, mine["LIMIT"], dict(colour=colour), Car(1).begin()]


def shadowed(flag: bool) -> object:
    """What a name stands for depends on the run: not reported."""
    if flag:
        thing: object = Mine()
    else:
        thing = Engine(1)
    return thing.begin()  # type: ignore[attr-defined]


def looped() -> list[int]:
    """A loop variable hides the import."""
    return [Engine for Engine in (1, 2)]


def others() -> list[object]:
    """Attributes of the module, members, settings."""
    settings = Settings(3)
    return [
        al.LIMIT,  # EW-D9014
        Color.GREY is Color.GRAY,  # EW-D9013
        shapes.area(4),
        settings.level,
        issubclass(al.EngineFailure, al.Failure),  # EW-D9017
    ]


def by_hand() -> list[object]:
    """What no tool can repair."""
    return [
        al.load("a", fast=True),  # EW-D9009
        al.save("a", "zip"),  # EW-D9010
        al.save("a", form="zip"),
        al.round_to(2.3456),  # EW-D9011
        al.round_to(2.3456, 1),
        al.read(mode="legacy"),  # EW-D9012
        al.read("modern"),
        Color["GREY"],  # EW-D9013
        al.sizes(),  # EW-D9016
        getattr(al, "LIMIT"),  # EW-D9014
        os.environ.get("ACME_DIR"),  # EW-D9018
    ]
