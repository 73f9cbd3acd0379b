"""Which plugins a plan needs, and whether they are installed: judged from metadata, nothing of them is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from enginewright_compat.passport import Passport, PluginUse
from enginewright_compat.reason import Reason

PLUGINS, EXTENSIONS = "enginewright.plugins", "enginewright.extensions"
VARIABLE = "ENGINEWRIGHT_PLUGINS"
OWN = "ew"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed distribution that declares a plugin namespace."""

    distribution: str
    version: str

    def gives(self, use: PluginUse) -> bool:
        """Whether it is what a plan was built with: the same distribution in the same version."""
        return self.version == use.version and _canonical(self.distribution) == _canonical(use.distribution)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


InstalledPlugins = Mapping[str, tuple[Installed, ...]]
"""What declares each namespace; several distributions may share one."""


def installed_plugins() -> InstalledPlugins:
    """Return what declares each plugin namespace, from the metadata of installed distributions alone."""
    from importlib.metadata import entry_points  # 15 ms, and most artifacts have no plugins

    found: dict[str, set[Installed]] = {}
    allowed = allowed_namespaces()
    for group in (PLUGINS, EXTENSIONS):
        for entry in entry_points(group=group):
            if entry.dist is not None and (allowed is None or entry.name in allowed):
                found.setdefault(entry.name, set()).add(Installed(entry.dist.name, entry.dist.version))
    return {name: tuple(sorted(each, key=str)) for name, each in found.items()}


def allowed_namespaces() -> frozenset[str] | None:
    """Return the namespaces that ENGINEWRIGHT_PLUGINS allows; None: all."""
    value = os.environ.get(VARIABLE)
    if value is None or not value.strip():
        return None
    return frozenset(name.strip() for name in value.split(",")) - {"none"}


def judge_plugins(passport: Passport, plugins: InstalledPlugins) -> Iterator[Reason]:
    """Check 12: yield each needed plugin that no installed distribution declares, or one in another version."""
    for use in passport.plugins:
        found = declaring(use, plugins)
        if not use.needed or any(one.gives(use) for one in found):
            continue
        given = " and ".join(map(str, found)) or "not installed"
        yield Reason("EW-G001", use.key, given, wanted(use), remedy(use))


def declaring(use: PluginUse, plugins: InstalledPlugins) -> tuple[Installed, ...]:
    """Return the distributions that declare a plugin's namespace; for a tactic of a built-in operator all there are."""
    namespace = use.key.partition("::")[0]
    if namespace != OWN:
        return plugins.get(namespace, ())
    return tuple(sorted({one for found in plugins.values() for one in found}, key=str))


def wanted(use: PluginUse) -> str:
    """Return what a plan was built with, in words."""
    if not use.distribution:
        return "a module of no distribution, which the program that built the plan had imported"
    return f"{use.distribution} {use.version}"


def remedy(use: PluginUse) -> str:
    """Return what to do about a missing plugin: a pip command, if name and version are well-formed text."""
    if not use.distribution:
        return "import the module that declares it before loading the plan"
    command = pip_command(use.distribution, use.version)
    return f"{command} (the plan says so, not verified)" if command else "ask whoever built the plan for the plugin"


def pip_command(distribution: str, version: str) -> str | None:
    """Return the command that installs a distribution; None unless the name is PEP 508 and the version PEP 440 text."""
    from packaging.version import InvalidVersion, Version  # 10 ms, and only for what is missing

    try:
        Version(version)
    except InvalidVersion:
        return None
    if not _NAME.fullmatch(distribution) or not re.fullmatch(r"[A-Za-z0-9.!+_-]{1,100}", version):
        return None
    return f'pip install "{distribution}=={version}"'


def _canonical(distribution: str) -> str:
    """Return a distribution's name in the one spelling that PEP 503 gives it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
