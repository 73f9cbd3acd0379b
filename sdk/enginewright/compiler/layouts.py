"""Chooses between networks that compute the same with tensors kept differently: the one that takes less time.

A lower precision is allowed, not asked for: where float32 takes less time, the network stays in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from enginewright.compiler.config import BuilderConfig
from enginewright.compiler.tuning import Tuner
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network
from enginewright.optimize import NARROWING, Pass, PassRecord, optimize, pipeline
from enginewright.optimize.put_channels_last import put_channels_last, wants_channels_last
from enginewright.optimize.quantize_products import quantize_products
from enginewright.optimize.round_products import round_products

UNUSED = {
    quantize_products.__name__: "no product has a weight that the model stores as int8",
    round_products.__name__: "no product, convolution or recurrent layer is rounded",
}
"""What a pass that reduces precision did not find, where it changed nothing."""

MARGIN = 0.9
"""The first layout stays unless another takes less than this share of its time: such sums vary by 10 %."""
EXACT_MARGIN = 0.95
"""The same for those in float32: tensors half as large gain more where they are larger than those that are timed."""


@dataclass(frozen=True)
class Layout:
    """An optimized network, the passes that made it, what they did, and whether they left out to round products."""

    name: str
    network: Network
    passes: tuple[Pass, ...]
    records: tuple[PassRecord, ...]
    exact: bool = False


def optimize_layouts(network: Network, passes: Sequence[Pass]) -> list[Layout]:
    """The network in all ways in which it may run, the one that is most likely the fastest first.

    Images may lie with their channels last or first. Where products are computed in bfloat16, the tensors of the first
    way may be of that type, too, which the passes from `NARROWING` on make, and the last ways are those in float32.
    """
    if NARROWING[0] not in passes:
        return _optimize_orders(network, tuple(passes))
    exact, at = copy_network(network), passes.index(NARROWING[0])
    rounded = _with_narrow(_optimize_orders(network, tuple(passes[:at])), tuple(passes[at:]))
    if not any(record.changes for record in rounded[0].records if record.name == round_products.__name__):
        return rounded
    others = _optimize_orders(exact, pipeline())
    return [*rounded, *(replace(layout, name=f"{layout.name}, float32", exact=True) for layout in others)]


def _with_narrow(layouts: list[Layout], narrowing: tuple[Pass, ...]) -> list[Layout]:
    """The same, and before them the first one with tensors of bfloat16, by these passes, if any can be."""
    first = layouts[0]
    narrow = copy_network(first.network)
    records = optimize(narrow, narrowing)
    if not any(record.changes for record in records):
        return layouts
    name = f"{first.name}, bfloat16"
    return [Layout(name, narrow, (*first.passes, *narrowing), (*first.records, *records)), *layouts]


def _optimize_orders(network: Network, passes: tuple[Pass, ...]) -> list[Layout]:
    """The network optimized in place, and a copy that keeps channels first if the other one has them last."""
    if put_channels_last not in passes:
        return [Layout("channels first", network, passes, tuple(optimize(network, passes)))]
    at = passes.index(put_channels_last)
    begun = optimize(network, passes[:at])
    if not wants_channels_last(network):
        return [Layout("channels first", network, passes, (*begun, *optimize(network, passes[at:])))]
    other, rest = copy_network(network), passes[at + 1 :]
    return [
        Layout("channels last", network, passes, (*begun, *optimize(network, passes[at:]))),
        Layout("channels first", other, (*passes[:at], *rest), (*begun, *optimize(other, rest))),
    ]


Tuned = tuple[Layout, Network, Tuner]


def unused_precision(config: BuilderConfig, records: Sequence[PassRecord]) -> Iterator[str]:
    """Say that the precision asked for found nothing to do: the plan then computes as one for "fp32"."""
    if config.precision != "fp32" and not config.level:
        yield f'precision="{config.precision}" changes nothing: level 0 runs no optimizer pass'
    for record in records:
        if record.name in UNUSED and not record.changes:
            yield f'precision="{config.precision}" changes nothing: {UNUSED[record.name]}'


def choose_layout(tuned: Sequence[Tuned]) -> Tuned:
    """The fastest by the sum of its layers, conversions among them, the first if all are close.

    The others' timings count as made for it.
    """
    best = _fastest([item for item in tuned if not item[0].exact], MARGIN)
    best = _fastest([best, *(item for item in tuned if item[0].exact)], EXACT_MARGIN)
    tuner = best[2]
    for _, _, other in tuned:
        if other is not tuner:
            tuner.measured += other.measured
            tuner.cached += other.cached
            tuner.missing += other.missing
    if len(tuned) > 1:
        times = sorted((other.total, layout.name) for layout, _, other in tuned)
        tuner.notes.append(", ".join(f"{name}: {total / 1e6:.3f} ms in all" for total, name in times))
    return best


def _fastest(tuned: Sequence[Tuned], margin: float) -> Tuned:
    """The first one, unless another takes less than this share of its time."""
    fastest = min(tuned, key=lambda item: item[2].total)
    return fastest if fastest[2].total < margin * tuned[0][2].total else tuned[0]
