"""What the names in a Python source stand for: modules, public names, and objects of public classes."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Ref:
    """What an expression stands for: a dotted name, or an object of a class; `renamed`: by a name of the user's own."""

    path: str = ""
    cls: type | None = None
    renamed: bool = False


@cache
def find_object(path: str) -> Any:
    """Return what a dotted public name stands for, None if nothing; only modules of our own packages are imported."""
    root, *rest = path.split(".")
    if any(name.startswith("_") for name in rest):
        return None
    try:
        found: Any = importlib.import_module(root)
    except ImportError:
        return None
    for name in rest:
        if isinstance(found, types.ModuleType):
            if name not in vars(found) and name not in getattr(found, "_HOME", ()):
                return None  # a name that is served with a warning, or none
            found = getattr(found, name)
        else:
            found = inspect.getattr_static(found, name, None)
    return found


def class_paths(cls: type) -> Iterator[str]:
    """Yield the public dotted names of a class and its bases."""
    for base in cls.__mro__[:-1]:
        yield f"{base.__module__.partition('.')[0]}.{base.__qualname__}"


def function_of(value: Any) -> Any:
    """Return the function behind a property, method or decorator."""
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return inspect.unwrap(value) if callable(value) else None


def member(ref: Ref, name: str) -> tuple[list[str], Any]:
    """Return the dotted names under which an attribute is known, most derived first, and what it is in its class."""
    if ref.cls is not None:
        return [f"{path}.{name}" for path in class_paths(ref.cls)], inspect.getattr_static(ref.cls, name, None)
    return [f"{ref.path}.{name}"], find_object(f"{ref.path}.{name}")


def result_of(value: Any, owner: type | None, root: str) -> Ref | None:
    """Return what a call of `value` gives, as far as its annotation tells."""
    if isinstance(value, type):
        return Ref(cls=value)
    function = function_of(value)
    annotation = getattr(function, "__annotations__", {}).get("return")
    if isinstance(annotation, type):
        return Ref(cls=annotation)
    text = str(annotation or "").strip("'\"").removesuffix(" | None")
    if text == "Self":
        return Ref(cls=owner) if owner is not None else None
    found = find_object(f"{root}.{text}") if text.isidentifier() else None
    return Ref(cls=found) if isinstance(found, type) else None


@dataclass
class Scope:
    """Names of a module, class or function; `unsure` are those bound to different things in turn."""

    names: dict[str, Ref | None] = field(default_factory=dict)
    parent: Scope | None = None
    unsure: set[str] = field(default_factory=set)
    is_class: bool = False

    def bind(self, name: str, ref: Ref | None) -> None:
        """Let a name stand for something; None: for something unknown."""
        if name in self.names and self.names[name] != ref:
            self.unsure.add(name)
        self.names[name] = ref

    def find(self, name: str) -> Ref | None:
        """Return what a name stands for."""
        if name in self.names:
            return self.names[name]
        scope = self.parent
        while scope is not None:
            if name in scope.names and not scope.is_class:
                return None if name in scope.unsure else scope.names[name]
            scope = scope.parent
        return None


