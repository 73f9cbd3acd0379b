"""Writes the page of operators: what each one computes, its method, and what ONNX's backend tests say of ONNX's own."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections import defaultdict
from pathlib import Path
from sys import modules
from typing import Any

import onnx.defs
from sphinx.application import Sphinx

import enginewright.ops
from enginewright.graph.write_methods import method_name, operator_classes
from enginewright.registry.registry import Key, registry

HEAD = """# Operators

{count} operators, each with a shape rule for symbolic sizes and a reference in NumPy. Every one is a method of
{{py:class}}`enginewright.Network`. The last section lists the ONNX operators that are imported.

"""
ONNX = """## ONNX operators

Of the {operators} operators of `ai.onnx` in onnx {version}, {imported} are imported, at the versions of opset 7 on;
models of opsets 1 to 6 by onnx's version converter. Not imported: {missing}. (The parser of TensorRT lists 158 of 200.)

Of the {tests:,} backend tests of that package that need no download, {passed:,} pass ({percent:.1f} %), {native:,} of
them with native kernels of the CPU only. (TensorRT's own list of these tests selects 682 of 2,033.) Each is run by
`make test`; one that passes here and fails there is an error, as is one whose kernels are native here and not there.

*rules since*: the opsets from which on an import rule holds; a node is imported by the newest rule that is not above
the model's opset, without one by the function body that ONNX gives its operator. *tests*: how many of those that are
one node of the operator pass, with native kernels only, and are there. *CPU* and *NumPy*: the types of its first input
with which the first of these tests was built to run natively, or by the reference in NumPy: f, bf, i, u are floats,
bfloat, integers with and without sign, c complex numbers; f8 stands for all four types of float8. A dash: nothing was
tried. *GPU*: whether each layer of that test has a kernel for GPUs.

| domain | operator | rules since | tests | CPU | NumPy | GPU |
|---|---|---|---|---|---|---|
"""
FAILING = """
## Backend tests that do not pass

"""
RANDOM = """
## Random models

`make fuzz-models N=10000` draws valid models, with all types of numbers, named axes, sizes of 0, ranks to 8, nested If,
Loop and Scan, and recurrent layers; builds each with and without the optimizer, with fixed sizes and a profile; and
compares all of them with ONNX Runtime and with onnx's reference (`make test` does 300). A difference is an error, and
its smallest model is printed; but behind these operators, one peer breaks the text of ONNX:

| peer | operator | text of ONNX that it breaks |
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


def measured(folder: Path) -> dict[str, Any]:
    """Return what the backend tests said of each operator, by domain::OpType."""
    found: dict[str, Any] = json.loads((folder / "operators.json").read_text(encoding="utf-8"))
    return found


def onnx_head(folder: Path) -> str:
    """Return the totals."""
    lines = (folder / "node_passes.txt").read_text(encoding="utf-8").splitlines()
    passes = [line for line in lines if line and not line.startswith("#")]
    failing = sum(len(group["tests"]) for group in skips(folder))
    schemas = {item.name: item for item in onnx.defs.get_all_schemas() if not item.domain and not item.deprecated}
    missing = sorted(name for name, schema in schemas.items() if not is_imported(name, schema))
    return ONNX.format(
        operators=len(schemas),
        version=lines[0].split()[5],
        imported=len(schemas) - len(missing),
        missing=", ".join(f"`{name}`" for name in missing) or "none",
        tests=len(passes) + failing,
        passed=len(passes),
        percent=100 * len(passes) / (len(passes) + failing),
        native=sum(not line.endswith(" *") for line in passes),
    )


def is_imported(name: str, schema: Any) -> bool:
    """Return whether a rule or a function body imports an operator."""
    rule = ("ai.onnx", name) in registry.rules
    return bool(rule or schema.has_function or schema.has_context_dependent_function)


def skips(folder: Path) -> list[dict[str, Any]]:
    """Return the groups of tests that do not pass, each with its reason."""
    found: list[dict[str, Any]] = tomllib.loads((folder / "node_skips.toml").read_text(encoding="utf-8"))["skip"]
    return found


def short(types: list[str]) -> str:
    """Return names of types as they stand in the table."""
    float8s = [name for name in types if name.startswith("float8") and name != "float8e8m0"]
    names = [name for name in types if len(float8s) < 4 or name not in float8s] + ["float8"] * (len(float8s) == 4)
    for long, letter in (("bfloat", "bf"), ("float", "f"), ("uint", "u"), ("int", "i"), ("complex", "c")):
        names = [name.replace(long, letter) for name in names]
    return " ".join(names)


def onnx_rows(rows: dict[str, Any]) -> str:
    """Return a line for each ONNX operator with an import rule, or a test that passes."""
    rules = {f"{domain}::{op_type}": found for (domain, op_type), found in registry.rules.items()}
    lines = []
    for key in sorted({*rules, *(key for key, row in rows.items() if row["passed"])}):
        domain, _, op_type = key.rpartition("::")
        since = ", ".join(map(str, sorted(rules.get(key, {})))) or "function"
        row = rows.get(key)
        cells = ["-"] * 4
        if row is not None:
            counts = f"{row['passed']} / {row['native']} / {row['tests']}"
            cells = [counts, short(row["cpu"]), short(row["numpy"]), "yes" if row["cuda"] else ""]
        lines.append(f"| `{domain}` | `{op_type}` | {since} | {' | '.join(cells)} |\n")
    return "".join(lines)


def failing_tests(folder: Path) -> str:
    """Return the tests that do not pass, by reason."""
    parts = []
    for group in skips(folder):
        names = ", ".join(f"`{name}`" for name in group["tests"])
        parts.append(f"- {len(group['tests'])}: {group['reason']}: {names}\n")
    return FAILING + "".join(parts)


def random_models(folder: Path) -> str:
    """Return how random models are tried, and what peers compute otherwise than ONNX says."""
    cases = tomllib.loads((folder / "peer_cases.toml").read_text(encoding="utf-8"))["case"]
    return RANDOM + "".join(f"| {case['peer']} | `{case['operator']}` | {case['sentence']} |\n" for case in cases)


def write(app: Sphinx) -> None:
    """Write operators.md, which git ignores."""
    enginewright.ops.load()
    folder = Path(app.srcdir).parent / "tests" / "conformance"
    rows = measured(folder)
    content = HEAD.format(count=len(operator_classes()) + 1) + families()
    content += onnx_head(folder) + onnx_rows(rows) + failing_tests(folder) + random_models(folder)
    page = Path(app.srcdir, "operators.md")
    if not page.exists() or page.read_text(encoding="utf-8") != content:
        page.write_text(content, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
