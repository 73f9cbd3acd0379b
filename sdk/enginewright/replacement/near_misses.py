"""Finds the places at which at least half of a pattern matches, and says why the rest does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from enginewright.graph.network import Layer, Tensor
from enginewright.graph.pattern_network import TracedPattern
from enginewright.graph.patterns import Match, Node, Output, Pattern, is_operator, maker_of, match_at


@dataclass
class _Best:
    """The attempt that came farthest; the first one among equals."""

    layers: tuple[Layer, ...] = ()
    reason: str = ""

    def note(self, match: Match, reason: str) -> None:
        if len(match.layers) > len(self.layers):
            self.layers, self.reason = match.layers, reason


@dataclass
class _Search:
    """The near misses of one pattern; `covered` layers belong to a match or to a miss that was found before."""

    pattern: TracedPattern
    layers: Sequence[Layer]
    is_output: Callable[[Tensor], bool]
    covered: set[Layer]
    found: list[_Best] = field(default_factory=list)

    def from_root(self) -> None:
        """Attempts that begin at the pattern's first result."""
        root = maker_of(self.pattern.roots[0])
        attempts = []
        for layer in self.layers:
            if is_operator(layer, root.op):
                best = _Best()
                if next(match_at(layer, self.pattern.roots, self.layers, self.is_output, best.note), None) is None:
                    attempts.append(best)
        for best in sorted(attempts, key=lambda item: -len(item.layers)):
            self._keep(best)

    def from_inside(self) -> None:
        """Complete parts of the pattern whose result another operator reads."""
        parents = {maker_of(part): parent for parent in self.pattern.nodes for part in parent.inputs if _is_node(part)}
        for part, parent in sorted(parents.items(), key=lambda item: -_size(item[0])):
            for layer in self.layers:
                if is_operator(layer, part.op) and layer.outputs:
                    match = next(match_at(layer, (part,), (), lambda tensor: False), None)
                    if match is not None:
                        readers = " and ".join(dict.fromkeys(r.key.name for r in match.results[0].readers)) or "nothing"
                        text = f'other operator: {readers} reads "{match.results[0].name}", the pattern has {parent.op}'
                        self._keep(_Best(match.layers, text))

    def _keep(self, best: _Best) -> None:
        if 2 * len(best.layers) >= len(self.pattern.nodes) and not self.covered.issuperset(best.layers):
            self.covered.update(best.layers)
            self.found.append(best)


def near_misses(
    pattern: TracedPattern, layers: Sequence[Layer], is_output: Callable[[Tensor], bool], covered: set[Layer]
) -> Iterator[tuple[tuple[Layer, ...], str]]:
    """The layers of each near miss, and the first reason."""
    search = _Search(pattern, layers, is_output, set(covered))
    search.from_root()
    search.from_inside()
    for best in search.found:
        yield best.layers, best.reason


def _is_node(part: Pattern | None) -> TypeGuard[Node | Output]:
    return isinstance(part, Node | Output)


def _size(node: Node) -> int:
    """The number of nodes from which a node is made, itself included."""
    found: set[Node] = set()
    pending = [node]
    while pending:
        item = pending.pop()
        if item not in found:
            found.add(item)
            pending += [maker_of(part) for part in item.inputs if _is_node(part)]
    return len(found)