class Names(ast.NodeVisitor):
    """Walks a module and keeps what its names stand for; subclasses look at each node with that knowledge.

    Function bodies come after the statements around them, since they run later. Where branches disagree, a name is
    unknown: what is not known for sure is not reported.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(roots)
        self.scope = Scope()
        self.members: dict[str, Ref | None] = {}
        self._later: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, Scope, dict[str, Ref | None]]] = []

    def walk(self, tree: ast.Module) -> None:
        """Visit the module, then the functions in it, and those in them."""
        self.visit(tree)
        while self._later:
            function, scope, members = self._later.pop(0)
            self._visit_body(function, scope, members)

    # ---- what expressions are -----------------------------------------------------------------------------------

    def ref(self, node: ast.expr | None) -> Ref | None:
        """Return what an expression stands for, None if unknown."""
        if isinstance(node, ast.Name):
            return self.scope.find(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.NamedExpr | ast.Await):
            return self.ref(node.value)
        return None

    def _attribute(self, node: ast.Attribute) -> Ref | None:
        base = self.ref(node.value)
        if base is None:
            return self.members.get(node.attr) if self._is_self(node.value) else None
        if base.cls is not None:
            _, value = member(base, node.attr)
            is_data = isinstance(value, property | types.MemberDescriptorType) or value is None
            return self._data(base.cls, node.attr, value) if is_data else None
        return Ref(f"{base.path}.{node.attr}")

    def _data(self, cls: type, name: str, value: Any) -> Ref | None:
        root = cls.__module__.partition(".")[0]
        if isinstance(value, property):
            return result_of(value, cls, root)
        for base in cls.__mro__:
            text = str(inspect.get_annotations(base).get(name, "")).removesuffix(" | None")
            found = find_object(f"{root}.{text}") if text.isidentifier() else None
            if isinstance(found, type):
                return Ref(cls=found)
        return None

    def _call(self, node: ast.Call) -> Ref | None:
        target = node.func
        if isinstance(target, ast.Attribute):
            base = self.ref(target.value)
            if base is not None and base.cls is not None:
                value = member(base, target.attr)[1]
                return result_of(value, base.cls, base.cls.__module__.partition(".")[0])
        ref = self.ref(target)
        if ref is None or not ref.path or ref.path.partition(".")[0] not in self.roots:
            return None
        return result_of(find_object(ref.path), None, ref.path.partition(".")[0])

    def _is_self(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == "self" and "self" in self.scope.names

    def annotated(self, node: ast.expr | None) -> Ref | None:
        """Return the object that an annotation promises."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                return None
        if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and node.right.value is None:
            node = node.left
        ref = self.ref(node)
        found = find_object(ref.path) if ref is not None and ref.path.partition(".")[0] in self.roots else None
        return Ref(cls=found) if isinstance(found, type) else None

    # ---- statements that bind names -----------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        """Bind modules."""
        for alias in node.names:
            if alias.asname:
                self.scope.bind(alias.asname, Ref(alias.name, renamed=True))
            else:
                root = alias.name.partition(".")[0]
                self.scope.bind(root, Ref(root))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Bind names of a module."""
        for alias in node.names:
            if alias.name == "*":
                self._bind_all(str(node.module))
            elif node.level:
                self.scope.bind(alias.asname or alias.name, None)
            else:
                renamed = alias.asname is not None and alias.asname != alias.name
                self.scope.bind(alias.asname or alias.name, Ref(f"{node.module}.{alias.name}", renamed=renamed))

    def _bind_all(self, module: str) -> None:
        found = find_object(module) if module.partition(".")[0] in self.roots else None
        for name in getattr(found, "__all__", ()):
            self.scope.bind(name, Ref(f"{module}.{name}"))

    def visit_Assign(self, node: ast.Assign) -> None:
        """Bind the targets to what the value stands for."""
        self.generic_visit(node)
        ref = self.ref(node.value)
        for target in node.targets:
            self._bind(target, ref)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Bind the target to what the annotation promises."""
        self.generic_visit(node)
        self._bind(node.target, self.annotated(node.annotation) or self.ref(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """What it is afterwards is unknown."""
        self.generic_visit(node)
        self._bind(node.target, None)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Bind the name in an expression."""
        self.generic_visit(node)
        self._bind(node.target, self.ref(node.value))

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        """Bind the names of context managers, which give themselves."""
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, self._entered(item.context_expr))
        for statement in node.body:
            self.visit(statement)

    visit_AsyncWith = visit_With  # noqa: N815 - names of ast.NodeVisitor

    def _entered(self, node: ast.expr) -> Ref | None:
        ref = self.ref(node)
        if ref is None or ref.cls is None:
            return None
        enter = inspect.getattr_static(ref.cls, "__enter__", None)
        return result_of(enter, ref.cls, ref.cls.__module__.partition(".")[0])

    def _bind(self, target: ast.expr, ref: Ref | None) -> None:
        if isinstance(target, ast.Name):
            self.scope.bind(target.id, Ref(ref.path, ref.cls, renamed=True) if ref else None)
        elif isinstance(target, ast.Attribute) and self._is_self(target.value):
            known = self.members.get(target.attr, ref)
            self.members[target.attr] = ref if known == ref else None
        elif isinstance(target, ast.Tuple | ast.List | ast.Starred):
            for inner in ast.walk(target):
                if isinstance(inner, ast.Name):
                    self.scope.bind(inner.id, None)

    # ---- branches -----------------------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        """Both branches start alike; where they end differently, nothing is known."""
        self.visit(node.test)
        self._branches([node.body, node.orelse])

    def visit_Try(self, node: ast.Try) -> None:
        """Each handler is a branch."""
        self._branches([[*node.body, *node.orelse], *(handler.body for handler in node.handlers)], node.handlers)
        for statement in node.finalbody:
            self.visit(statement)

    def _branches(self, bodies: Sequence[Sequence[ast.stmt]], handlers: Sequence[ast.ExceptHandler] = ()) -> None:
        before = dict(self.scope.names)
        for handler in handlers:
            if handler.type is not None:
                self.visit(handler.type)
        ends = []
        for body in bodies:
            self.scope.names = dict(before)
            for statement in body:
                self.visit(statement)
            ends.append(self.scope.names)
        merged: dict[str, Ref | None] = {}
        for name in {name for end in ends for name in end}:
            found = {end[name] for end in ends if name in end}
            merged[name] = found.pop() if len(found) == 1 else None
            if merged[name] is None:
                self.scope.unsure.add(name)
        self.scope.names = merged

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        """The loop variable is unknown."""
        self.visit(node.iter)
        self._forget(node.target)
        for statement in [*node.body, *node.orelse]:
            self.visit(statement)

    visit_AsyncFor = visit_For  # noqa: N815 - names of ast.NodeVisitor

    def _forget(self, target: ast.expr) -> None:
        for inner in ast.walk(target):
            if isinstance(inner, ast.Name):
                self.scope.bind(inner.id, None)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        outer, self.scope = self.scope, Scope(parent=self.scope)
        for part in node.generators:
            self.visit(part.iter)
            self._forget(part.target)
            for condition in part.ifs:
                self.visit(condition)
        for part_ in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part_)
        self.scope = outer

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension  # noqa: N815 - as above

    # ---- functions and classes ----------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Bind the name; the body comes later."""
        for expression in [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(expression)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation is not None:
                self.visit(argument.annotation)
        if node.returns is not None:
            self.visit(node.returns)
        self.scope.bind(node.name, None)
        self._later.append((node, self.scope, self.members))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - names of ast.NodeVisitor

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """The body comes later."""
        self._later.append((node, self.scope, self.members))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class has a scope and members of its own; `__init__` is read first."""
        for expression in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
            self.visit(expression)
        self.scope.bind(node.name, None)
        outer, members = self.scope, self.members
        self.scope, self.members = Scope(parent=outer, is_class=True), {}
        for statement in node.body:
            self.visit(statement)
        mine = [entry for entry in self._later if entry[2] is self.members]
        first = [entry for entry in mine if getattr(entry[0], "name", "") == "__init__"]
        self._later = [entry for entry in self._later if entry[2] is not self.members]
        self._later += first + [entry for entry in mine if entry not in first]
        self.scope, self.members = outer, members

    def _visit_body(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        scope: Scope,
        members: Mapping[str, Ref | None],
    ) -> None:
        self.scope, self.members = Scope(parent=scope), members  # type: ignore[assignment]
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                self.scope.bind(argument.arg, self.annotated(argument.annotation))
        for statement in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self.visit(statement)
