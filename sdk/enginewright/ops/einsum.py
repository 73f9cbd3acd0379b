"""Einsum: sums of products of tensors, written as an equation of axis letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, dim_broadcast, same
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import FLOATS, INTEGERS, WIDE_INTEGERS, check_same_type, check_type, widen
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, int32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
# The axes of an ellipsis.
SPARE = "ΑΒΓΔΕΖΗΘ"


@dataclass(frozen=True)
class Equation:
    """An equation with the ellipsis written out: the letters of each operand and of the output.

    `spread` are the letters of the ellipsis, along which sizes of 1 are repeated.
    """

    operands: tuple[str, ...]
    output: str
    spread: str = ""


def parse_equation(text: str, ranks: Sequence[int]) -> Equation:
    """Read ONNX's (NumPy's) notation for operands of these ranks; `NetworkError` where it breaks the rules."""
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise NetworkError(f'"{text}" has {len(terms)} operands, {len(ranks)} are given', hint="Correct the equation.")
    widths = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    for term, width in zip(terms, widths, strict=True):
        if width < 0 or (width and "..." not in term) or not set(term.replace("...", "")) <= _LETTERS:
            raise ShapeError(f'operand "{term}" of "{text}" does not fit its tensor', hint="Use one letter an axis.")
    spread = SPARE[: max(widths)]
    operands = tuple(
        term.replace("...", spread[len(spread) - width :]) for term, width in zip(terms, widths, strict=True)
    )
    if not arrow:
        joined = "".join(operands)
        right = spread + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in spread))
    output = right.replace("...", spread)
    if len(set(output)) != len(output) or not set(output) <= set("".join(operands)):
        raise NetworkError(f'the output of "{text}" repeats or invents a letter', hint="Correct the equation.")
    return Equation(operands, output, spread)


_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@operator("ew::Einsum")
class Einsum:
    """The sum of products that `equation` describes, such as "bik,bkj->bij"; letters, "..." and "->" as in NumPy."""

    equation: str

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        """A size for each letter of the output."""
        dtype = check_same_type(*inputs)
        check_type(inputs[0], (*FLOATS, *INTEGERS), "input 0")
        equation = parse_equation(self.equation, [spec.rank for spec in inputs])
        sizes: dict[str, Size] = {}
        for letters, spec in zip(equation.operands, inputs, strict=True):
            for letter, size in zip(letters, spec.shape, strict=True):
                join = dim_broadcast if letter in equation.spread else same
                sizes[letter] = join(sizes[letter], size) if letter in sizes else size
        return TensorSpec(dtype, tuple(sizes[letter] for letter in equation.output))

    def reference(self, *inputs: Array) -> Array:
        """numpy.einsum; 16-bit floats in float32."""
        wide = [widen(array) for array in inputs]
        return np.asarray(np.einsum(self.equation, *wide, optimize=len(wide) > 1)).astype(inputs[0].dtype)

    @staticmethod
    def examples() -> Iterator[tuple[Einsum, list[TensorSpec]]]:
        """Products, traces, sums, transposes, an ellipsis, three operands."""
        cases: list[tuple[str, list[tuple[int, ...]]]] = [
            ("ij,jk->ik", [(3, 5), (5, 4)]),
            ("bij,bjk->bik", [(2, 3, 5), (2, 5, 4)]),
            ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
            ("bhwc,hkc->bhwk", [(2, 3, 4, 5), (3, 4, 5)]),
            ("abcd,cde->abe", [(2, 3, 4, 5), (4, 5, 6)]),
            ("i,j", [(3,), (4,)]),
            ("ij->ji", [(3, 4)]),
            ("ij->", [(3, 4)]),
            ("...ii->...i", [(2, 3, 3)]),
            ("...ij,...jk->...ik", [(2, 3, 5), (1, 5, 4)]),
            ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)]),
        ]
        for equation, shapes in cases:
            yield Einsum(equation), [TensorSpec(float32, shape) for shape in shapes]
        yield Einsum("ij,jk->ik"), [TensorSpec(int32, (3, 5)), TensorSpec(int32, (5, 4))]


@onnx_rule("ai.onnx::Einsum", since=12)
def einsum(net: Network, node: OnnxNode) -> Tensor:
    """Sums, transposes and products of two operands after each other; as it is where a letter is repeated."""
    inputs = [node.input(index) for index in range(len(node.inputs))]
    text = node.text("equation")
    equation = parse_equation(text, [tensor.rank for tensor in inputs])
    return _in_steps(net, equation, inputs) or net.einsum(*inputs, equation=text)


def _in_steps(net: Network, equation: Equation, inputs: list[Tensor]) -> Tensor | None:
    """The same by sums, transposes and products; None where a letter is repeated, or integers are small."""
    if any(len(set(term)) != len(term) for term in equation.operands):
        return None
    if inputs[0].dtype not in (*FLOATS, *WIDE_INTEGERS):
        return _as_matmul(net, equation, inputs)
    terms = list(equation.operands)
    first, tensor = terms.pop(0), inputs[0]
    first, tensor = _summed(net, first, tensor, "".join(terms) + equation.output)
    for place, term in enumerate(terms, start=1):
        rest = "".join(terms[place:]) + equation.output
        other, right = _summed(net, term, inputs[place], first + rest)
        kept = "".join(dict.fromkeys(c for c in first + other if c in rest))
        pair = Equation((first, other), kept, equation.spread)
        found = _as_matmul(net, pair, [tensor, right])
        tensor, first = found if found is not None else _as_product(net, pair, tensor, right), kept
    perm = tuple(first.index(c) for c in equation.output)
    return tensor if perm == tuple(range(len(perm))) else net.transpose(tensor, perm=perm)


def _summed(net: Network, letters: str, tensor: Tensor, needed: str) -> tuple[str, Tensor]:
    """A tensor summed over the letters that nothing else has."""
    axes = [at for at, letter in enumerate(letters) if letter not in needed]
    if not axes:
        return letters, tensor
    left = "".join(letter for letter in letters if letter in needed)
    return left, net.reduce_sum(tensor, net.constant(np.array(axes)), keepdims=0)


def _as_product(net: Network, pair: Equation, a: Tensor, b: Tensor) -> Tensor:
    """Elements multiplied, for two operands of which no letter is summed, or one of an ellipsis."""
    letters = "".join(dict.fromkeys("".join(pair.operands)))
    parts = []
    for tensor, term in zip((a, b), pair.operands, strict=True):
        perm = tuple(term.index(c) for c in letters if c in term)
        moved = tensor if perm == tuple(range(len(perm))) else net.transpose(tensor, perm=perm)
        missing = [at for at, c in enumerate(letters) if c not in term]
        parts.append(net.unsqueeze(moved, net.constant(np.array(missing))) if missing else moved)
    _, found = _summed(net, letters, net.mul(*parts), pair.output)
    return found


def _as_matmul(net: Network, equation: Equation, inputs: list[Tensor]) -> Tensor | None:
    """The same by transpose, reshape and matmul; None where a letter is repeated, or summed on one side only."""
    if len(inputs) != 2 or any(len(set(term)) != len(term) for term in equation.operands):
        return None
    a, b = equation.operands
    summed = [c for c in a if c in b and c not in equation.output]
    if any(c not in equation.output and c not in summed for c in a + b) or not summed:
        return None
    if any(c in equation.spread for c in summed):
        return None
    rows = [c for c in a if c not in b][-1:]
    columns = [c for c in b if c not in a][-1:]
    batch = [c for c in equation.output if c not in rows and c not in columns]
    left = _laid_out(net, inputs[0], a, (batch, rows, summed))
    right = _laid_out(net, inputs[1], b, (batch, columns, summed))
    order = [*range(len(batch)), len(batch) + 1, len(batch)]
    found = net.matmul(left, net.transpose(right, perm=tuple(order)))
    extra = [len(batch) + at for at, letters in enumerate((rows, columns)) if not letters]
    if extra:
        found = net.squeeze(found, net.constant(np.array(extra)))
    have = [*batch, *rows, *columns]
    perm = tuple(have.index(c) for c in equation.output)
    return found if perm == tuple(range(len(perm))) else net.transpose(found, perm=perm)


def _laid_out(net: Network, x: Tensor, letters: str, parts: tuple[list[str], list[str], list[str]]) -> Tensor:
    """x as [batch axes (1 where it has none), rows (1), summed axes merged to one]."""
    batch, rows, summed = parts
    have = [c for c in (*batch, *rows, *summed) if c in letters]
    perm = tuple(letters.index(c) for c in have)
    moved = x if perm == tuple(range(len(perm))) else net.transpose(x, perm=perm)
    missing = [at for at, c in enumerate(batch) if c not in letters]
    missing += [] if rows else [len(batch)]
    if missing:
        moved = net.unsqueeze(moved, net.constant(np.array(missing)))
    if len(summed) == 1:
        return moved
    return net.reshape(moved, net.constant(np.array([0] * (len(batch) + 1) + [-1])))
