"""Writes the table of operators: what each one computes, its method, and the ONNX operators that lead to it."""

from __future__ import annotations

import inspect
from collections import defaultdict
from pathlib import Path
from sys import modules

from sphinx.application import Sphinx

import enginewright.ops
from enginewright.graph.write_methods import method_name, operator_classes
from enginewright.registry.registry import Key, registry

HEAD = """# Operators

{count} operators, each with a shape rule for symbolic sizes and a reference in NumPy. Every one is a method of
{{py:class}}`enginewright.Network`. The last section lists the ONNX operators that are imported.

"""
ONNX = """## ONNX operators

The number is the operator set from which on a rule holds; a node is imported by the newest rule that is not above the
model's operator set. Operators without a rule of their own are imported by the function body that ONNX gives them,
where there is one.

| domain | operator | rules since |
|---|---|---|
"""


def sentence(documented: object) -> str:
    """Return the first paragraph of a docstring, as one line of a table."""
    first = (inspect.getdoc(documented) or "").split("\n\n")[0]
    return first.replace("\n", " ").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def families() -> str:
    """Return one section for each file of operators."""
    found: dict[str, list[type]] = defaultdict(list)
    for cls in [registry.operator(Key("ew", "Add")), *operator_classes()]:
        found[cls.__module__].append(cls)
    parts = []
    for module, classes in sorted(found.items()):
        title = module.rpartition(".")[2].replace("_", " ").capitalize()
        rows = "".join(f"| `{cls.KEY}` | `{method_name(cls.KEY.name)}` | {sentence(cls)} |\n" for cls in classes)
        parts.append(f"## {title}\n\n{sentence(modules[module])}\n\n| key | method | |\n|---|---|---|\n{rows}\n")
    return "".join(parts)


def onnx_rows() -> str:
    """Return a line for each ONNX operator with an import rule."""
    rows = []
    for (domain, op_type), rules in sorted(registry.rules.items()):
        rows.append(f"| `{domain}` | `{op_type}` | {', '.join(map(str, sorted(rules)))} |\n")
    return "".join(rows)


def write(app: Sphinx) -> None:
    """Write operators.md, which git ignores."""
    enginewright.ops.load()
    content = HEAD.format(count=len(operator_classes()) + 1) + families() + ONNX + onnx_rows()
    page = Path(app.srcdir, "operators.md")
    if not page.exists() or page.read_text(encoding="utf-8") != content:
        page.write_text(content, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
