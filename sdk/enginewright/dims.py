"""Sizes that are not known yet: exact integer expressions over named dimensions, as polynomials in normal form.

A size is an ``int`` or a `Dim`. Every operation returns an ``int`` where the result is a constant, so shape rules are
written once for static and symbolic shapes. Two expressions are equal when their normal forms are; other comparisons
of sizes that are not known raise `SymbolicShapeError`.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from enginewright.errors import ShapeError, SymbolicShapeError

MAX_DIM = 2**31 - 1

Size: TypeAlias = Union[int, "Dim"]
Monomial: TypeAlias = tuple["Atom", ...]


@dataclass(frozen=True, slots=True)
class Atom:
    """An indivisible part of an expression: a named dimension, a value read at run time, or a function of sizes.

    Kinds and arguments: symbol(name), value(tensor uid, element), data(tensor uid, axis, upper or None),
    floordiv|mod|ceildiv|min|max|broadcast|equal|less(a, b), select(condition, a, b), scale(a, factor as hex text).
    """

    kind: str
    args: tuple[object, ...]
    order: str = field(init=False, repr=False, compare=False)
    """By this text terms are sorted."""
    _hash: int = field(init=False, repr=False, compare=False)
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Atoms are compared, sorted and written so often that all this is found out once."""
        text = ", ".join(map(str, self.args))
        object.__setattr__(self, "_hash", hash((self.kind, self.args)))
        object.__setattr__(self, "_text", text if self.kind == "symbol" else f"{self.kind}({text})")
        object.__setattr__(self, "order", f"Atom(kind={self.kind!r}, args={self.args!r})")

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._text

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The arguments that are sizes themselves."""
        if self.kind in ("symbol", "value"):
            return ()
        if self.kind == "data":
            return () if self.args[2] is None else (_size(self.args[2]),)
        return tuple(_size(arg) for arg in self.args if isinstance(arg, int | Dim))


class Dim:
    """A symbolic size: a sum of integer multiples of products of atoms. Make one with `Dim("N")` or by arithmetic."""

    __slots__ = ("_hash", "_text", "terms")
    terms: tuple[tuple[Monomial, int], ...]
    _text: str | None

    def __init__(self, name: str) -> None:
        """A named dimension; the same name means the same size everywhere in one network."""
        self.terms = (((Atom("symbol", (name,)),), 1),)
        self._hash, self._text = hash(self.terms), None

    @staticmethod
    def value(tensor: object, index: int) -> Dim:
        """Element `index` (flattened) of integer tensor `tensor` (a `TensorSpec`), read just before the step."""
        return _atom("value", getattr(tensor, "uid", tensor), index)

    @staticmethod
    def data(upper: Size | None = None) -> Dim:
        """A size that the kernel finds out while it runs; `upper` is the size its memory gets, None if unknown."""
        return _atom("data", -1, -1, upper)

    @staticmethod
    def from_terms(terms: Mapping[Monomial, int]) -> Size:
        """The normal form of a polynomial: an `int` where it is constant."""
        kept = {monomial: factor for monomial, factor in terms.items() if factor}
        if not kept or (len(kept) == 1 and () in kept):
            return kept.get((), 0)
        dim = object.__new__(Dim)
        dim.terms = tuple(kept.items()) if len(kept) == 1 else tuple(sorted(kept.items(), key=_term_order))
        dim._hash, dim._text = hash(dim.terms), None
        return dim

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __add__(self, other: Size) -> Size:
        total = dict(self.terms)
        for monomial, factor in _terms(other):
            total[monomial] = total.get(monomial, 0) + factor
        return Dim.from_terms(total)

    def __mul__(self, other: Size) -> Size:
        if other == 1:
            return self
        product: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                monomial = tuple(sorted(left + right, key=str)) if left and right else left or right
                product[monomial] = product.get(monomial, 0) + a * b
        return Dim.from_terms(product)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        return self + (other * -1)

    def __rsub__(self, other: Size) -> Size:
        return (self * -1) + other

    def __floordiv__(self, other: Size) -> Size:
        return floor_div(self, other)

    def __rfloordiv__(self, other: Size) -> Size:
        return floor_div(other, self)

    def __mod__(self, other: Size) -> Size:
        return modulo(self, other)

    def __rmod__(self, other: Size) -> Size:
        return modulo(other, self)

    def __lt__(self, other: Size) -> bool:
        return _decide(self, other, "<")

    def __le__(self, other: Size) -> bool:
        return not _decide(other, self, "<")

    def __gt__(self, other: Size) -> bool:
        return _decide(other, self, "<")

    def __ge__(self, other: Size) -> bool:
        return not _decide(self, other, "<")

    def __bool__(self) -> bool:
        if lower_bound(self) > 0:
            return True
        raise _undecided(f"whether {self} is zero", "dim_max, dim_broadcast or same")

    def __str__(self) -> str:
        if self._text is None:
            self._text = self._write()
        return self._text

    def _write(self) -> str:
        parts = []
        for monomial, factor in self.terms:
            text = "*".join(str(atom) for atom in monomial)
            parts.append(text if factor == 1 and text else f"{factor}*{text}" if text else str(factor))
        return " + ".join(parts)

    __repr__ = __str__

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms of all terms, in order, each once."""
        return tuple(dict.fromkeys(atom for monomial, _ in self.terms for atom in monomial))


