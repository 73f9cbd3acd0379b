"""The optimizer: passes that rewrite a network without changing what it computes, run in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from enginewright.errors import CheckDetails, CheckFailed, EnginewrightError
from enginewright.graph.network import Network
from enginewright.optimize.autocast import autocast_bf16, autocast_fp16
from enginewright.optimize.cancel_transposes import cancel_transposes
from enginewright.optimize.chain_convolutions import chain_convolutions
from enginewright.optimize.eliminate_common import eliminate_common
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.find_shuffles import find_shuffles
from enginewright.optimize.flatten_windows import flatten_windows
from enginewright.optimize.fold_constants import fold_constants
from enginewright.optimize.fold_scales import fold_scales
from enginewright.optimize.fold_shapes import fold_shapes
from enginewright.optimize.fold_shuffles import fold_shuffles
from enginewright.optimize.fuse_attention import fuse_attention
from enginewright.optimize.fuse_epilogues import fuse_epilogues
from enginewright.optimize.fuse_gelu import fuse_gelu
from enginewright.optimize.fuse_gru_cell import fuse_gru_cell
from enginewright.optimize.fuse_layer_norm import fuse_layer_norm
from enginewright.optimize.fuse_pointwise import fuse_pointwise
from enginewright.optimize.fuse_quantized_convs import fuse_quantized_convs
from enginewright.optimize.fuse_quantized_tanh import fuse_quantized_tanh
from enginewright.optimize.fuse_squeeze_excite import fuse_squeeze_excite
from enginewright.optimize.fuse_swish import fuse_swish
from enginewright.optimize.gather_one_hots import gather_one_hots
from enginewright.optimize.group_positions import group_positions
from enginewright.optimize.join_channels import join_channels
from enginewright.optimize.lower_batch_norm import lower_batch_norm
from enginewright.optimize.narrow_tensors import narrow_tensors
from enginewright.optimize.pack_attention import pack_attention
from enginewright.optimize.pool_parts import pool_parts
from enginewright.optimize.prefer_channels_last import prefer_channels_last
from enginewright.optimize.put_channels_last import put_channels_last
from enginewright.optimize.quantize_products import quantize_products
from enginewright.optimize.reuse_order import reuse_order
from enginewright.optimize.round_images import round_images
from enginewright.optimize.round_products import round_products
from enginewright.optimize.select_early import select_early
from enginewright.optimize.simplify_algebra import simplify_algebra
from enginewright.optimize.sink_squeezes import sink_squeezes
from enginewright.optimize.sink_transposes import sink_transposes
from enginewright.optimize.slice_convolutions import slice_convolutions
from enginewright.optimize.take_branches import take_branches
from enginewright.optimize.unflatten_products import unflatten_products
from enginewright.optimize.widen_halves import widen_halves

Pass = Callable[[Network], int]

PIPELINE: tuple[Pass, ...] = (
    widen_halves,
    fold_shapes,
    take_branches,
    fuse_quantized_convs,
    fold_constants,
    simplify_algebra,
    eliminate_common,
    eliminate_dead,
    gather_one_hots,
    eliminate_dead,
    lower_batch_norm,
    sink_squeezes,
    fold_scales,
    fuse_attention,
    cancel_transposes,
    fuse_layer_norm,
    fuse_gelu,
    fuse_swish,
    fuse_gru_cell,
    slice_convolutions,
    find_shuffles,
    pool_parts,
    put_channels_last,
    cancel_transposes,
    flatten_windows,
    eliminate_dead,
    fold_shuffles,
    fuse_pointwise,
    fuse_epilogues,
    group_positions,
    fuse_quantized_tanh,
    chain_convolutions,
    join_channels,
    eliminate_dead,
)
"""The passes in order; each returns how many changes it made."""

FOR_CPUS: tuple[Pass, ...] = (
    widen_halves,
    fuse_quantized_convs,
    fuse_gru_cell,
    slice_convolutions,
    find_shuffles,
    pool_parts,
    put_channels_last,
    flatten_windows,
    fold_shuffles,
    group_positions,
    fuse_quantized_tanh,
    chain_convolutions,
    join_channels,
)
"""Those of them that other targets do not run."""

FOR_DEVICES: tuple[Pass, ...] = (
    prefer_channels_last,
    cancel_transposes,
    eliminate_dead,
    fuse_squeeze_excite,
    unflatten_products,
    eliminate_dead,
    sink_transposes,
    pack_attention,
    sink_transposes,
    cancel_transposes,
    reuse_order,
    simplify_algebra,
    fuse_gelu,
    eliminate_dead,
    select_early,
)
"""What other targets than the CPU run before elementwise layers are joined."""

NARROWING: tuple[Pass, ...] = (round_images, narrow_tensors)
"""What makes tensors bfloat16 where a CPU computes in it; both networks are timed."""

_AUTOCAST = {"fp16": autocast_fp16, "bf16": autocast_bf16}


def pipeline(target: str = "cpu", precision: str = "fp32") -> tuple[Pass, ...]:
    """The passes for a target: a device that computes in halves needs none widened, and may be given more of them."""
    if target == "cpu":
        return _cpu_pipeline(precision)
    passes = [run for run in PIPELINE if run not in FOR_CPUS]
    if precision in _AUTOCAST:
        at = passes.index(fuse_pointwise)
        passes[at:at] = [_AUTOCAST[precision], fold_constants, eliminate_common, eliminate_dead]
    at = passes.index(fuse_pointwise)
    passes[at:at] = FOR_DEVICES
    return tuple(passes)


def _cpu_pipeline(precision: str) -> tuple[Pass, ...]:
    """Reduced precision on the CPU is a property of products; tensors between them may follow."""
    passes = list(PIPELINE)
    if precision == "bf16":
        passes.insert(passes.index(fuse_pointwise), round_products)
        passes.remove(chain_convolutions)  # which are of float32; their parts may be bfloat16
        passes += NARROWING
    if precision == "int8":
        passes.insert(passes.index(fold_constants), quantize_products)
    return tuple(passes)


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one pass did: its name, changes, and the number of layers before and after."""

    name: str
    changes: int
    before: int
    after: int


def optimize(network: Network, passes: Sequence[Pass] = PIPELINE) -> list[PassRecord]:
    """Run every pass on the network and the networks nested in it; sizes are inferred again after each change."""
    records: list[PassRecord] = []
    for run in passes:
        records.append(_run(run, network, tuple(record.name for record in records)))
    return records


def _run(run: Pass, network: Network, history: tuple[str, ...]) -> PassRecord:
    before = sum(len(inner.layers) for inner in _all(network))
    changes = 0
    for inner in _all(network):
        changes += run(inner)
    if changes:
        try:
            network.infer()
        except EnginewrightError as error:
            name = run.__name__
            raise CheckFailed(
                f"after pass {name}: {error.message}",
                hint="Report this as a bug, with the model.",
                where=error.where,
                details=CheckDetails(name, history),
            ) from error
    return PassRecord(run.__name__, changes, before, sum(len(inner.layers) for inner in _all(network)))


def _all(network: Network) -> Iterator[Network]:
    """Nested networks first, so that what they give up can go outside as well."""
    for _, _, inner in network.nested():
        yield from _all(inner)
    yield network
