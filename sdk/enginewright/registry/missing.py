"""Says what is missing when an operator is not found: the nearest keys, installed versions, and who declares it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from enginewright.errors import MissingPlugin, MissingPluginsDetails, PluginNotFound
from enginewright.registry.faults import OWN
from enginewright.registry.keys import Key

if TYPE_CHECKING:
    from enginewright.registry.table import Registry


def not_found(key: Key, registry: Registry) -> PluginNotFound:
    """The exception for one operator that no plugin gives."""
    found = near_matches(key, registry)
    return PluginNotFound(
        f"operator {key} is not known" + (f": {found}" if found else ""),
        hint=f"Install or import the plugin that declares it; more: enginewright plugin doctor {key.base}",
        details=MissingPluginsDetails((MissingPlugin(str(key), "a plugin that declares it", found or "not known"),)),
    )


def near_matches(key: Key, registry: Registry) -> str:
    """What there is instead, as one line of text; empty if nothing is near."""
    parts = []
    registry.load(key.namespace)
    versions = registry.versions(key.namespace, key.name)
    if versions:
        parts.append(f"known are {', '.join(f'{key.base}@{version}' for version in versions)}")
    else:
        bases = {other.base for other in registry.operators if other.namespace != OWN or key.namespace == OWN}
        near = difflib.get_close_matches(key.base, sorted(bases), 3)
        parts += [f"did you mean {' or '.join(near)}?"] if near else []
    for source in registry.discovery.every_source():
        if source.namespace == key.namespace:
            broken = source in registry.discovery.broken
            parts.append(f"{source.owner} declares {key.namespace}" + (", but can't be imported" if broken else ""))
    return "; ".join(dict.fromkeys(parts))
