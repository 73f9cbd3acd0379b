"""Size expressions: arithmetic agrees with Python's on numbers, and normal forms simplify what exporters write."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from enginewright.dims import (
    Dim,
    Size,
    ceil_div,
    collect_checks,
    dim_broadcast,
    dim_equal,
    dim_less,
    dim_max,
    dim_min,
    dim_scale,
    dim_select,
    evaluate,
    lower_bound,
    require,
    room,
    same,
    substitute,
    upper_bound,
)
from enginewright.errors import ShapeError, SymbolicShapeError

N, S = Dim("N"), Dim("S")
Binary = Callable[[Size, Size], Size]

OPERATIONS: dict[str, tuple[Binary, Callable[[int, int], int]]] = {
    "add": (lambda a, b: a + b, lambda a, b: a + b),
    "sub": (lambda a, b: a - b, lambda a, b: a - b),
    "mul": (lambda a, b: a * b, lambda a, b: a * b),
    "min": (dim_min, min),
    "max": (dim_max, max),
    "floordiv": (lambda a, b: a // b, lambda a, b: a // b),
    "ceildiv": (ceil_div, lambda a, b: -(-a // b)),
    "mod": (lambda a, b: a % b, lambda a, b: a % b),
    "equal": (dim_equal, lambda a, b: int(a == b)),
    "less": (dim_less, lambda a, b: int(a < b)),
}
LEAVES = st.one_of(st.integers(0, 9), st.sampled_from(["N", "S"]))
TREES = st.recursive(LEAVES, lambda inner: st.tuples(st.sampled_from(sorted(OPERATIONS)), inner, inner), max_leaves=8)


def _symbolic(tree: object) -> Size:
    if isinstance(tree, tuple):
        return OPERATIONS[tree[0]][0](_symbolic(tree[1]), _symbolic(tree[2]))
    return Dim(tree) if isinstance(tree, str) else int(str(tree))


def _number(tree: object, sizes: dict[str, int]) -> int:
    if isinstance(tree, tuple):
        return OPERATIONS[tree[0]][1](_number(tree[1], sizes), _number(tree[2], sizes))
    return sizes[tree] if isinstance(tree, str) else int(str(tree))


@given(TREES, st.integers(0, 50), st.integers(0, 50))
def test_expressions_agree_with_numbers(tree: object, n: int, s: int) -> None:
    sizes = {"N": n, "S": s}
    try:
        expected = _number(tree, sizes)
        size = _symbolic(tree)
    except ZeroDivisionError:
        return
    try:
        assert evaluate(size, sizes) == expected
    except ZeroDivisionError:  # the expression kept a division that the numbers of the tree never reach
        return
    assert lower_bound(size) <= expected <= upper_bound(size)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((N * S * 768) // (N * S), 768),
        ((N * 12 * 64) % 64, 0),
        ((N * 4 + 3) // 4, N),
        ((N + S) - S, N),
        (dim_min(2**63 - 1, N), N),
        (dim_max(N, 0), N),
        (dim_broadcast(N, 1), N),
        (dim_broadcast(1, N), N),
        (dim_broadcast(N, 5), 5),
        (dim_equal(N, -1), 0),
        (dim_select(dim_equal(N, N), 1, S), 1),
        (dim_scale(N, 2.0), N * 2),
        (dim_scale(7, 0.5), 3),
        (0 * N, 0),
    ],
)
def test_normal_forms(size: Size, expected: Size) -> None:
    assert size == expected


def test_comparison_of_unknown_sizes_names_the_alternative() -> None:
    with pytest.raises(SymbolicShapeError, match="dim_min"):
        _ = N < S  # type: ignore[operator]
    assert N >= 0
    assert N + 1 > 0
    with pytest.raises(SymbolicShapeError):
        bool(N)


def test_checks_are_recorded_and_known_sizes_judged_at_once() -> None:
    with collect_checks() as checks:
        assert same(N, 4) == 4
        assert same(N, N) == N
        assert dim_broadcast(N, S) != N
    assert [(check.kind, str(check.a), str(check.b)) for check in checks] == [
        ("equal", "N", "4"),
        ("broadcast", "N", "S"),
    ]
    with pytest.raises(ShapeError):
        require("equal", 3, 4)
    require("broadcast", 1, 4)


def test_data_and_value_sizes() -> None:
    data = Dim.data(N * 2)
    assert upper_bound(data) <= math.inf
    assert str(Dim.value(7, 0)) == "value(7, 0)"
    replaced = substitute(data, lambda atom: 3 if atom.kind == "symbol" else None)
    assert isinstance(replaced, Dim)
    assert replaced.atoms[0].args[2] == 6
    with pytest.raises(SymbolicShapeError):
        evaluate(data, {"N": 1})


def test_sums_divide_exactly() -> None:
    batch, past, length = Dim("B"), Dim("P"), Dim("S")
    total = batch * (past + length) * 768
    assert total // (batch * (past + length) * 12) == 64
    assert total // (past + length) == batch * 768
    assert total % (past + length) == 0
    assert (length * length - past * past) // (length + past) == length - past
    assert evaluate((total + 1) // (past + length), {"B": 2, "P": 1, "S": 3}) == (2 * 4 * 768 + 1) // 4


@given(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3), st.integers(1, 3))
def test_division_takes_out_what_was_multiplied(a: int, b: int, c: int, d: int) -> None:
    left, right = N * N * a + N * S * b + c, N * d + S * 2 + 5
    assert (left * right) // right == left


def test_broadcast_with_a_table_cut_to_the_same_length() -> None:
    with collect_checks() as checks:
        assert dim_broadcast(dim_min(S, 512), S) == S
        assert dim_broadcast(S, dim_min(S, 512)) == S
    assert len(checks) == 2
    assert dim_broadcast(dim_min(S, 1), S) != S


def test_functions_of_functions_are_one() -> None:
    assert (N // 2) // 3 == N // 6
    assert dim_min(dim_min(N, 7), N) == dim_min(N, 7)
    assert dim_max(S, dim_max(N, S)) == dim_max(N, S)
    assert dim_broadcast(dim_broadcast(N, S), S) == dim_broadcast(N, S)
    assert lower_bound((N - 192) // 128) == -2
    assert upper_bound((dim_min(N, 10) - 3) // 2) == 4
    read = Dim.value(0, 0)
    assert lower_bound(read // 2) == -math.inf
    assert upper_bound(ceil_div(read, 2)) == math.inf


def test_room_has_upper_bounds_in_place_of_data() -> None:
    n = Dim("n")
    assert room(Dim.data(upper=3 * n) * 4 + 1) == 12 * n + 1
    assert room(ceil_div(Dim.data(upper=9), 2)) == 5
    unknown = Dim.data()
    assert room(unknown) == unknown
    assert room(7) == 7