@dataclass(frozen=True, slots=True)
class Check:
    """Two sizes that must agree at run time; kind: equal, broadcast, at_least or at_most."""

    kind: str
    a: Size
    b: Size


BROKEN = {
    "equal": "sizes {a} and {b} must be equal",
    "broadcast": "sizes {a} and {b} cannot be broadcast",
    "at_least": "size {a} must be at least {b}",
    "at_most": "size {a} must be at most {b}",
}
_checks: contextvars.ContextVar[list[Check] | None] = contextvars.ContextVar("checks", default=None)


@contextlib.contextmanager
def collect_checks() -> Iterator[list[Check]]:
    """Collect the checks that shape rules record inside the block."""
    found: list[Check] = []
    token = _checks.set(found)
    try:
        yield found
    finally:
        _checks.reset(token)


def require(kind: str, a: Size, b: Size) -> None:
    """Record that two sizes must agree; known sizes are judged at once, else resolve does it at run time."""
    if isinstance(a, int) and isinstance(b, int):
        holds = {"equal": a == b, "broadcast": a == b or 1 in (a, b), "at_least": a >= b, "at_most": a <= b}
        if not holds[kind]:
            raise ShapeError(BROKEN[kind].format(a=a, b=b), hint="Check the shapes of the layer's inputs.")
        return
    found = _checks.get()
    if found is not None and a != b:
        found.append(Check(kind, a, b))


def same(a: Size, b: Size) -> Size:
    """One size for two that must be equal; a known one is preferred, and the check is recorded."""
    require("equal", a, b)
    return b if isinstance(b, int) else a


