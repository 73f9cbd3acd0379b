"""Finds uses of what is deprecated in Python sources, without running them, and says which it can repair."""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from enginewright.errors import UsageError
from enginewright.tools.source_names import Names, Ref, find_object, function_of, member
from enginewright_compat.deprecation.controls import Use
from enginewright_compat.deprecation.registry import Deprecation

SKIPPED = {"__pycache__", "site-packages", "node_modules"}


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes of a source, encoded as UTF-8, to be replaced."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One use: where it is, of what, and the edit that repairs it, if one does."""

    path: str
    line: int
    column: int
    id: str
    message: str
    source: str
    edit: Edit | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything that was found, and what runs of the program reported; `skipped` are files that are no Python."""

    files: int
    findings: tuple[Finding, ...]
    uses: tuple[Use, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def found(self) -> bool:
        """Whether anything deprecated is used."""
        return bool(self.findings or self.uses)


@dataclass(frozen=True)
class Targets:
    """The entries of the registry by what they are looked up with."""

    names: dict[str, Deprecation] = field(default_factory=dict)
    parameters: dict[tuple[str, str], Deprecation] = field(default_factory=dict)
    values: dict[str, tuple[str, object, Deprecation]] = field(default_factory=dict)
    texts: dict[str, Deprecation] = field(default_factory=dict)
    variables: dict[str, Deprecation] = field(default_factory=dict)
    options: dict[tuple[str, ...], Deprecation] = field(default_factory=dict)
    hooks: dict[tuple[str, str], Deprecation] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    """One of these is in every source with a use: the last word of each target."""


def targets(entries: Sequence[Deprecation]) -> Targets:
    """Sort entries by the kind of look-up."""
    made = Targets()
    for entry in entries:
        kind, separator, rest = entry.target.partition(":")
        made.words.add(re.findall(r"\w+", rest.partition("#")[0] if kind != "hookarg" and rest else entry.target)[-1])
        if not separator or kind in ("enum", "attr", "module"):
            made.names[rest if separator else entry.target] = entry
        elif kind == "param":
            function, _, parameter = rest.partition("#")
            made.parameters[function, parameter] = entry
        elif kind == "value":
            function, parameter, value = re.split(r"[#=]", rest, maxsplit=2)
            made.values[function] = (parameter, ast.literal_eval(value), entry)
        elif kind == "plugin":
            made.texts[rest] = entry
        elif kind == "env":
            made.variables[rest] = entry
        elif kind == "cli":
            made.options[tuple(rest.split())] = entry
        elif kind in ("hook", "hookarg"):
            function, _, parameter = rest.partition("#")
            made.hooks[function, parameter] = entry
    return made


class Finder(Names):
    """Walks one source and collects the uses in it."""

    def __init__(self, path: str, text: str, known: Targets) -> None:
        roots = {name.partition(".")[0] for name in known.names} | {f.partition(".")[0] for f, _ in known.parameters}
        super().__init__(sorted(roots | {"enginewright"}))
        self.path, self.known = path, known
        self.data = text.encode()
        self.lines = re.split(rb"(?<=\n)|(?<=\r)(?!\n)", self.data)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.findings: list[Finding] = []
        self.tree = ast.parse(text)
        self.taken = set(_bound_names(self.tree))

    def run(self) -> list[Finding]:
        """Return the uses in the order of the source."""
        if any(word.encode() in self.data for word in self.known.words):
            self.walk(self.tree)
        return sorted(set(self.findings), key=lambda found: (found.line, found.column, found.id))

    def _add(self, entry: Deprecation, line: int, column: int, edit: Edit | None = None) -> None:
        source = self.lines[line - 1]
        shown = len(source[:column].decode()) + 1
        found = Finding(self.path, line, shown, entry.id, entry.label, source.decode().strip(), edit)
        self.findings.append(found)

    def _edit(self, entry: Deprecation, line: int, end: int, old: str) -> Edit | None:
        """Return the edit that puts the last part of the replacement where the old name ends."""
        new = entry.replacement.rpartition(".")[2]
        start, stop = self.starts[line - 1] + end - len(old.encode()), self.starts[line - 1] + end
        if entry.autofix == "none" or self.data[start:stop] != old.encode():
            return None
        return Edit(start, stop, new)

    # ---- names --------------------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        """Modules that have moved."""
        for alias in node.names:
            entry = self.known.names.get(alias.name)
            if entry is not None:
                end = alias.col_offset + len(alias.name.encode())
                last = alias.name.rpartition(".")[2]
                self._add(entry, alias.lineno, alias.col_offset, self._edit(entry, alias.lineno, end, last))
        super().visit_Import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Names that are leaving, and names from modules that have moved."""
        module = str(node.module)
        if not node.level and module in self.known.names:
            entry = self.known.names[module]
            head = re.match(rb"from\s+", self.lines[node.lineno - 1][node.col_offset :])
            end = node.col_offset + (head.end() if head else 0) + len(module.encode())
            self._add(entry, node.lineno, node.col_offset,
                      self._edit(entry, node.lineno, end, module.rpartition(".")[2]))  # fmt: skip
        for alias in node.names if not node.level else ():
            found = self.known.names.get(f"{module}.{alias.name}")
            if found is not None:
                end = alias.col_offset + len(alias.name.encode())
                edit = self._edit(found, alias.lineno, end, alias.name)
                free = alias.asname is not None or edit is None or self._is_free(edit.text)
                self._add(found, alias.lineno, alias.col_offset, edit if free else None)
        super().visit_ImportFrom(node)

    def _is_free(self, name: str) -> bool:
        """Whether a name that a repair would bring in means nothing else in this source."""
        return name not in self.taken

    def visit_Name(self, node: ast.Name) -> None:
        """A name imported from our module."""
        ref = self.scope.find(node.id) if isinstance(node.ctx, ast.Load) else None
        entry = self.known.names.get(ref.path) if ref is not None and not ref.renamed else None
        if entry is not None:
            edit = self._edit(entry, node.lineno, node.end_col_offset or 0, node.id)
            self._add(entry, node.lineno, node.col_offset, edit if edit and self._is_free(edit.text) else None)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """An attribute of a module or class, or of an object whose class is known."""
        base = self.ref(node.value)
        if base is not None:
            for path in member(base, node.attr)[0]:
                entry = self.known.names.get(path)
                if entry is not None and _fits(entry, node):
                    end_line, end = node.end_lineno or node.lineno, node.end_col_offset or 0
                    column = end - len(node.attr.encode())
                    self._add(entry, end_line, column, self._edit(entry, end_line, end, node.attr))
                    break
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """A member of an enumeration by its name; a variable of the environment."""
        ref, key = self.ref(node.value), node.slice
        if ref is not None and isinstance(key, ast.Constant) and isinstance(key.value, str):
            entry = self.known.names.get(f"{ref.path}.{key.value}")
            if entry is None and ref.path == "os.environ":
                entry = self.known.variables.get(key.value)
            if entry is not None:
                self._add(entry, key.lineno, key.col_offset)
        self.generic_visit(node)

    # ---- calls --------------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        """Keywords, values and defaults that are leaving, and texts that name something."""
        self._look_up(node)
        paths, value = self._callee(node)
        for path in paths:
            self._keywords(node, path)
            self._arguments(node, path, value)
        self._texts(node)
        self.generic_visit(node)

    def _look_up(self, node: ast.Call) -> None:
        """Find getattr(module, "name")."""
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
            base, key = self.ref(node.args[0]), node.args[1]
            if base is not None and isinstance(key, ast.Constant) and isinstance(key.value, str):
                for path in member(base, key.value)[0]:
                    if path in self.known.names:
                        self._add(self.known.names[path], key.lineno, key.col_offset)

    def _callee(self, node: ast.Call) -> tuple[list[str], object]:
        """Return the dotted names of what is called, and what it is; `functools.partial` calls its argument."""
        target = node.func
        ref = self.ref(target)
        if ref is not None and ref.path == "functools.partial" and node.args:
            target = node.args[0]
            ref = self.ref(target)
        if isinstance(target, ast.Attribute):
            base = self.ref(target.value)
            if base is not None and base.cls is not None:
                return member(base, target.attr)
        return ([ref.path], find_object(ref.path)) if ref is not None and self._is_ours(ref) else ([], None)

    def _is_ours(self, ref: Ref) -> bool:
        return ref.path.partition(".")[0] in self.roots

    def _keywords(self, node: ast.Call, path: str) -> None:
        for keyword in node.keywords:
            if keyword.arg is None and isinstance(keyword.value, ast.Dict):
                self._splat(keyword.value, path)
            entry = self.known.parameters.get((path, str(keyword.arg)))
            if entry is not None and entry.kind == "parameter" and not _is_still_there(entry, path):
                end = keyword.col_offset + len(str(keyword.arg).encode())
                edit = self._edit(entry, keyword.lineno, end, str(keyword.arg))
                both = edit is not None and any(other.arg == edit.text for other in node.keywords)
                self._add(entry, keyword.lineno, keyword.col_offset, None if both else edit)

    def _splat(self, node: ast.Dict, path: str) -> None:
        for key in node.keys:
            if isinstance(key, ast.Constant) and (path, key.value) in self.known.parameters:
                self._add(self.known.parameters[path, str(key.value)], key.lineno, key.col_offset)

    def _arguments(self, node: ast.Call, path: str, value: object) -> None:
        """Arguments by position that must be named, values that are leaving, and defaults that will change."""
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            return
        names = _positional_names(value)
        given = dict(zip(names, node.args, strict=False)) | {str(k.arg): k.value for k in node.keywords}
        splat = any(keyword.arg is None for keyword in node.keywords)
        for (function, parameter), entry in self.known.parameters.items():
            if function != path:
                continue
            if entry.kind == "default" and parameter not in given and not splat:
                self._add(entry, node.lineno, node.col_offset)
            elif entry.kind == "parameter" and _is_still_there(entry, path) and len(node.args) > len(names):
                extra = node.args[len(names)]
                self._add(entry, extra.lineno, extra.col_offset)
        if path in self.known.values:
            parameter, leaving, entry = self.known.values[path]
            argument = given.get(parameter)
            if isinstance(argument, ast.Constant) and argument.value == leaving:
                self._add(entry, argument.lineno, argument.col_offset)

    def _texts(self, node: ast.Call) -> None:
        """Texts that are operator keys, variables of the environment, or commands with their options."""
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        ref = self.ref(node.func)
        environment = attribute in ("setenv", "delenv", "getenv") or (
            ref is not None and ref.path.startswith(("os.environ.", "os.getenv"))
        )
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                entry = self.known.texts.get(argument.value)
                if entry is None and environment:
                    entry = self.known.variables.get(argument.value)
                if entry is not None:
                    self._add(entry, argument.lineno, argument.col_offset)
                self._command(argument.value.split(), argument)
            elif isinstance(argument, ast.List | ast.Tuple):
                words = [part.value if isinstance(part, ast.Constant) else None for part in argument.elts]
                self._command(words, argument)

    def _command(self, words: Sequence[object], node: ast.expr) -> None:
        if "enginewright" not in words:
            return
        rest = words[words.index("enginewright") + 1 :]
        for (*command, option), entry in self.known.options.items():
            if rest[: len(command)] == command and option in rest:
                self._add(entry, node.lineno, node.col_offset)

    # ---- hooks --------------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Implementations of hooks that are leaving, or that take an argument that is."""
        if any("hookimpl" in ast.unparse(decorator) for decorator in node.decorator_list):
            arguments = [argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]]
            for (hook, argument), entry in self.known.hooks.items():
                if node.name == hook and (not argument or argument in arguments):
                    self._add(entry, node.lineno, node.col_offset)
        super().visit_FunctionDef(node)


