"""Lifecycle hooks: plugins may watch builds, timings and engines. They observe, and can change no result.

A plugin module (or any object given to `add_hooks`) implements any of these functions, marked with `ew.hookimpl`, with
any subset of the arguments. What one raises is logged and kept in `failures` with the plugin's name; the event goes on.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import pluggy

from enginewright.errors import PluginError
from enginewright.registry.faults import fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enginewright.compiler.config import BuilderConfig
    from enginewright.compiler.report import BuildReport
    from enginewright.graph.network import Network
    from enginewright.plan.plan import Plan
    from enginewright.registry.table import Registry
    from enginewright.verdict import PlanInfo

PROJECT = "enginewright"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
_log = logging.getLogger("enginewright.plugins")


class Specification:
    """The events."""

    @hookspec(historic=True)
    def enginewright_register(self, registry: Registry) -> None:
        """Once for each loaded plugin, also late ones: to declare operators in a loop."""

    @hookspec
    def enginewright_build_started(self, network: Network, config: BuilderConfig) -> None:
        """A model was parsed and checked."""

    @hookspec
    def enginewright_tactic_timed(self, layer: str, tactic: str, nanoseconds: int) -> None:
        """A candidate was measured."""

    @hookspec
    def enginewright_build_finished(self, plan: Plan, report: BuildReport) -> None:
        """A plan is complete, and about to be returned."""

    @hookspec
    def enginewright_plan_loaded(self, info: PlanInfo) -> None:
        """A plan passed all checks, and an engine was made of it."""

    @hookspec
    def enginewright_engine_closed(self, info: PlanInfo) -> None:
        """An engine was closed: shared resources may be freed."""

    @hookspec
    def enginewright_doctor(self) -> Sequence[str]:  # type: ignore[empty-body]
        """Lines for `enginewright doctor`."""


class Hooks:
    """The plugins that watch, each called by itself."""

    def __init__(self, registry: Registry) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Specification)
        self._manager.hook.enginewright_register.call_historic(kwargs={"registry": registry})
        self.failures: deque[PluginError] = deque(maxlen=100)

    def add(self, plugin: object, name: str) -> None:
        """Let a module or object watch from now on, under a name for messages; again: nothing happens."""
        if self._manager.is_registered(plugin):
            return
        for found in self._manager.get_plugins():
            if self._manager.get_name(found) == name:  # a module that was imported again
                self._manager.unregister(found)
        try:
            self._manager.register(plugin, name)  # runs enginewright_register, which is historic
            self._manager.check_pending()
        except Exception as error:
            self._manager.unregister(plugin)
            raise fault(name, "enginewright_register", error) from error

    def remove(self, plugin: object) -> None:
        """Let it watch no longer."""
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)

    def wanted(self, event: str) -> bool:
        """Whether anybody watches this event; what it tells need not be made otherwise."""
        return bool(getattr(self._manager.hook, event).get_hookimpls())

    def call(self, event: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Tell each plugin by itself; (plugin, what it returned) for those that did not fail."""
        if not self.wanted(event):
            return []
        everyone = self._manager.get_plugins()
        results = []
        for implementation in getattr(self._manager.hook, event).get_hookimpls():
            others = everyone - {implementation.plugin}
            try:
                made = self._manager.subset_hook_caller(event, others)(**arguments)
                results += [(implementation.plugin_name, result) for result in made]
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - an observer's failure changes nothing but the log
                self._failed(implementation.plugin_name, event, error)
        return results

    def _failed(self, plugin: str, event: str, error: BaseException) -> None:
        failure = fault(plugin, event, error)
        failure.__cause__ = error
        self.failures.append(failure)
        _log.warning("%s", failure.message, exc_info=error)
