"""Relative errors, special values, integers, half precision, and arg-max."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from enginewright.compiler.differences import compare, compare_output

REF = np.array([3.0, 4.0], np.float32)


def test_relative_error_is_that_of_the_whole_array() -> None:
    error, largest, note = compare(np.array([3.0, 4.5], np.float32), REF)
    assert error == pytest.approx(0.1)
    assert largest == pytest.approx(0.5)
    assert note == ""


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.array([3.0], np.float32), "here"),
        (np.array([3.0, 4.0]), "float64"),
        (np.array([3.0, np.nan], np.float32), "NaN"),
        (np.array([3.0, np.inf], np.float32), "NaN"),
    ],
)
def test_what_cannot_be_compared_differs(out: np.ndarray, message: str) -> None:
    error, _, note = compare(out, REF)
    assert error == np.inf
    assert message in note


def test_equal_special_values_are_equal() -> None:
    array = np.array([np.nan, -np.inf, 1.0], np.float32)
    assert compare(array, array.copy())[:2] == (0.0, 0.0)
    assert compare(np.array([np.nan]), np.array([np.nan]))[2] == "all NaN or infinite: nothing was compared"
    assert compare(np.array([np.inf]), np.array([-np.inf]))[0] == np.inf


def test_zeros() -> None:
    zero = np.zeros(2, np.float32)
    assert compare(zero, zero)[0] == 0.0
    assert compare(REF, zero)[0] == np.inf
    assert compare(np.zeros(0, np.float32), np.zeros(0, np.float32))[0] == 0.0


def test_integers_and_texts_must_be_equal() -> None:
    assert compare_output("y", [(np.array([1, 2]), np.array([1, 2]))], 1.0, 1.0).passed
    wrong = compare_output("y", [(np.array([1, 2]), np.array([1, 3]))], 1.0, 1.0)
    assert not wrong.passed
    assert wrong.note == "1 of 2 elements differ"
    texts = np.array(["a", "b"], object)
    assert compare_output("y", [(texts, texts.copy())], 1e-4, 0.0).passed


def test_the_worst_case_counts() -> None:
    close, far = REF * np.float32(1.00001), REF * np.float32(1.1)
    found = compare_output("y", [(close, REF), (far, REF)], 1e-4, 0.0)
    assert found.error == pytest.approx(0.1, rel=1e-3)
    assert not found.passed
    assert compare_output("y", [(far, REF)], 1e-4, 1.0).passed


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_has_a_wider_tolerance(dtype: type) -> None:
    ref = np.array([1.0, 2.0], dtype)
    assert compare_output("y", [(np.array([1.0, 2.0078125], dtype), ref)], 1e-4, 0.0).passed
    assert not compare_output("y", [(np.array([1.0, 2.125], dtype), ref)], 1e-4, 0.0).passed


def test_same_argmax_is_a_share_of_rows() -> None:
    ref = np.array([[0.1, 0.9], [0.9, 0.1]], np.float32)
    out = np.array([[0.1, 0.9], [0.1, 0.9]], np.float32)
    assert compare_output("y", [(ref, ref), (out, ref)], 1.0, 0.0).same_argmax == 0.75
    assert compare_output("y", [(np.array([1]), np.array([1]))], 1.0, 0.0).same_argmax is None