def dim_broadcast(a: Size, b: Size) -> Size:
    """The size of two broadcast axes, as in NumPy: equal, or one of them 1."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    require("broadcast", a, b)
    if isinstance(a, int) or _is_clamped(b, a):
        return a
    if _is_clamped(a, b):
        return b
    for one, other in ((a, b), (b, a)):
        if _has(one, "broadcast", other):
            return one
    return b if isinstance(b, int) else _atom("broadcast", *sorted((a, b), key=str))


def _is_clamped(a: Size, b: Size) -> bool:
    """Whether a is min(b, number above 1), as of a table cut to length b: it differs from b only where that fails."""
    atom = _only_atom(a, "min")
    if atom is None or b not in atom.sizes:
        return False
    return all(size == b or lower_bound(size) > 1 for size in atom.sizes)


def _only_atom(size: Size, kind: str) -> Atom | None:
    """The atom that the size consists of, if it is one of this kind."""
    if isinstance(size, int) or len(size.terms) != 1:
        return None
    monomial, factor = size.terms[0]
    return monomial[0] if factor == 1 and len(monomial) == 1 and monomial[0].kind == kind else None


def _has(size: Size, kind: str, part: Size) -> bool:
    """Whether the size is min, max or broadcast of `part` and another, so that taking `part` again changes nothing."""
    atom = _only_atom(size, kind)
    return atom is not None and part in atom.sizes


def floor_div(a: Size, b: Size) -> Size:
    """a // b, with what divides exactly taken out of the expression."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 1 or a == 0:
        return a
    whole, rest = _divide(a, b)
    if rest == 0:
        return whole
    if isinstance(rest, int) and isinstance(b, int):
        return whole + rest // b
    if isinstance(b, int) and b > 0 and lower_bound(rest) >= 0 and upper_bound(rest) < b:
        return whole
    inner = _only_atom(rest, "floordiv")
    if inner is not None and isinstance(inner.sizes[1], int) and isinstance(b, int) and b > 0 and inner.sizes[1] > 0:
        # floor(floor(x / a) / b) = floor(x / (a b)): strides of layers one behind the other.
        return whole + floor_div(inner.sizes[0], inner.sizes[1] * b)
    return whole + _atom("floordiv", rest, b)


def ceil_div(a: Size, b: Size) -> Size:
    """a / b, rounded up."""
    if isinstance(b, int):
        return floor_div(a + (b - 1), b)
    whole, rest = _divide(a, b)
    return whole if rest == 0 else whole + _atom("ceildiv", rest, b)


def modulo(a: Size, b: Size) -> Size:
    """a % b, with Python's sign rule."""
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    _, rest = _divide(a, b)
    if rest == 0:
        return 0
    if isinstance(rest, int) and isinstance(b, int):
        return rest % b
    return _atom("mod", rest, b)


def dim_min(a: Size, b: Size) -> Size:
    """The smaller of two sizes."""
    order = _order(a, b)
    if order is not None:
        return a if order else b
    for one, other in ((a, b), (b, a)):
        if _has(one, "min", other):
            return one
    return _atom("min", *sorted((a, b), key=str))


def dim_max(a: Size, b: Size) -> Size:
    """The larger of two sizes."""
    order = _order(a, b)
    if order is not None:
        return b if order else a
    for one, other in ((a, b), (b, a)):
        if _has(one, "max", other):
            return one
    return _atom("max", *sorted((a, b), key=str))


def dim_scale(a: Size, factor: float) -> Size:
    """floor(a * factor), as Resize computes a size from a scale."""
    if isinstance(a, int):
        return math.floor(a * factor)
    return a * int(factor) if float(factor).is_integer() else _atom("scale", a, float(factor).hex())


def dim_equal(a: Size, b: Size) -> Size:
    """1 where the sizes are equal, else 0."""
    if a == b:
        return 1
    difference = a - b
    if lower_bound(difference) > 0 or upper_bound(difference) < 0:
        return 0
    return _atom("equal", *sorted((a, b), key=str))


def dim_less(a: Size, b: Size) -> Size:
    """1 where a < b, else 0."""
    difference = a - b
    if upper_bound(difference) < 0:
        return 1
    return 0 if lower_bound(difference) >= 0 else _atom("less", a, b)


def dim_select(condition: Size, a: Size, b: Size) -> Size:
    """a where the condition is not 0, else b."""
    if isinstance(condition, int):
        return a if condition else b
    return a if a == b else _atom("select", condition, a, b)


