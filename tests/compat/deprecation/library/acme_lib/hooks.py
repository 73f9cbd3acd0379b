"""Hooks of which one, and one argument of another, are leaving."""

from __future__ import annotations

import pluggy

from enginewright_compat.deprecation import hook_warning

hookspec, hookimpl = pluggy.HookspecMarker("acme"), pluggy.HookimplMarker("acme")


class Specs:
    """What a plugin may implement."""

    @hookspec(warn_on_impl=hook_warning("EW-D9026"))  # type: ignore[arg-type]
    def acme_started(self, name: str) -> None:
        """Leaving."""

    @hookspec(warn_on_impl_args={"speed": hook_warning("EW-D9027")})  # type: ignore[dict-item]
    def acme_stopped(self, name: str, speed: int) -> None:
        """Its second argument is leaving."""


def register(plugin: object) -> None:
    """Accept a plugin."""
    manager = pluggy.PluginManager("acme")
    manager.add_hookspecs(Specs)
    manager.register(plugin)
    manager.check_pending()
