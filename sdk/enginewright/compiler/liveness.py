"""Which layers of a network have to run, which are mere views, and how long each piece of memory is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from enginewright.compiler.choice import Choice
from enginewright.dims import Dim, Size, atom_uids
from enginewright.graph.network import Layer, Network, Tensor, network_fields
from enginewright.registry.faults import OWN


class Liveness:
    """The layers that matter, in order, and for each memory (by the uid of its first tensor) when it is read last.

    Times are positions in `layers`, from 1; outputs are read at `end`. `values`: uids of tensors that sizes are read
    from. `on_device`: those of the inputs that lie on the device, as steps there read them and no size does.
    """

    def __init__(self, network: Network, choices: Mapping[Layer, Choice]) -> None:
        self.choices = choices
        self.layers = _live_layers(network, self)
        self.end = len(self.layers) + 1
        self.views = {layer: offset for layer in self.layers if (offset := view_offset(layer)) is not None}
        self.root: dict[int, int] = {tensor.spec.uid: tensor.spec.uid for tensor in network.inputs}
        self.last: dict[int, int] = {}
        self.values = frozenset(
            uid for layer in self.layers for uid in atom_uids(layer_sizes(layer, choices.get(layer)))
        )
        for time, layer in enumerate(self.layers, start=1):
            self._roots(layer)
            for uid in (*self.read_by(layer), *(tensor.spec.uid for tensor in layer.outputs)):
                self._use(uid, time)
        for _, tensor in network.outputs:
            for uid in (tensor.spec.uid, *atom_uids(tensor.shape)):
                self._use(uid, self.end)

        read = {
            self.root[tensor.spec.uid]
            for layer in self.layers
            if layer in choices and choices[layer].device and layer not in self.views
            for tensor in self.inputs(layer)
            if tensor is not None and tensor.spec.uid in self.root
        }
        self.on_device = frozenset(tensor.spec.uid for tensor in network.inputs) & read - self._rooted(self.values)

    def _rooted(self, uids: Iterable[int]) -> set[int]:
        return {self.root.get(uid, uid) for uid in uids}

    def read_by(self, layer: Layer) -> set[int]:
        """The uids of all tensors that a layer reads: data, and values inside its sizes."""
        found = {tensor.spec.uid for tensor in self.inputs(layer) if tensor is not None}
        return found | atom_uids(layer_sizes(layer, self.choices.get(layer)))

    def inputs(self, layer: Layer) -> list[Tensor | None]:
        """The tensors that the layer's kernel reads."""
        choice = self.choices.get(layer)
        order = choice.launch.inputs if choice and view_offset(layer) is None else None
        if view_offset(layer) is not None:
            order = (0,)
        return layer.inputs if order is None else [layer.inputs[index] for index in order]

    def _roots(self, layer: Layer) -> None:
        for tensor in layer.outputs:
            source = layer.inputs[0] if layer in self.views else tensor
            assert source is not None
            self.root[tensor.spec.uid] = self.root.get(source.spec.uid, source.spec.uid)

    def _use(self, uid: int, time: int) -> None:
        root = self.root.get(uid, uid)
        self.last[root] = max(self.last.get(root, 0), time)


def view_offset(layer: Layer) -> Size | None:
    """The byte offset at which the layer's output lies inside its first input, None where it needs a step.

    Python objects have no bytes to look at: a step gives texts their new shape.
    """
    view = getattr(layer.op, "view", None) if layer.key.namespace == OWN else None
    if view is None or layer.inputs[0] is None or layer.inputs[0].dtype.is_object:
        return None
    offset: Size | None = view(*(None if tensor is None else tensor.spec for tensor in layer.inputs))
    return offset


def layer_sizes(layer: Layer, choice: Choice | None) -> list[Size]:
    """Every size that must be known to run a layer: its outputs, its checks, its launch, and of nested networks."""
    sizes: list[Size] = [size for tensor in layer.outputs for size in tensor.shape]
    sizes += [size for check in layer.checks for size in (check.a, check.b)]
    if choice is not None:
        sizes += [param for param in choice.launch.params if isinstance(param, Dim)]
        sizes.append(choice.launch.workspace)
    for _, network in network_fields(layer.op):
        for inner in network.layers:
            sizes += layer_sizes(inner, None)
    return sizes


def _live_layers(network: Network, live: Liveness) -> list[Layer]:
    needed = {uid for _, tensor in network.outputs for uid in (tensor.spec.uid, *atom_uids(tensor.shape))}
    kept: list[Layer] = []
    for layer in reversed(network.layers):
        if any(tensor.spec.uid in needed for tensor in layer.outputs):
            needed |= live.read_by(layer)
            kept.append(layer)
    return kept[::-1]
