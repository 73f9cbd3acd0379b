"""Fields of a plugin's operator: what is refused when declared, what values become, and that plans keep them all."""

from __future__ import annotations

import enum
import sys
from typing import Any, Optional

import ml_dtypes
import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.weights import WeightPool
from enginewright.plan.fields import operator_record, restore_operator
from enginewright.registry.registry import registry
from enginewright.registry.state import schema_hash


class Mode(enum.Enum):
    """An enum for fields."""

    FAST = "f"
    EXACT = "e"


class Base:
    """The methods that every operator needs."""

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        """The same."""
        return x

    def reference(self, x: Any) -> Any:
        """The same."""
        return x


def declare(name: str, annotation: Any, **default: Any) -> type[Any]:
    """Declare ``acme::name`` with one field `value` of this type."""
    members = {"__annotations__": {"value": annotation}, "__module__": __name__, **default}
    return ew.operator(f"acme::{name}")(type(name, (Base,), members))


@pytest.mark.parametrize(
    ("annotation", "given", "kept"),
    [
        (bool, 1, True),
        (int, np.int64(3), 3),
        (float, 2, 2.0),
        (str, "a", "a"),
        (bytes, b"\x00\xff", b"\x00\xff"),
        (Mode, "EXACT", Mode.EXACT),
        (Mode, "f", Mode.FAST),
        (ew.DataType, "float16", ew.float16),
        (ew.DataType, 1, ew.float32),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[float, float], (1, 2.5), (1.0, 2.5)),
        (tuple[int, ...], np.array([4, 5]), (4, 5)),
        (tuple[Mode, ...], ("FAST",), (Mode.FAST,)),
        (Optional[int], None, None),  # noqa: UP045 - this spelling is allowed, too
        (float | None, 1, 1.0),
    ],
)  # fmt: skip
def test_values(annotation: Any, given: Any, kept: Any) -> None:
    op = declare("Holder", annotation)(value=given)
    assert op.value == kept
    assert type(op.value) is type(kept)
    assert restore_operator(operator_record(op, WeightPool().add)) == op


@pytest.mark.parametrize(
    ("annotation", "wrong"),
    [
        (bool, 2), (int, 1.0), (int, True), (float, "1"), (float, True), (str, b"a"), (bytes, 1), (Mode, "SLOW"),
        (ew.DataType, "float7"), (tuple[int, ...], 3), (tuple[int, int], (1, 2, 3)), (tuple[str, ...], (1,)),
        (int, None), (np.ndarray, "text"), (np.ndarray, np.array([object()])),
    ],
)  # fmt: skip
def test_wrong_values(annotation: Any, wrong: Any) -> None:
    with pytest.raises(ew.NetworkError, match='field "value"'):
        declare("Holder", annotation)(value=wrong)


@pytest.mark.parametrize(
    "annotation",
    [list, list[int], dict, object, Any, tuple, tuple[int, str], tuple[tuple[int, ...], ...], int | str, complex, set],
)
def test_types_that_are_refused_when_declared(annotation: Any) -> None:
    with pytest.raises(ew.PluginInvalid, match='field "value"') as caught:
        declare("Wrong", annotation)
    assert "np.ndarray" in caught.value.hint
    assert all(key.name != "Wrong" for key in registry.operators)


def test_a_default_of_another_type_is_refused() -> None:
    with pytest.raises(ew.PluginInvalid, match='the default of field "value"'):
        declare("Wrong", int, value="one")


def test_names_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ew.PluginInvalid, match="can't be read"):
        declare("Wrong", "NoSuchType")


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, ml_dtypes.bfloat16, ml_dtypes.int4])
def test_arrays_become_weights(dtype: Any) -> None:
    cls = declare("Table", np.ndarray)
    source = np.arange(-3, 3).reshape(2, 3).astype(dtype)
    op, pool = cls(value=source), WeightPool()
    source[0, 0] = 2
    assert op.value[0, 0] == np.array(-3).astype(dtype)
    record = operator_record(op, pool.add)
    assert record.fields[0][1] == "weight"
    again = restore_operator(record, pool.records, pool.data())
    assert again == op
    assert hash(again) == hash(op)
    assert again != cls(value=np.zeros((2, 3), dtype))
    with pytest.raises(ValueError, match="read-only"):
        op.value[0, 0] = 1


def test_a_weight_that_is_not_there() -> None:
    record = operator_record(declare("Table", np.ndarray)(value=np.zeros(2)), WeightPool().add)
    with pytest.raises(ew.PlanInvalid, match="weight 0 is not there"):
        restore_operator(record)


def test_the_schema_is_names_and_types() -> None:
    types = [declare("A", int).FIELDS, declare("B", int).FIELDS, declare("C", float).FIELDS, declare("D", Mode).FIELDS]  # type: ignore[attr-defined]
    hashes = [schema_hash(found) for found in types]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_an_own_check_runs_after_ours_and_is_attributed() -> None:
    def check(self: Any) -> None:
        if self.value < 0:
            raise ValueError("negative")

    cls = declare("Checked", float, __post_init__=check)
    assert cls(value=1).value == 1.0
    with pytest.raises(ew.PluginError, match="acme::Checked@1: __post_init__ raised ValueError: negative"):
        cls(value=-1)


def test_operators_are_frozen() -> None:
    with pytest.raises(AttributeError):
        declare("Frozen", int)(value=1).value = 2


def test_module_is_the_one_that_annotations_are_read_in() -> None:
    assert sys.modules[__name__].Mode is Mode
