"""Finds installed plugins by the entry points of their distributions; nothing of them is imported before it is needed.

A plugin module is imported when a key of its namespace is asked for, an extension module at the start of a build. One
that can't be imported is quarantined: its traceback is kept, and everything else goes on.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from enginewright_compat.plugins import EXTENSIONS, PLUGINS, allowed_namespaces

NAMESPACE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_log = logging.getLogger("enginewright.plugins")


@dataclass(frozen=True, slots=True)
class Source:
    """One entry point: the module that it names, and the distribution that declares it."""

    group: str
    namespace: str
    module: str
    distribution: str
    version: str
    place: str = ""

    @property
    def owner(self) -> str:
        """The distribution with its version, as messages name it."""
        return f"{self.distribution} {self.version}"


class Discovery:
    """The installed plugins of this process: what there is, what was imported, and what is broken."""

    def __init__(self, on_load: Callable[[Source, ModuleType], None], on_failure: Callable[[Source], None]) -> None:
        """`on_load` is called once for each module imported, `on_failure` to forget what a broken one declared."""
        self._on_load, self._on_failure = on_load, on_failure
        self._lock = threading.RLock()
        self._known: tuple[tuple[str, ...], tuple[Source, ...]] = ((), ())
        self._started: set[Source] = set()
        self.loaded: dict[Source, ModuleType] = {}
        self.broken: dict[Source, str] = {}

    def every_source(self) -> tuple[Source, ...]:
        """All entry points of both groups, whatever ENGINEWRIGHT_PLUGINS says; read again where sys.path changed."""
        path = tuple(sys.path)
        if self._known[0] != path:
            found = {_source(point) for group in (PLUGINS, EXTENSIONS) for point in entry_points(group=group)}
            self._known = path, tuple(sorted(found, key=lambda s: (s.group, s.namespace, s.distribution, s.module)))
        return self._known[1]

    def sources(self, group: str = PLUGINS) -> tuple[Source, ...]:
        """The entry points of a group that may be used."""
        allowed = allowed_namespaces()
        found = (source for source in self.every_source() if source.group == group)
        return tuple(source for source in found if allowed is None or source.namespace in allowed)

    def refresh(self) -> None:
        """Look again for what is installed, and try broken modules again."""
        importlib.invalidate_caches()
        with self._lock:
            self._known = ((), ())
            self._started -= set(self.broken)
            self.broken.clear()

    def load(self, namespace: str) -> None:
        """Import every module that declares this namespace, unless that was tried before."""
        self._load_all(source for source in self.sources() if source.namespace == namespace)

    def load_extensions(self) -> None:
        """Import every extension module."""
        self._load_all(self.sources(EXTENSIONS))

    def load_everything(self) -> None:
        """Import every module of both groups, to list what is there."""
        self._load_all((*self.sources(), *self.sources(EXTENSIONS)))

    def _load_all(self, sources: Iterable[Source]) -> None:
        for source in sources:
            if source not in self._started:
                with self._lock:
                    if source not in self._started:
                        self._started.add(source)
                        self._load(source)

    def _load(self, source: Source) -> None:
        try:
            if not NAMESPACE.fullmatch(source.namespace):
                raise ValueError(f"the entry point {source.namespace!r} is no namespace: lower-case words joined by .")
            module = importlib.import_module(source.module)
            self._on_load(source, module)
        except KeyboardInterrupt:
            self._started.discard(source)
            raise
        except BaseException:  # noqa: BLE001 - whatever one plugin does, the others go on
            self.broken[source] = traceback.format_exc()
            self._on_failure(source)
            _log.warning("plugin %s of %s is not used: %s", source.module, source.owner, reason_of(self.broken[source]))
        else:
            self.loaded[source] = module
            _log.debug("imported %s of %s", source.module, source.owner)

    def owner_of(self, module: str) -> Source | None:
        """The entry point whose distribution a module belongs to: the one with the longest name in common."""
        best, length = None, 0
        for source in self.every_source():
            common = _common_parts(source.module, module)
            if common > length:
                best, length = source, common
        return best


def _source(point: EntryPoint) -> Source:
    dist = point.dist
    place = "" if dist is None else str(dist.locate_file(""))
    module = point.value.partition(":")[0].strip()
    return Source(point.group, point.name, module, dist.name if dist else "", dist.version if dist else "", place)


def _common_parts(a: str, b: str) -> int:
    count = 0
    for one, other in zip(a.split("."), b.split("."), strict=False):
        if one != other:
            break
        count += 1
    return count


def reason_of(failure: str) -> str:
    """Of a traceback, the line that says what was raised: the last one that is not indented."""
    return [line for line in failure.strip().splitlines() if not line.startswith(" ")][-1]
