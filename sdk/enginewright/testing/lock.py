"""plugin.lock.json: the fields of each published version, so that nobody changes them without a new version."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from enginewright.errors import UsageError
from enginewright.registry.state import schema_hash
from enginewright.testing.injection import operator_class

NAME = "plugin.lock.json"
Lock = Mapping[str, Mapping[str, str]]


def read_lock(path: Path) -> dict[str, Any]:
    """What a lock file says, by key: `schema`, a digest, and `fields`, for people; empty where there is no file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read: {error}", hint="Restore it from version control.") from None
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise UsageError(f"{path} is no lock file of plugins", hint="Restore it from version control.")
    return found


def compare(cls: type[Any], known: Lock) -> Iterator[str]:
    """Yield in which way the fields differ from those of the same version in the lock file."""
    was, now = known[str(cls.KEY)], entry_of(cls)
    if was.get("schema") != now["schema"]:
        yield f"{cls.KEY} had the fields ({was.get('fields', '?')}), and has ({now['fields']})"


def entry_of(cls: type[Any]) -> dict[str, str]:
    """What the lock file says of an operator; defaults are not part of it, because plans hold every value."""
    listed = ", ".join(f"{name}: {kind}" for name, kind in cls.FIELDS.items())
    return {"fields": listed, "schema": schema_hash(cls.FIELDS)}


def write_lock(key: str | type[Any], path: str | Path = NAME) -> bool:
    """Add a version to the lock file; False if the file knows the version, whose entry stays as it is."""
    cls = key if isinstance(key, type) else operator_class(key)
    known = read_lock(Path(path))
    if str(cls.KEY) in known:
        return False
    known[str(cls.KEY)] = entry_of(cls)
    Path(path).write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n", encoding="utf-8")
    return True