def product(sizes: tuple[Size, ...] | list[Size]) -> Size:
    """The product of sizes; 1 for none."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def lower_bound(size: Size) -> float:
    """A number that the expression is never below: sizes of tensors are never negative."""
    return _bound(size, lower=True)


def upper_bound(size: Size) -> float:
    """A number that the expression is never above: sizes of tensors stay within `MAX_DIM`."""
    return _bound(size, lower=False)


def substitute(size: Size, lookup: Callable[[Atom], Size | None]) -> Size:
    """The expression with every atom replaced for which `lookup` gives a size."""
    if isinstance(size, int):
        return size
    total: Size = 0
    for monomial, factor in size.terms:
        term: Size = factor
        for atom in monomial:
            term = term * _substitute_atom(atom, lookup)
        total = total + term
    return total


def room(size: Size) -> Size:
    """The size with the upper bounds of sizes that depend on data in their place: what memory is made for."""
    return substitute(size, lambda atom: atom.sizes[0] if atom.kind == "data" and atom.sizes else None)


def atom_uids(sizes: Iterable[Size | None]) -> set[int]:
    """The uids of the tensors whose contents or data-dependent sizes these expressions read."""
    found: set[int] = set()
    for size in sizes:
        if isinstance(size, Dim):
            for atom in size.atoms:
                found |= _uids(atom)
    return found


def evaluate(size: Size, symbols: Mapping[str, int]) -> int:
    """The number that the expression is for the given named dimensions."""
    result = substitute(size, lambda atom: symbols.get(str(atom.args[0])) if atom.kind == "symbol" else None)
    if isinstance(result, int):
        return result
    raise _undecided(f"the number {result}", "values for all named dimensions")


FUNCTIONS: dict[str, Callable[..., Size]] = {
    "floordiv": floor_div,
    "mod": modulo,
    "ceildiv": ceil_div,
    "min": dim_min,
    "max": dim_max,
    "broadcast": dim_broadcast,
    "equal": dim_equal,
    "less": dim_less,
    "select": dim_select,
}


def _substitute_atom(atom: Atom, lookup: Callable[[Atom], Size | None]) -> Size:
    found = lookup(atom)
    if found is not None:
        return found
    if atom.kind in FUNCTIONS:
        return FUNCTIONS[atom.kind](*(substitute(size, lookup) for size in atom.sizes))
    if atom.kind == "scale":
        return dim_scale(substitute(atom.sizes[0], lookup), float.fromhex(str(atom.args[1])))
    if atom.kind == "data" and atom.args[2] is not None:
        return _atom("data", atom.args[0], atom.args[1], substitute(atom.sizes[0], lookup))
    return Dim.from_terms({(atom,): 1})


def _uids(atom: Atom) -> set[int]:
    own = {atom.args[0]} if atom.kind in ("value", "data") else set()
    return {uid for uid in own if isinstance(uid, int)} | atom_uids(atom.sizes)


def _size(value: object) -> Size:
    assert isinstance(value, int | Dim)
    return value


def _atom(kind: str, *args: object) -> Dim:
    dim = Dim.from_terms({(Atom(kind, args),): 1})
    assert isinstance(dim, Dim)
    return dim


def _terms(size: Size) -> tuple[tuple[Monomial, int], ...]:
    return size.terms if isinstance(size, Dim) else (((), int(size)),)


def _term_order(term: tuple[Monomial, int]) -> tuple[int, str]:
    orders = ", ".join(atom.order for atom in term[0])
    return -len(term[0]), f"({orders},)" if len(term[0]) == 1 else f"({orders})"


def _divide(a: Size, b: Size) -> tuple[Size, Size]:
    """a = whole * b + rest: rest holds the terms that one-term b does not divide; a sum b divides all or nothing."""
    if a == b:
        return 1, 0
    if b == 0:
        return 0, a
    divisor = _terms(b)
    if len(divisor) > 1:
        whole = _exact_quotient(a, b)
        return (0, a) if whole is None else (whole, 0)
    (monomial, factor), quotient, rest = divisor[0], {}, {}
    for term, number in _terms(a):
        left = _remove(term, monomial)
        if left is not None and number % factor == 0:
            quotient[left] = number // factor
        else:
            rest[term] = number
    return Dim.from_terms(quotient), Dim.from_terms(rest)


def _exact_quotient(a: Size, b: Size) -> Size | None:
    """a / b by long division of polynomials, leading term by leading term; None where something is left.

    The leading term must be that of an order in which products keep their order: powers of the atoms, by name.
    """
    atoms = sorted(_atoms_of(a) | _atoms_of(b), key=str)

    def order(term: tuple[Monomial, int]) -> tuple[int, ...]:
        return tuple(term[0].count(atom) for atom in atoms)

    leading, factor = max(_terms(b), key=order)
    whole: Size = 0
    while a != 0:
        term, number = max(_terms(a), key=order)
        left = _remove(term, leading)
        if left is None or number % factor:
            return None
        step = Dim.from_terms({left: number // factor})
        whole, a = whole + step, a - step * b
    return whole


def _atoms_of(size: Size) -> set[Atom]:
    return set(size.atoms) if isinstance(size, Dim) else set()


def _remove(term: Monomial, divisor: Monomial) -> Monomial | None:
    left = list(term)
    for atom in divisor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def _order(a: Size, b: Size) -> bool | None:
    """Whether a <= b, None where neither is known."""
    if isinstance(a, int) and isinstance(b, int):
        return a <= b
    difference = b - a
    if lower_bound(difference) >= 0:
        return True
    return False if upper_bound(difference) <= 0 else None


def _decide(a: Size, b: Size, sign: str) -> bool:
    difference = b - a
    if lower_bound(difference) > 0:
        return True
    if upper_bound(difference) <= 0:
        return False
    raise _undecided(f"{a} {sign} {b}", "dim_min, dim_max, dim_broadcast or same")


def _undecided(what: str, alternative: str) -> SymbolicShapeError:
    return SymbolicShapeError(f"{what} is not known before run time", hint=f"Use {alternative} instead of comparing.")


def _bound(size: Size, *, lower: bool) -> float:
    if isinstance(size, int):
        return size
    total = 0.0
    for monomial, factor in size.terms:
        total += factor * _product_bound(monomial, lower=lower == (factor > 0))
    return total


def _product_bound(monomial: Monomial, *, lower: bool) -> float:
    ranges = [_atom_range(atom) for atom in monomial]
    if any(low < 0 for low, _ in ranges):
        return ranges[0][0 if lower else 1] if len(ranges) == 1 else (-math.inf if lower else math.inf)
    return math.prod(low if lower else high for low, high in ranges)


def _atom_range(atom: Atom) -> tuple[float, float]:
    if atom.kind in ("symbol", "data"):
        return 0, MAX_DIM
    if atom.kind in ("equal", "less"):
        return 0, 1
    if atom.kind in ("value", "select"):
        return _joined(atom) if atom.kind == "select" else (-math.inf, math.inf)
    lows, highs = zip(*((lower_bound(size), upper_bound(size)) for size in atom.sizes), strict=True)
    return _function_range(atom, lows, highs)


def _joined(atom: Atom) -> tuple[float, float]:
    _, a, b = atom.sizes
    return min(lower_bound(a), lower_bound(b)), max(upper_bound(a), upper_bound(b))


def _function_range(atom: Atom, lows: tuple[float, ...], highs: tuple[float, ...]) -> tuple[float, float]:
    if atom.kind == "min":
        return min(lows), min(highs)
    if atom.kind == "max":
        return max(lows), max(highs)
    if atom.kind == "broadcast":
        return min(lows), max(highs)
    if atom.kind in ("floordiv", "ceildiv") and lows[1] == highs[1] > 0:
        low, high = lows[0] / lows[1], highs[0] / lows[1]
        return low if math.isinf(low) else math.floor(low), high if math.isinf(high) else math.ceil(high)
    if lows[0] < 0 or lows[-1] < 0:
        return -math.inf, math.inf
    if atom.kind == "mod":
        return 0, highs[1] - 1
    if atom.kind == "scale":
        return 0, highs[0] * max(1.0, float.fromhex(str(atom.args[1])))
    return 0, highs[0]
