"""Makes the inputs of a comparison or a measurement: from files, or random ones that a model can accept."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from enginewright.compiler.generated import generate, rule_of
from enginewright.errors import ConfigError, UsageError
from enginewright.runtime.ports import PortInfo

Array = np.ndarray[Any, Any]
Arrays: TypeAlias = dict[str, Array]
Shapes: TypeAlias = Mapping[str, Sequence[int]]
DEFAULT_SIZE, DEFAULT_BATCH = 128, 1
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.floordiv,
}


@dataclass(frozen=True)
class InputMaker:
    """Makes inputs for ports; `given` arrays are used as they are, `limits` bounds indices (exclusive).

    Random inputs follow one rule, by name and type (`rule_of`). A size that is not given is that of `defaults`, else 1
    on axis 0 and 128 elsewhere.
    """

    ports: Sequence[PortInfo]
    given: Arrays = field(default_factory=dict)
    shapes: Shapes = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    defaults: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that no input has."""
        known = [port.name for port in self.ports]
        unknown = sorted({*self.given, *self.shapes} - set(known))
        if unknown:
            raise UsageError(f"there is no input {', '.join(unknown)}", hint=f"The inputs are {', '.join(known)}.")

    def make(self, seed: int) -> Arrays:
        """One set of inputs; equal seeds give equal arrays."""
        rng = np.random.default_rng(seed)
        sizes = self.sizes()
        return {port.name: self._make(port, sizes, rng) for port in self.ports}

    def given_sizes(self) -> dict[str, int]:
        """The named dimensions that given arrays and shapes decide."""
        found: dict[str, int] = {}
        for port in self.ports:
            shape = self.given[port.name].shape if port.name in self.given else self.shapes.get(port.name)
            if shape is None:
                continue
            if len(shape) != len(port.shape):
                raise ConfigError(
                    f'"{port.name}" has {len(port.shape)} axes, {len(shape)} sizes are given', hint=f"It is {port}."
                )
            found.update({name: size for name, size in zip(port.shape, shape, strict=True) if isinstance(name, str)})
        return found

    def sizes(self) -> dict[str, int]:
        """The size of every named dimension: given, else by default."""
        found = self.given_sizes()
        computed: dict[str, ast.BinOp] = {}
        for axis, name in self._named():
            tree = self._expression(name)
            if tree is None:
                found.setdefault(name, self.defaults.get(name, DEFAULT_SIZE if axis else DEFAULT_BATCH))
            else:
                computed[name] = tree
        for name, tree in computed.items():
            found.setdefault(name, _evaluate(tree, found))
        return found

    def _named(self) -> list[tuple[int, str]]:
        return [(axis, size) for port in self.ports for axis, size in enumerate(port.shape) if isinstance(size, str)]

    def _expression(self, name: str) -> ast.BinOp | None:
        """What a dimension's name spells, as exporters write "past + sequence"; None for a plain name."""
        try:
            tree = ast.parse(name, mode="eval").body
        except SyntaxError:
            return None
        known = {text for _, text in self._named()}
        parts = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        return tree if isinstance(tree, ast.BinOp) and known.issuperset(parts) else None

    def _make(self, port: PortInfo, sizes: Mapping[str, int], rng: np.random.Generator) -> Array:
        if port.name in self.given:
            return self.given[port.name]
        fixed = self.shapes.get(port.name)
        shape = (
            tuple(fixed)
            if fixed is not None
            else tuple(sizes[size] if isinstance(size, str) else size for size in port.shape)
        )
        return _random(port, shape, self.limits.get(port.name), rng)


def _random(port: PortInfo, shape: tuple[int, ...], limit: int | None, rng: np.random.Generator) -> Array:
    rule = rule_of(port.name, port.dtype, shape, limit)
    if rule.kind == "normal":
        return rng.standard_normal(shape).astype(port.dtype.numpy)
    return generate(rule, int(rng.integers(2**32)))


def _evaluate(tree: ast.expr, sizes: Mapping[str, int]) -> int:
    match tree:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left, sizes), _evaluate(right, sizes))
        case ast.Constant(value=int(number)):
            return number
        case _:
            return sizes[ast.unparse(tree)]


def read_inputs(items: Iterable[str]) -> Arrays:
    """The arrays that texts name: "x=a.npy" for one input, or "all.npz" for each array in it by its name."""
    found: Arrays = {}
    for item in items:
        name, separator, path = item.partition("=")
        if not separator and item.endswith(".npz"):
            found.update(_read_npz(Path(item)))
        elif separator:
            found[name] = _read_npy(Path(path))
        else:
            raise UsageError(f"{item!r} names no input", hint="Give NAME=FILE.npy, or FILE.npz with arrays by name.")
    return found


def _read_npz(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="Save arrays with numpy.savez(FILE, x=array).") from None


def _read_npy(path: Path) -> Array:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="Save one array with numpy.save(FILE, array).") from None
    if not isinstance(found, np.ndarray):
        raise UsageError(f"{path} holds several arrays", hint="Give it without NAME=.")
    return found