def _fits(entry: Deprecation, node: ast.Attribute) -> bool:
    """Whether a property's entry is about this access: its getter or, where that stays, its setter alone."""
    if entry.kind != "property":
        return True
    found = find_object(entry.target)
    getter = getattr(getattr(found, "fget", None), "__deprecated__", None)
    return getter is not None or isinstance(node.ctx, ast.Store) or not isinstance(found, property)


def _positional_names(value: object) -> list[str]:
    """Return the names of the parameters that may be given by position, `self` left out."""
    function = getattr(value, "__init__", None) if isinstance(value, type) else function_of(value)
    try:
        parameters = list(inspect.signature(inspect.unwrap(function)).parameters.values())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    is_method = isinstance(value, type) or "." in getattr(function, "__qualname__", "").rpartition("<locals>.")[2]
    kept = parameters[1:] if is_method and not isinstance(value, staticmethod) else parameters
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in kept if parameter.kind in kinds]


def _is_still_there(entry: Deprecation, path: str) -> bool:
    """Whether a parameter stays and only may no longer be given by position."""
    function = function_of(find_object(path))
    parameter = entry.target.rpartition("#")[2]
    return function is not None and parameter in inspect.signature(function).parameters and entry.replacement == "none"


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Yield every name that a source defines: variables, parameters, functions, classes, imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


