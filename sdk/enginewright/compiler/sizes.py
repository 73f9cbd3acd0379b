"""Writes the size expressions of one program, in order of use, and tells in which segment each is known."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from enginewright.dims import Atom, Dim, Size
from enginewright.errors import SymbolicShapeError


@dataclass
class SizeWriter:
    """The expressions of one program.

    `symbols`: named dimension -> (program input, axis). `ready`: tensor uid -> segment from which its contents and
    data-dependent sizes can be read. `place` gives the tensor record, and the element or
    axis of it, that an atom reads. `params` collects the
    atoms that belong to an outer program; it is shared by the branches of one If.
    """

    symbols: Mapping[str, tuple[int, int]]
    ready: dict[int, int]
    place: Callable[[Atom], tuple[int, int]]
    params: dict[Atom, int] | None
    exprs: list[tuple[str, int, int]] = field(default_factory=list)
    _known: dict[Size | Atom, int] = field(default_factory=dict)

    def operand(self, size: Size) -> int:
        """The operand for a size; expressions that are new are written."""
        if isinstance(size, int) and size >= 0:
            return int(size)
        if size not in self._known:
            self._known[size] = self._write(size)
        return ~self._known[size]

    def segment(self, size: Size) -> int:
        """The first segment at whose start the size is known."""
        if isinstance(size, int):
            return 0
        return max((self._atom_segment(atom) for atom in size.atoms), default=0)

    def reads(self, size: Size | None) -> set[int]:
        """The uids of tensors of this program whose contents the size reads."""
        if not isinstance(size, Dim):
            return set()
        found: set[int] = set()
        for atom in size.atoms:
            if atom.kind in ("value", "data") and atom.args[0] in self.ready:
                found.add(_uid(atom))
            for inner in atom.sizes:
                found |= self.reads(inner)
        return found

    def _atom_segment(self, atom: Atom) -> int:
        if atom.kind in ("value", "data"):
            return self.ready.get(_uid(atom), 0)
        return max((self.segment(size) for size in atom.sizes), default=0)

    def _append(self, op: str, a: int, b: int) -> int:
        self.exprs.append((op, a, b))
        return len(self.exprs) - 1

    def _write(self, size: Size) -> int:
        if isinstance(size, int):
            return self._append("const", size, 0)
        total: int | None = None
        for monomial, factor in sorted(size.terms, key=lambda term: term[1] < 0):
            term = self._product(monomial, abs(factor) if total is not None or factor > 0 else factor)
            if total is None:
                total = term
            else:
                total = ~self._append("sub" if factor < 0 else "add", total, term)
        assert total is not None
        return ~total if total < 0 else self._append("const", total, 0)

    def _product(self, monomial: tuple[Atom, ...], factor: int) -> int:
        operands = [~self._atom(atom) for atom in monomial]
        if factor != 1 or not operands:
            operands.append(factor if factor >= 0 else ~self._append("const", factor, 0))
        total = operands[0]
        for other in operands[1:]:
            total = ~self._append("mul", total, other)
        return total

    def _atom(self, atom: Atom) -> int:
        if atom not in self._known:
            self._known[atom] = self._write_atom(atom)
        return self._known[atom]

    def _write_atom(self, atom: Atom) -> int:
        if atom.kind == "symbol" and str(atom.args[0]) in self.symbols:
            return self._append("input_dim", *self.symbols[str(atom.args[0])])
        if atom.kind in ("value", "data") and _uid(atom) in self.ready:
            return self._append(atom.kind, *self.place(atom))
        if atom.kind in ("symbol", "value", "data"):
            return self._param(atom)
        sizes = [self.operand(size) for size in atom.sizes]
        if atom.kind == "select":
            return self._append("select", sizes[0], self._append("pair", sizes[1], sizes[2]))
        if atom.kind == "scale":
            return self._append("scale", sizes[0], _double_bits(float.fromhex(str(atom.args[1]))))
        return self._append(atom.kind, *sizes)

    def _param(self, atom: Atom) -> int:
        if self.params is None:
            raise SymbolicShapeError(
                f"the size {atom} can't be found from the inputs",
                hint="Give the input a static size, or name the dimension on its own at some input.",
            )
        return self._append("param", self.params.setdefault(atom, len(self.params)), 0)


def _uid(atom: Atom) -> int:
    uid = atom.args[0]
    assert isinstance(uid, int)
    return uid


def _double_bits(value: float) -> int:

    return int(struct.unpack("<q", struct.pack("<d", value))[0])
