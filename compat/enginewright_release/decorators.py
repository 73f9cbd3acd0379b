"""Whether the marks in the sources and the registry of deprecations say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from enginewright_compat.deprecation.registry import Deprecation, numbers

IDENTITY = re.compile(r"EW-D\d{4}\b")
MARKS = {
    "deprecated", "deprecated_param", "deprecated_positional", "changed_default", "renamed_key", "hook_warning",
    "warn_deprecated", "moved_module", "deprecated_option",
}  # fmt: skip


def marks(source: str) -> Iterator[tuple[str, str]]:
    """Yield (name of the mark, text) of every deprecation that a Python source marks."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            texts = [node.args[0]] if name in MARKS and node.args else []
            texts += [k.value for k in node.keywords if k.arg == "deprecated"]
            if name == "deprecated_attributes" and len(node.args) > 1 and isinstance(node.args[1], ast.Dict):
                texts += [value.elts[0] for value in node.args[1].values if isinstance(value, ast.Tuple)]
            for text in texts:
                if isinstance(text, ast.Constant) and IDENTITY.match(str(text.value)):
                    yield name, str(text.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any("__deprecated_members__" in ast.unparse(target) for target in targets):
                yield from _members(node.value)


def _members(value: ast.expr | None) -> Iterator[tuple[str, str]]:
    for text in value.values if isinstance(value, ast.Dict) else ():
        if isinstance(text, ast.Constant):
            yield "enum", str(text.value)


def mark_problems(sources: Mapping[str, str], entries: Mapping[str, Deprecation], version: str) -> list[str]:
    """Gate 4: each mark has an entry and its text; each entry that is not removed has a mark."""
    found, marked = [], set()
    for path, source in sources.items():
        texts = marks(source) if path.endswith((".py", ".pyi")) else _macros(source)
        for name, text in texts:
            identity = text.partition(":")[0]
            marked.add(identity)
            entry = entries.get(identity)
            if entry is None:
                found.append(f"{path}: {identity} is not in the registry")
            elif text not in (entry.label, identity) or (name == "deprecated" and text != entry.label):
                found.append(f"{path}: the text is {text!r}, in the registry {entry.label!r}")
    for entry in entries.values():
        is_expired = entry.stage == "removed" and numbers(version)[0] > entry.removal_major
        if entry.id not in marked and not is_expired:
            found.append(f"{entry.id} ({entry.target}) is marked nowhere in the sources")
    return found


def _macros(source: str) -> Iterator[tuple[str, str]]:
    for number in re.findall(r"EW_(?:DEPRECATED|DEPRECATED_ENUM|HIDDEN)_(D\d{4})", source):
        yield "c", f"EW-{number}"


def walk_problems(objects: Mapping[str, Any], entries: Mapping[str, Deprecation]) -> list[str]:
    """Gate 4, seen from the imported packages: an object with a mark is the target of that entry."""
    found = []
    for path, value in objects.items():
        text = getattr(getattr(value, "fget", value), "__deprecated__", None)
        text = text if text is not None else getattr(getattr(value, "__func__", None), "__deprecated__", None)
        if text is None:
            continue
        entry = entries.get(str(text).partition(":")[0])
        if entry is None or entry.target != path:
            found.append(f"{path} is marked {text!r}, the registry has {entry.target if entry else 'nothing'}")
    return found
