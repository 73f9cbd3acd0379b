"""Random inputs that a model accepts, given ones from files, and the sizes of dynamic axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright.runtime.ports import PortInfo
from enginewright.tools.inputs import InputMaker, read_inputs

FLOAT, INT, BOOL = ew.float32, ew.int64, ew.bool_


def ports(*items: tuple[str, ew.DataType, tuple[int | str, ...]]) -> list[PortInfo]:
    return [PortInfo(*item) for item in items]


def test_equal_seeds_give_equal_arrays() -> None:
    maker = InputMaker(ports(("x", FLOAT, (2, 3))))
    assert np.array_equal(maker.make(1)["x"], maker.make(1)["x"])
    assert not np.array_equal(maker.make(1)["x"], maker.make(2)["x"])


def test_sizes_by_rule_and_by_name() -> None:
    maker = InputMaker(ports(("x", FLOAT, ("n", "s", 4)), ("y", FLOAT, ("n", "s"))), shapes={"y": (3, 5)})
    assert maker.make(0)["x"].shape == (3, 5, 4)
    assert InputMaker(ports(("x", FLOAT, ("n", "s")))).make(0)["x"].shape == (1, 128)


def test_given_arrays_decide_sizes() -> None:
    array = np.ones((2, 7), np.float32)
    made = InputMaker(ports(("x", FLOAT, ("n", "s")), ("y", FLOAT, ("s",))), given={"x": array}).make(0)
    assert made["x"] is array
    assert made["y"].shape == (7,)


def test_names_that_spell_expressions() -> None:
    maker = InputMaker(
        ports(("past", FLOAT, ("n", "p")), ("ids", FLOAT, ("n", "s")), ("all", FLOAT, ("n", "p + s"))),
        shapes={"past": (1, 4), "ids": (1, 2)},
    )
    assert maker.make(0)["all"].shape == (1, 6)
    # A hyphen in a plain name is no subtraction: neither "seq" nor "len" is a size.
    assert InputMaker(ports(("x", FLOAT, (1, "seq-len")))).make(0)["x"].shape == (1, 128)


def test_values_follow_names_and_types() -> None:
    made = InputMaker(
        ports(
            ("attention_mask", INT, (1, 6)),
            ("src_mask", BOOL, (1, 6)),
            ("position_ids", INT, (1, 6)),
            ("sr", INT, ()),
            ("ids", INT, (1, 100)),
            ("other", INT, (1, 100)),
            ("flag", BOOL, (50,)),
        ),
        limits={"ids": 7},
    ).make(0)
    assert made["attention_mask"].tolist() == [[1] * 6]
    assert made["src_mask"].all()
    assert made["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5]]
    assert made["sr"] == 16000
    assert set(made["ids"].flat) == set(range(7))
    assert set(made["other"].flat) == {0, 1}
    assert set(made["flag"].tolist()) == {True, False}


def test_unknown_names_and_wrong_ranks() -> None:
    with pytest.raises(ew.UsageError, match="there is no input z"):
        InputMaker(ports(("x", FLOAT, (2,))), shapes={"z": (1,)})
    with pytest.raises(ew.ConfigError, match="2 axes"):
        InputMaker(ports(("x", FLOAT, (2, 3))), shapes={"x": (1,)}).make(0)


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "all.npz", y=np.ones(2), z=np.zeros(1))
    found = read_inputs([f"x={tmp_path / 'a.npy'}", str(tmp_path / "all.npz")])
    assert sorted(found) == ["x", "y", "z"]
    assert found["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [("x=missing.npy", "cannot read"), ("missing.npz", "cannot read"), ("a.npy", "names no input")],
)
def test_unreadable_files(text: str, message: str) -> None:
    with pytest.raises(ew.UsageError, match=message):
        read_inputs([text])


def test_several_arrays_for_one_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", y=np.ones(2))
    with pytest.raises(ew.UsageError, match="several arrays"):
        read_inputs([f"x={tmp_path / 'all.npz'}"])


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ew.UsageError, match="cannot read"):
        read_inputs([f"x={tmp_path / 'evil.npy'}"])
