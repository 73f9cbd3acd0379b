"""Keeps a plugin's failures apart from ours: each call into one raises a `PluginError` that names plugin and method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from enginewright.errors import EnginewrightError, PluginDetails, PluginError, PluginInvalid

OWN = "ew"
"""The namespace of the SDK's own operators, whose failures are not a plugin's."""


@contextmanager
def plugin_faults(plugin: str, method: str, layer: str = "") -> Iterator[None]:
    """Turn whatever the block raises into a `PluginError`; errors of ours stay what they are, and Ctrl-C passes.

    SystemExit does not pass: no plugin ends the process.
    """
    try:
        yield
    except (KeyboardInterrupt, EnginewrightError):
        raise
    except BaseException as error:
        raise fault(plugin, method, error, layer) from error


def fault(plugin: str, method: str, error: BaseException, layer: str = "") -> PluginError:
    """The exception for one that a plugin raised; the caller raises it from the cause."""
    return PluginError(
        f"{plugin}: {method} raised {type(error).__name__}: {error}",
        hint="The plugin is at fault: correct it, or report this to its author with the traceback above.",
        where=f'layer "{layer}"' if layer else None,
        details=PluginDetails(plugin, method, layer),
    )


def broken_contract(plugin: str, method: str, message: str, *, hint: str, layer: str = "") -> PluginInvalid:
    """The exception for a plugin that returned what its contract does not allow."""
    return PluginInvalid(
        f"{plugin}: {method} {message}",
        hint=hint,
        where=f'layer "{layer}"' if layer else None,
        details=PluginDetails(plugin, method, layer),
    )
