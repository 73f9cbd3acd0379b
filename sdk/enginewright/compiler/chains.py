"""Decides where chains of convolutions are cut, by the time that the whole takes and that of its parts."""

from __future__ import annotations

from collections.abc import Callable

from enginewright.graph.network import Layer, Network, Tensor
from enginewright.ops.conv_chain import ConvChain
from enginewright.ops.pointwise import Fused
from enginewright.tensors import TensorSpec

PASSING = 0.067
"""Nanoseconds for each byte between two parts, written and read at 30 GB/s: each is timed alone, in a warm cache."""
SMALL = 1 << 18
"""Bytes between two parts that are in a cache in the whole network, too, so that nothing is added for them."""
CACHE = 1 << 19
"""Bytes of weights, half of a usual L2, that stay in cache while a chain of two works on `ROWS` bytes at a time."""
ROWS = 224 << 10
Clock = Callable[[Layer], int | None]
"""How long a layer takes at the sizes that its inputs have; None where that is not known."""


def chain_of(layer: Layer) -> ConvChain | None:
    """The chain that a layer is, with a fused program or without."""
    op = layer.op.anchor if isinstance(layer.op, Fused) else layer.op
    return op if isinstance(op, ConvChain) else None


def cut_chain(network: Network, layer: Layer, cut: int) -> tuple[Layer, Layer]:
    """Put two layers in place of a chain: its first `cut` stages, and the others with what is fused behind them."""
    chain = chain_of(layer)
    assert chain is not None
    begin = 1 + sum(chain.counts[:cut])
    last = _joined(chain, cut, len(chain.stages))
    with network.at(layer):
        first = network.add(_joined(chain, 0, cut), *layer.inputs[:begin])[0]
        whole = Fused(last, layer.op.program) if isinstance(layer.op, Fused) else last
        made = network.add(whole, first, *layer.inputs[begin:])[0]
    made.name = layer.outputs[0].name
    network.replace(layer.outputs[0], made)
    network.remove([layer])
    assert first.producer is not None
    assert made.producer is not None
    return first.producer, made.producer


def best_cut(layer: Layer, specs: list[TensorSpec | None], clock: Clock) -> int | None:
    """Where a chain is cut first, at these sizes of its inputs; None where it is best whole, or nothing is known."""
    return _weigh(_alone(layer, specs)[1], clock)[1]


def _joined(chain: ConvChain, begin: int, end: int) -> object:
    """Some stages as one operator."""
    if end - begin == 1:
        return chain.stages[begin]
    return ConvChain(chain.stages[begin:end], chain.counts[begin:end])


def _weigh(layer: Layer, clock: Clock) -> tuple[int | None, int | None]:
    """The least time of a layer, and the first cut that it takes."""
    best, chosen = clock(layer), None
    chain = chain_of(layer)
    if best is not None and chain is not None and len(chain.stages) == 2:
        best += _passing_again(layer)
    for cut in range(1, len(chain.stages)) if chain is not None and best is not None else ():
        network, copy = _alone(layer, [None if tensor is None else tensor.spec for tensor in layer.inputs])
        parts = cut_chain(network, copy, cut)
        times = [_weigh(part, clock)[0] for part in parts]
        total = sum(time for time in times if time is not None) + _passing(parts[0].outputs[0].spec)
        if None not in times and best is not None and total < best:
            best, chosen = total, cut
    return best, chosen


def _passing_again(layer: Layer) -> int:
    """What weights cost, beyond the time of a chain of two alone, that come by again for every few rows."""
    tensors = [tensor for tensor in layer.inputs if tensor is not None]
    weights = sum(tensor.const.nbytes for tensor in tensors if tensor.const is not None)
    network, copy = _alone(layer, [None if tensor is None else tensor.spec for tensor in layer.inputs])
    between = _bytes(cut_chain(network, copy, 1)[0].outputs[0].spec)
    return round(weights * PASSING / 2 * -(-between // ROWS)) if weights > CACHE else 0


def _bytes(spec: TensorSpec) -> int:
    """The size of a tensor; 0 where it is not known."""
    return spec.size * spec.dtype.numpy.itemsize if isinstance(spec.size, int) else 0


def _passing(spec: TensorSpec) -> int:
    """What a tensor between two parts costs beyond their own times, in nanoseconds."""
    return 0 if _bytes(spec) <= SMALL else round(_bytes(spec) * PASSING)


def _alone(layer: Layer, specs: list[TensorSpec | None]) -> tuple[Network, Layer]:
    """A network of just this layer, at these sizes."""
    network = Network(layer.name)
    inputs: list[Tensor | None] = []
    for index, (tensor, spec) in enumerate(zip(layer.inputs, specs, strict=True)):
        if tensor is None or spec is None:
            inputs.append(None)
        elif tensor.const is not None:
            inputs.append(network.constant(tensor.const, tensor.name))
        else:
            inputs.append(network.input(f"x{index}", spec.dtype, spec.shape))
    for number, made in enumerate(network.add(layer.op, *inputs, name=layer.name)):
        network.output(f"y{number}", made)
    return network, network.layers[0]
