"""Files stop at 600 lines, functions at 50, parameter lists at five."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.repo.sources import native_files, python_files, text

FILE_LINES = 600
FUNCTION_LINES = 50
PARAMETERS = 5

# Each parameter of these, of functions decorated as tactics, and of Network's methods is an input of an operator.
OPERATOR_METHODS = {"infer", "reference", "view"}
NETWORK_METHODS = "sdk/enginewright/graph/methods/"

# A definition at the start of a line, as clang-format writes it, up to the brace at the start of a line.
NATIVE_FUNCTION = re.compile(r"^(?!namespace|struct|class|enum|union|extern|typedef|#)[^\s}/].*\{$", re.MULTILINE)


def python_functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of a module, nested ones included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function, its docstring and decorators not counted."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return function.end_lineno - body[0].lineno + 2 if body and function.end_lineno else 1


def long_python_functions(source: str) -> list[str]:
    """Return "name: lines" of each function over the limit."""
    return [f"{f.name}: {length(f)} lines" for f in python_functions(source) if length(f) > FUNCTION_LINES]


def long_native_functions(source: str) -> list[str]:
    """Return "first line: lines" of each function over the limit."""
    found = []
    for match in NATIVE_FUNCTION.finditer(source):
        end = source.find("\n}", match.start())
        lines = source.count("\n", match.start(), end) + 2
        if lines > FUNCTION_LINES:
            found.append(f"{match[0][:80]}: {lines} lines")
    return found


def is_free(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether each parameter is an input of an operator, or a fixture of a test."""
    calls = [decorator for decorator in function.decorator_list if isinstance(decorator, ast.Call)]
    is_tactic = any(ast.unparse(call.func).rpartition(".")[2] == "tactic" for call in calls)
    return is_tactic or function.name in OPERATOR_METHODS or function.name.startswith("test_")


def crowded_functions(source: str) -> list[str]:
    """Return "name: parameters" of each function with too many positional ones."""
    found = []
    for function in python_functions(source):
        arguments = [*function.args.posonlyargs, *function.args.args]
        count = len([a for a in arguments if a.arg not in {"self", "cls"}])
        if count > PARAMETERS and not is_free(function):
            found.append(f"{function.name}: {count} parameters")
    return found


@pytest.mark.parametrize("name", [*python_files(), *native_files()])
def test_file_size(name: str) -> None:
    lines = text(name).count("\n")
    assert lines <= FILE_LINES, f"{name} has {lines} lines: split it by concept"


@pytest.mark.parametrize("name", python_files())
def test_python_functions(name: str) -> None:
    source = text(name)
    assert long_python_functions(source) == []
    assert name.startswith(NETWORK_METHODS) or crowded_functions(source) == []


@pytest.mark.parametrize("name", native_files())
def test_native_functions(name: str) -> None:
    assert long_native_functions(text(name)) == []


def test_rules_find_what_they_forbid() -> None:
    body = "\n".join("    x = 1" for _ in range(FUNCTION_LINES + 1))
    assert long_python_functions(f"def f():\n{body}\n") == [f"f: {FUNCTION_LINES + 2} lines"]
    assert crowded_functions("def f(self, a, b, c, d, e, f): ...") == ["f: 6 parameters"]
    assert crowded_functions("@ew.tactic(Op, kernel='k')\ndef f(op, a, b, c, d, e, f): ...") == []
    assert long_native_functions("static int f(int x) {\n" + "    ;\n" * FUNCTION_LINES + "}\n")
