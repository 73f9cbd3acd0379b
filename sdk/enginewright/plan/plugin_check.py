"""Says which plugins of a plan are missing, all at once, with what is there instead and how to get the right one."""

from __future__ import annotations

from collections.abc import Sequence

from enginewright.errors import MissingPlugin, MissingPluginsDetails, PluginInvalid, PluginNotFound
from enginewright.registry.faults import OWN
from enginewright.registry.keys import Key
from enginewright.registry.missing import near_matches
from enginewright.registry.registry import registry
from enginewright_compat.passport import PluginUse
from enginewright_compat.plugins import declaring, installed_plugins, remedy, wanted


def check_plugins(uses: Sequence[PluginUse], kind: str, where: str, *, any_version: bool = False) -> None:
    """Check 12: raise one `PluginNotFound` for all plugins that a plan needs and that are not here in its version.

    `any_version`: another version will do, for a plan that is to be built again; the plugins are imported.
    """
    plugins = installed_plugins()
    missing = []
    for use in uses:
        found = declaring(use, plugins)
        enough = bool(found) and is_declared(use) if any_version else any(one.gives(use) for one in found)
        if not use.needed or enough or is_local(use):
            continue
        missing.append(missing_plugin(use, " and ".join(f"installed: {one}" for one in found) or "not installed"))
    if missing:
        raise not_available(missing, kind, where)


def is_local(use: PluginUse) -> bool:
    """Whether it comes from a module of no distribution that this process has imported, as the builder had."""
    return not use.distribution and any(str(key) == use.key for key in registry.operators)


def is_declared(use: PluginUse) -> bool:
    """Whether what is installed has the operator in some version: others may declare the namespace, too."""
    base = use.key.partition("@")[0]
    registry.discovery.load(base.partition("::")[0])
    return base.startswith(f"{OWN}::") or any(key.base == base for key in registry.operators)


def missing_plugin(use: PluginUse, found: str) -> MissingPlugin:
    """What the error tells of one plugin: where it is used, what is there instead, and how to get it."""
    try:
        near = near_matches(Key.parse(use.key), registry)
    except PluginInvalid:
        near = ""
    text = f"{found}; {near}" if near else found
    return MissingPlugin(use.key, f"{wanted(use)} (the plan says so)", text, _layers(use), remedy(use))


def not_available(missing: Sequence[MissingPlugin], kind: str, where: str) -> PluginNotFound:
    """The one exception for all of them."""
    many = f"{len(missing)} plugins that are" if len(missing) > 1 else "1 plugin that is"
    return PluginNotFound(
        f"{kind} needs {many} not available",
        hint=f"Install what is listed; more: enginewright plugin doctor {missing[0].namespace.partition('@')[0]}",
        where=where,
        details=MissingPluginsDetails(tuple(missing)),
    )


def _layers(use: PluginUse) -> str:
    if not use.nodes:
        return ""
    more = f" and {len(use.nodes) - 1} more" if len(use.nodes) > 1 else ""
    return f'layer "{use.nodes[0]}"{more}'
