"""The tests of the user's program: they hold before and after the repair."""

from __future__ import annotations

import acme_lib
import app


def test_totals() -> None:
    assert app.totals() == [3, 7, 11]


def test_loaded() -> None:
    assert app.loaded() == ["b red", "a é", "x", "c green"]


def test_car() -> None:
    assert app.Car(4).drive(acme_lib.Engine(7)) == [4, 7, 7, 3, 4, 2]


def test_own_names() -> None:
    assert app.own_names(1) == [1, 5, 5, 5, {"colour": "a"}, "mine"]
    assert app.looped() == [1, 2]


def test_others() -> None:
    assert app.others() == [512, True, 16, 3, True]
    assert app.shadowed(flag=True) == 5