# ---- files ----------------------------------------------------------------------------------------------------------


def read_source(path: Path) -> tuple[str, str]:
    """Return a source with its line ends as they are, and its encoding."""
    data = path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding), encoding


def source_files(paths: Sequence[str]) -> Iterator[Path]:
    """Yield the Python files given, and those below the folders given; `UsageError` for a path that is not there."""
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found = (p for p in path.rglob("*.py") if not _is_skipped(p.relative_to(path)))
            yield from sorted(found)
        elif path.is_file():
            yield path
        else:
            raise UsageError("there is no such file or folder", hint="Give Python files or folders.", where=text)


def _is_skipped(path: Path) -> bool:
    return any(part in SKIPPED or part.startswith(".") for part in path.parts)


def scan(paths: Sequence[str], entries: Sequence[Deprecation], use: Sequence[str] = ()) -> Scan:
    """Find uses of the entries in files and folders, and merge what runs of the program reported."""
    known, findings, skipped, count = targets(entries), [], [], 0
    for path in source_files(paths):
        try:
            text, _ = read_source(path)
            findings += Finder(str(path), text, known).run()
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            skipped.append((str(path), str(error)))
        else:
            count += 1
    return Scan(count, tuple(findings), _runtime_uses(use, entries), tuple(skipped))


def _runtime_uses(files: Sequence[str], entries: Sequence[Deprecation]) -> tuple[Use, ...]:
    wanted = {entry.id for entry in entries}
    found: dict[str, Use] = {}
    for file in files:
        try:
            rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
            uses = [Use(str(row["id"]), int(row["count"]), str(row["place"])) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"cannot be read as a report of uses: {error}",
                hint="Write it with ENGINEWRIGHT_DEPRECATIONS=json:FILE.",
                where=file,
            ) from error
        for each in uses:
            known = found.get(each.id, Use(each.id, 0, each.place))
            found[each.id] = Use(each.id, known.count + each.count, known.place)
    return tuple(found[identity] for identity in sorted(found.keys() & wanted))
