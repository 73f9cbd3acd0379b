"""Which of a user's plans, caches and plugins every known release accepts, and what changes when."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from enginewright_compat.deprecation.registry import Deprecation, known_deprecations, numbers
from enginewright_compat.layout import MAGIC, Kind
from enginewright_compat.library import library_abi
from enginewright_compat.passport import Facts, read_facts
from enginewright_compat.plugins import Installed, InstalledPlugins, judge_plugins
from enginewright_compat.reason import Refused
from enginewright_compat.releases import TABLE, Release, read_table
from enginewright_compat.rules import judge_version, lasting_reasons
from enginewright_compat.version import Version

OK, SUBOPTIMAL, INCOMPATIBLE, UNKNOWN = "OK", "SUBOPTIMAL", "INCOMPATIBLE", "unknown"


@dataclass(frozen=True, slots=True)
class Column:
    """A release, or the next major, which is not made yet and has no date."""

    name: str
    release: Release
    date: datetime.date | None


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether a release accepts a file or plugin, and what decides that."""

    answer: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A file or plugin, what it is, the release that it comes from, and a cell for each column."""

    name: str
    what: str
    version: str
    cells: tuple[Cell, ...]
    deprecations: tuple[str, ...] = ()

    @property
    def loads_nowhere(self) -> bool:
        """Whether no release is known to accept it."""
        return bool(self.cells) and all(cell.answer == INCOMPATIBLE for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Coming:
    """A day before which something stays as it is: the id, what leaves, and in which release."""

    not_before: datetime.date | None
    removal_in: str
    id: str
    what: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """The whole answer."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    coming: tuple[Coming, ...]


def columns(table: Mapping[str, Release], registry: Iterable[Deprecation]) -> tuple[Column, ...]:
    """Return the releases by version, and the next major: the nearest that the registry names, else one higher."""
    by_version = sorted(table.items(), key=lambda item: numbers(item[0]))
    found = [Column(name, release, release.date) for name, release in by_version]
    if not found:
        return ()
    last = found[-1].release
    named = [entry.removal_major for entry in registry if entry.removal_major > last.version.major]
    major = min(named, default=last.version.major + 1)
    version = Version(major, 0, 0, last.version.build + 1)
    following = Release(version, last.date, last.abi, last.format, last.recipe_schema)
    return (*found, Column(f"{major}.0.0 (next)", following, None))


def make_matrix(
    paths: Sequence[str],
    plugins: InstalledPlugins,
    requirements: Mapping[str, str | None],
    table: Mapping[str, Release] | None = None,
) -> Matrix:
    """Judge files (folders are searched) and installed plugins against every known release; raise Refused.

    `requirements` says for each distribution of a plugin which versions of Enginewright it asks for, if any.
    """
    registry = known_deprecations()
    heads = columns(read_table(TABLE) if table is None else table, registry.values())
    rows = [row for path in paths for row in _rows(Path(path), heads, plugins, registry)]
    rows += [_plugin_row(found, requirements.get(found.distribution), heads) for found in _distributions(plugins)]
    return Matrix(heads, tuple(rows), tuple(_coming(rows, registry.values())))


def _distributions(plugins: InstalledPlugins) -> list[Installed]:
    return sorted({found for each in plugins.values() for found in each}, key=str)


# ---- files ----------------------------------------------------------------------------------------------------------


def _rows(
    path: Path, heads: Sequence[Column], plugins: InstalledPlugins, registry: Mapping[str, Deprecation]
) -> Iterator[Row]:
    """Yield a row for a file, or for each artifact and plugin library in a folder."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and (_has_magic(file) or library_abi(file) is not None):
                yield from _rows(file, heads, plugins, registry)
        return
    abi = library_abi(path)
    if abi is not None:
        yield Row(str(path), "plugin library", f"ABI {abi[0]}.{abi[1]}", tuple(_abi_cell(abi, head) for head in heads))
        return
    try:
        facts = read_facts(path)
    except Refused as refusal:
        if refusal.reason.code == "EW-P001":
            raise
        yield Row(str(path), refusal.kind, "", tuple(Cell(UNKNOWN, refusal.reason.field) for _ in heads))
        return
    used = facts.passport.deprecations if facts.passport is not None else ()
    cells = tuple(_file_cell(facts, head, plugins, registry) for head in heads)
    yield Row(str(path), facts.kind, str(facts.version), cells, used)


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _file_cell(facts: Facts, head: Column, plugins: InstalledPlugins, registry: Mapping[str, Deprecation]) -> Cell:
    """Return what a release says to a file, whatever the machine."""
    if facts.prefix_kind not in frozenset(Kind):
        return Cell(UNKNOWN, "kind")
    kind = Kind(facts.prefix_kind)
    runtime = "safety" if kind is Kind.SAFE_PLAN else "standard"  # what a safe plan is made for
    broken = judge_version(kind, facts.version, head.release.version, runtime)
    if broken is not None:
        return Cell(INCOMPATIBLE, broken.field)
    if facts.passport is None:
        return Cell(UNKNOWN, facts.unreadable.field if facts.unreadable else "passport")
    for identity in facts.passport.deprecations:
        entry = registry.get(identity)
        if entry is not None and head.release.version.major >= entry.removal_major:
            return Cell(INCOMPATIBLE, identity)
    for reason in judge_plugins(facts.passport, plugins):
        return Cell(INCOMPATIBLE, reason.field)
    for reason in lasting_reasons(facts.passport):
        return Cell(SUBOPTIMAL, reason.field)
    return Cell(OK)


def _abi_cell(abi: tuple[int, int], head: Column) -> Cell:
    """The loader's rule: the same major, and a minor that the host has."""
    fits = abi[0] == head.release.abi[0] and abi[1] <= head.release.abi[1]
    return Cell(OK) if fits else Cell(INCOMPATIBLE, f"abi {head.release.abi[0]}.{head.release.abi[1]}")


# ---- plugins, dates -------------------------------------------------------------------------------------------------


def _plugin_row(found: Installed, requirement: str | None, heads: Sequence[Column]) -> Row:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(requirement) if requirement is not None else None
    except InvalidSpecifier:
        wanted = None
    cells = []
    for head in heads:
        if wanted is None:
            cells.append(Cell(UNKNOWN, "no requirement"))
        else:
            accepted = wanted.contains(head.release.version.public, prereleases=True)
            cells.append(Cell(OK) if accepted else Cell(INCOMPATIBLE, f"needs {requirement}"))
    return Row(found.distribution, "plugin", found.version, tuple(cells))


def _coming(rows: Sequence[Row], registry: Iterable[Deprecation]) -> Iterator[Coming]:
    """Yield what the registry removes, by day, with the rows that use it."""
    leaving = [entry for entry in registry if entry.stage in ("warn", "loud")]
    for entry in sorted(leaving, key=lambda entry: (entry.not_before or datetime.date.max, entry.id)):
        users = tuple(row.name for row in rows if entry.id in row.deprecations)
        yield Coming(entry.not_before, entry.removal_in, entry.id, entry.name, users)


def requirements_of(plugins: InstalledPlugins) -> dict[str, str | None]:
    """Return for each distribution of a plugin which versions of Enginewright it asks for, None if it does not say."""
    from importlib.metadata import requires

    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, str | None] = {}
    for distribution in (each.distribution for each in _distributions(plugins)):
        found[distribution] = None
        for text in requires(distribution) or ():
            try:
                wanted = Requirement(text)
            except InvalidRequirement:
                continue
            if wanted.name == "enginewright" and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                found[distribution] = str(wanted.specifier)
    return found
