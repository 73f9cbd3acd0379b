"""Applies replacement rules to a network: matches in a fixed order, verified before they are accepted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

from enginewright.dims import Dim, collect_checks
from enginewright.errors import ConfigError, EnginewrightError
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.opaque import Opaque, is_known
from enginewright.graph.patterns import Match, find_leak, is_operator, match_at
from enginewright.graph.sorting import in_order
from enginewright.optimize.fold_constants import fold_constants
from enginewright.registry.registry import Key, infer_specs
from enginewright.replacement.near_misses import near_misses
from enginewright.replacement.report import ReplacementReport
from enginewright.replacement.rules import Rule, all_rules
from enginewright.replacement.verification import Sizes, Verdict, verify_match
from enginewright.tensors import TensorSpec

SizeChoices = Sequence[Sequence[Sizes]]


@dataclass
class Outcome:
    """What one round did: for each result its new tensor, and the layers that are gone."""

    forward: dict[Tensor, Tensor] = field(default_factory=dict)
    removed: set[Layer] = field(default_factory=set)

    def follow(self, tensor: Tensor) -> Tensor:
        """The tensor that stands for this one now."""
        while tensor in self.forward:
            tensor = self.forward[tensor]
        return tensor


def _spellings(key: Key) -> set[str]:
    """How a user may name an operator: with its version and without."""
    return {str(key), f"{key.namespace}::{key.name}"}


def _check_keys(wanted: Sequence[str], known: Collection[Key]) -> None:
    """Raise `ConfigError` for a key that no rule gives: a typing error would be swallowed."""
    unknown = [name for name in wanted if not any(name in _spellings(key) for key in known)]
    if unknown:
        names = ", ".join(sorted(map(str, known))) or "none: no installed plugin has one"
        raise ConfigError(
            f"replace names operators that no replacement rule gives: {', '.join(unknown)}",
            hint=f"Operators with a rule: {names}.",
        )


@dataclass
class Replacer:
    """Replaces subgraphs in the networks of one model, and keeps a report of each match.

    `which`: "unsupported" (only matches with a node that can't be imported), "all", "none", or operator keys. `sizes`
    gives the smallest, usual and largest sizes of a network's named dimensions, of each one or several to try.
    `surveying`: also verify what is not asked for, and look for near misses.
    """

    which: str | Sequence[str] = "unsupported"
    allow_unverified: bool = False
    sizes: Callable[[Network], SizeChoices] | None = None
    surveying: bool = False
    _reports: dict[object, ReplacementReport] = field(default_factory=dict)
    _verdicts: dict[bytes, Verdict] = field(default_factory=dict)
    _made: set[Layer] = field(default_factory=set)

    @property
    def reports(self) -> tuple[ReplacementReport, ...]:
        """One report for each match, in the order in which they were found."""
        return tuple(self._reports.values())

    @cached_property
    def rules(self) -> list[Rule]:
        """All rules that may be applied or reported, in the order in which they are tried."""
        if not self.surveying and self.which == "none":
            return []
        found, broken = all_rules()
        for item, error in broken:
            report = ReplacementReport(str(item.key), item.origin[2], "failed", (), f"{error.message} ({error.hint})")
            self._reports[item.origin] = report
        if not isinstance(self.which, str):
            _check_keys(self.which, {item.replacement.key for item in found} | {item.key for item, _ in broken})
        return found

    def replace_opaque(self, network: Network, pending: Sequence[Layer], outputs: Collection[Tensor]) -> Outcome:
        """Replace matches that contain a pending layer; `outputs` are tensors that are needed outside."""
        return self._round(network, pending, outputs, lambda match: any(_is_opaque(layer) for layer in match.layers))

    def replace_all(self, network: Network) -> None:
        """Replace what else is asked for, in a network without opaque layers and in all that are nested in it."""
        if self.which in ("unsupported", "none"):
            return
        for _, _, inner in network.nested():
            self.replace_all(inner)
        while self._round(network, (), (), lambda match: True).removed:
            pass

    def survey(self, network: Network, pending: Sequence[Layer] = (), outputs: Collection[Tensor] = ()) -> None:
        """Report what was not replaced: matches that nobody asked for, and near misses with the reason."""
        for _, _, inner in network.nested():
            self.survey(inner)
        layers = [*network.layers, *pending]
        is_output = _outputs(network, outputs)
        fold_constants(network)
        taken: set[Layer] = set()
        covered: set[Layer] = set()
        for rule, match in self._matches(layers, is_output):
            self._consider(rule, match, network, taken)
            covered.update(match.layers)
            report = self._reports.get((rule.replacement.origin, _nodes(match.layers)))
            if report is not None and report.status == "verified":
                taken.update(match.layers)
        for rule in self.rules:
            for found, reason in near_misses(rule.pattern, layers, is_output, covered):
                self._report(rule, found, ReplacementReport("", "", "near miss", (), reason))

    def reasons(self, node: str) -> Iterator[str]:
        """Why rules that matched this ONNX node were not applied."""
        for report in self.reports:
            if node in report.nodes and not report.applied:
                yield f"not replaced by {report.operator}: {report.reason or report.status}"

    # ---- inside ------------------------------------------------------------------------------------------------

    def _round(
        self, network: Network, pending: Sequence[Layer], outputs: Collection[Tensor], wanted: Callable[[Match], bool]
    ) -> Outcome:
        outcome = Outcome()
        if not self.rules or self.which == "none":
            return outcome
        fold_constants(network)
        stale = False
        is_output = _outputs(network, outputs)
        for rule, match in self._matches([*network.layers, *pending], is_output):
            if not wanted(match) or not self._asked(rule, match):
                continue
            now = replace(match, tensors={name: outcome.follow(tensor) for name, tensor in match.tensors.items()})
            if find_leak(now, is_output):  # what was replaced before can lie between its results and its inputs
                continue
            op = self._consider(rule, now, network, outcome.removed)
            if op is not None:
                stale |= self._apply(rule, now, op, network, outcome)
        if outcome.removed:
            network.layers = in_order(network.layers)
        if stale:
            network.infer()
        return outcome

    def _matches(self, layers: Sequence[Layer], is_output: Callable[[Tensor], bool]) -> list[tuple[Rule, Match]]:
        """All matches, rule by rule, without layers that a replacement made: so it comes to an end."""
        found = []
        for rule in self.rules:
            for layer in layers:
                if is_operator(layer, rule.first.op):
                    match = next(match_at(layer, rule.pattern.roots, layers, is_output), None)
                    if match is not None and not self._made.intersection(match.layers):
                        found.append((rule, match))
        return found

    def _asked(self, rule: Rule, match: Match) -> bool:
        if isinstance(self.which, str):
            opaque = any(_is_opaque(layer) for layer in match.layers)
            return self.which == "all" or (self.which == "unsupported" and opaque)
        return bool(_spellings(rule.replacement.key) & set(self.which))

    def _consider(self, rule: Rule, match: Match, network: Network, taken: set[Layer]) -> Any:
        """The operator for a match that may be applied, else None; what stands against it is reported."""
        inputs = rule.inputs(match)
        if not all(is_known(tensor) for tensor in inputs):
            return None  # it reads what another unsupported node gives, and may be replaced after that one
        if taken.intersection(match.layers):
            self._miss(rule, match, "overlap: another replacement has some of these layers")
            return None
        try:
            condition = True if rule.replacement.where is None else rule.replacement.where(rule.captures(match))
            if condition is not True and (isinstance(condition, str) or not condition):
                self._miss(rule, match, f"condition: {condition or 'where= says no'}")
                return None
            op = rule.build(match)
            with collect_checks():
                specs = infer_specs(op, [tensor.spec for tensor in inputs])
            reason = _contradiction(specs, match)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and is named in the report
            text = error.message if isinstance(error, EnginewrightError) else str(error)
            self._fail(rule, match, f"{type(error).__name__}: {text}")
            return None
        if reason:
            self._fail(rule, match, reason)
            return None
        return self._verified(rule, match, op, network)

    def _verified(self, rule: Rule, match: Match, op: Any, network: Network) -> Any:
        key = _fingerprint(rule, match, op)
        if key not in self._verdicts:
            self._verdicts[key] = verify_match(rule, match, op, (self.sizes or trial_sizes)(network))
        verdict = self._verdicts[key]
        reason = verdict.reason
        if not self._asked(rule, match):
            reason = "not asked for: the option replace leaves it" + (f"; {reason}" if reason else "")
        accepted = verdict.status == "verified" or (verdict.status == "unverified" and self.allow_unverified)
        report = ReplacementReport("", "", verdict.status, (), reason, verdict.error, verdict.cases)
        self._report(rule, match.layers, report)
        return op if accepted and self._asked(rule, match) else None

    def _apply(self, rule: Rule, match: Match, op: Any, network: Network, outcome: Outcome) -> bool:
        """Put the operator in place of the match; whether specs behind it have to be inferred again."""
        last = match.results[-1].producer
        assert last is not None
        with network.at(sources=_nodes(match.layers), label=last.name):
            made = network.add(op, *rule.inputs(match))
        layer = made[0].producer
        assert layer is not None
        stale = False
        for old, new in zip(match.results, made, strict=True):
            stale |= is_known(old) and old.spec != new.spec
            new.name = old.name
            network.replace(old, new)
            outcome.forward[old] = new
        network.remove(match.layers)
        outcome.removed.update(match.layers)
        self._made.add(layer)
        key = (rule.replacement.origin, _nodes(match.layers))
        self._reports[key] = replace(self._reports[key], layer=layer.name)
        return stale

    def _miss(self, rule: Rule, match: Match, reason: str) -> None:
        self._report(rule, match.layers, ReplacementReport("", "", "near miss", (), reason))

    def _fail(self, rule: Rule, match: Match, reason: str) -> None:
        self._report(rule, match.layers, ReplacementReport("", "", "failed", (), reason))

    def _report(self, rule: Rule, layers: Iterable[Layer], report: ReplacementReport) -> None:
        nodes = _nodes(layers)
        key = (rule.replacement.origin, nodes)
        named = replace(report, operator=str(rule.replacement.key), pattern=rule.name, nodes=nodes)
        if key not in self._reports or not self._reports[key].applied:
            self._reports[key] = named


def trial_sizes(network: Network) -> SizeChoices:
    """Sizes where no profile gives any: 1, a usual one and an odd one; larger ones for models that need them."""
    axes: dict[str, int] = {}
    for tensor in network.inputs:
        for axis, size in enumerate(tensor.shape):
            if isinstance(size, Dim):
                axes.setdefault(str(size), axis)

    def sizes(batch: int, other: int) -> Mapping[str, int]:
        return {name: other if axis else batch for name, axis in axes.items()}

    return [sizes(1, 1)], [sizes(2, 16), sizes(1, 128), sizes(1, 224), sizes(1, 512)], [sizes(3, 37)]


def _is_opaque(layer: Layer) -> bool:
    return isinstance(layer.op, Opaque)


def _outputs(network: Network, more: Collection[Tensor]) -> Callable[[Tensor], bool]:
    wanted = {tensor for _, tensor in network.outputs} | set(more)
    return lambda tensor: tensor in wanted


def _nodes(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The ONNX nodes, for a layer without any its name."""
    return tuple(dict.fromkeys(name for layer in in_order(layers) for name in layer.sources or (layer.name,)))


def _contradiction(specs: Sequence[TensorSpec], match: Match) -> str:
    """Where the operator's outputs can't be those of the match."""
    if len(specs) != len(match.results):
        return f"the operator has {len(specs)} outputs, the pattern {len(match.results)}"
    for spec, old in zip(specs, match.results, strict=True):
        sizes = zip(spec.shape, old.shape, strict=False)
        known = is_known(old)
        if known and (
            spec.dtype != old.dtype
            or spec.rank != old.rank
            or any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes)
        ):
            return f'the operator gives {spec}, but "{old.name}" is {old.spec}'
    return ""


def _fingerprint(rule: Rule, match: Match, op: Any) -> bytes:
    """Equal for matches that are verified alike: same rule, operators, structure, constants and input specs."""
    digest = blake2b(repr((rule.replacement.origin, op)).encode())
    numbers: dict[Tensor, int] = {}
    for layer in match.layers:
        digest.update(repr((layer.key, layer.op.attributes if _is_opaque(layer) else layer.op)).encode())
        for tensor in (*layer.inputs, *layer.outputs):
            if tensor is None:
                continue
            new = tensor not in numbers
            digest.update(b"%d," % numbers.setdefault(tensor, len(numbers)))
            if new:
                digest.update(f"{tensor.spec} {tensor.spec.value}".encode() if is_known(tensor) else b"?")
                digest.update(b"" if tensor.const is None else tensor.const.tobytes())
    return digest.digest()
