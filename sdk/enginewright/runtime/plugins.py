"""Makes the plugins of a plan ready before it runs: operators are imported, kernels signed in, all that lack told."""

from __future__ import annotations

from collections.abc import Sequence

from enginewright.device.embedded_code import load_code
from enginewright.device.kernel_source import CompiledCode
from enginewright.errors import MissingPlugin, PluginError, PluginNotFound
from enginewright.plan.meta import CodeRecord
from enginewright.plan.plugin_check import missing_plugin, not_available
from enginewright.registry.keys import Key
from enginewright.registry.registry import Tactic, registry
from enginewright_compat.passport import Passport, PluginUse

REFERENCE = "reference"


def prepare_plugins(passport: Passport, where: str) -> None:
    """Import and sign in everything; one `PluginNotFound` lists what is not there, or not what the plan was built with.

    A plan names plugins, never files: a kernel comes from a tactic of an installed or imported plugin, and only if its
    source or build id is the one that the plan was tuned with.
    """
    missing: list[MissingPlugin] = []
    for use in passport.plugins:
        if not use.needed:  # the plan carries its kernels
            continue
        try:
            _prepare(use)
        except PluginNotFound as error:
            missing.append(missing_plugin(use, error.message))
    if missing:
        raise not_available(missing, "plan", where)


def load_embedded(records: Sequence[CodeRecord], code: bytes | memoryview) -> None:
    """Sign in what the plan carries itself; that it is trusted was checked before it was read."""
    offset = 0
    for record in records:
        content = bytes(code[offset : offset + record.length])
        load_code(CompiledCode(record.kind, content, tuple(record.kernels)))
        offset += record.length


def _prepare(use: PluginUse) -> None:
    key = Key.parse(use.key)
    cls = registry.operator(key)
    if use.tactic == REFERENCE:
        return
    tactic = _find(cls, use)
    if tactic is None:
        raise PluginNotFound(
            f"{key} has no tactic {use.tactic}", hint="Install the plugin's version that the plan was built with."
        )
    if isinstance(tactic.kernel, str):
        return
    if tactic.kernel.identity != use.source:
        raise PluginError(
            f"the kernel of {key}, tactic {use.tactic}, is another one than the plan was built with",
            hint="Build the plan again, or install the plugin's version that it was built with.",
            where=f"found {tactic.kernel.identity}, expected {use.source}",
        )
    tactic.kernel.load()


def _find(cls: type[object], use: PluginUse) -> Tactic | None:
    """The tactic by name; extension modules are imported only if it is not among those of the operator's own module."""
    for load in (None, registry.discovery.load_extensions):
        if load is not None:
            load()
        for tactic in registry.tactics_of(cls):
            if tactic.name == use.tactic:
                return tactic
    return None
