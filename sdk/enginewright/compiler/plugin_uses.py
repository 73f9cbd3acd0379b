"""What a plan uses of plugins, for its passport: operator, distribution, tactic, kernel, and the layers."""

from __future__ import annotations

from collections.abc import Mapping

from enginewright.compiler.choice import Choice
from enginewright.compiler.embedding import Embedded, is_embedded
from enginewright.device.kernels import KernelSource
from enginewright.graph.network import Layer, Network
from enginewright.registry.faults import OWN
from enginewright.registry.registry import registry
from enginewright.registry.state import schema_hash
from enginewright_compat.deprecation import identity_of
from enginewright_compat.deprecation.registry import known_deprecations
from enginewright_compat.passport import PluginUse

MAX_NODES = 100
"""More are counted, not named: a passport has a limit."""


def plugin_uses(choices: Mapping[Layer, Choice], embedded: Embedded) -> tuple[PluginUse, ...]:
    """One record for each operator and tactic of a plugin, sorted; `nodes` are the ONNX nodes, else the layers.

    What is `embedded` does not need the plugin at load.
    """
    places: dict[tuple[str, str], list[Layer]] = {}
    for layer, choice in choices.items():
        if layer.key.namespace != OWN or choice.plugin is not None:
            places.setdefault((str(layer.key), choice.tactic), []).append(layer)
    return tuple(_use(layers, choices[layers[0]], embedded) for _, layers in sorted(places.items()))


def _use(layers: list[Layer], choice: Choice, embedded: Embedded) -> PluginUse:
    cls = type(layers[0].op)
    # A kernel belongs to whoever declared the tactic, which may be an extension of another distribution.
    source = registry.source_of(choice.plugin.module if choice.plugin else cls.__module__)
    kernel = choice.plugin.kernel if choice.plugin else None
    made = kernel if isinstance(kernel, KernelSource) else None
    return PluginUse(
        key=str(layers[0].key),
        distribution=source.distribution if source else "",
        version=source.version if source else "",
        schema=schema_hash(getattr(cls, "FIELDS", {})),
        tactic=choice.tactic,
        level=choice.plugin.level if choice.plugin else 0,
        source=made.identity if made else "",
        abi=made.abi if made else "",
        needed=not is_embedded(choice, embedded),
        nodes=_nodes(layers),
    )


def _nodes(layers: list[Layer]) -> tuple[str, ...]:
    names = list(dict.fromkeys(name for layer in layers for name in layer.sources or (layer.name,)))
    more = len(names) - MAX_NODES
    return (*names[:MAX_NODES], f"{more} more") if more > 0 else tuple(names)


def is_registered(op: object) -> bool:
    """Whether what an operator says of its deprecation begins with an id that a registry of deprecations knows."""
    mark = getattr(op, "DEPRECATED", "")
    return bool(mark) and identity_of(mark) in known_deprecations()


def deprecated_plugins(network: Network) -> tuple[str, ...]:
    """What authors of plugins say of operators of theirs that are used and that will leave, sorted by key."""
    theirs = [layer for layer in network.layers if layer.key.namespace != OWN and not is_registered(layer.op)]
    used = {str(layer.key): getattr(layer.op, "DEPRECATED", "") for layer in theirs}
    return tuple(f"{key} is deprecated: {text}" for key, text in sorted(used.items()) if text)
