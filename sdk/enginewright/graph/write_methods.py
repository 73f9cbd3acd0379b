"""Writes graph/methods: one typed, documented method of Network for every operator of the SDK (``make methods``)."""

from __future__ import annotations

import dataclasses
import inspect
import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import enginewright.ops
from enginewright.registry.registry import registry

FOLDER = Path(__file__).with_name("methods")
WIDTH = 112  # of a docstring within a method
NAMES = {
    name: name.lower()
    for name in ("MatMul", "ArgMax", "ArgMin", "CumSum", "CumProd", "NonZero", "TopK", "IsNaN", "IsInf", "LSTM", "GRU")
} | {name: name.lower() for name in ("RNN", "DFT", "STFT", "PRelu", "Col2Im")}
FAMILY = '''"""{sentence}

Methods of `Network`, written by ``make methods`` from ops/{family}.py, not by hand.
"""

from __future__ import annotations

{imports}
class {group}(_Adder):
    """One method an operator of ops/{family}.py."""
'''
TOGETHER = '''\
"""The operators as methods of `Network`, a module for each of ops; written by ``make methods``, not by hand."""

from __future__ import annotations

{imports}

__all__ = ["OperatorMethods"]


class OperatorMethods({groups}):
    """One method an operator: tensors by position, attributes by name; returns the operator's outputs."""
'''


def method_name(operator: str) -> str:
    """The operator's name as a method: LayerNormalization -> layer_normalization, And -> and_."""
    name = NAMES.get(operator) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", operator).lower()
    return name + "_" if keyword.iskeyword(name) else name


def operator_classes() -> list[type[Any]]:
    """The SDK's operators that have a method here: all but those made by passes only, and Add (`Network.add`)."""
    classes = [cls for key, cls in registry.operators.items() if key.namespace == "ew" and key.name != "Add"]
    return sorted((cls for cls in classes if not getattr(cls, "INTERNAL", False)), key=lambda cls: str(cls.KEY.name))


def sources() -> dict[str, str]:
    """The text of each module that is written, by its name."""
    enginewright.ops.load()
    families: dict[str, list[type[Any]]] = {}
    for cls in operator_classes():
        families.setdefault(cls.__module__.rpartition(".")[2], []).append(cls)
    texts = {family: _family(family, classes) for family, classes in sorted(families.items())}
    imports = "\n".join(f"from enginewright.graph.methods.{family} import {_group(family)}" for family in texts)
    return texts | {"__init__": TOGETHER.format(imports=imports, groups=", ".join(map(_group, texts)))}


def write() -> None:
    """Write all modules, formatted; one whose operators are gone goes, too."""
    for path in FOLDER.glob("[!_]*.py"):
        path.unlink()
    for name, text in sources().items():
        (FOLDER / f"{name}.py").write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(FOLDER)], check=True)


def _family(family: str, classes: list[type[Any]]) -> str:
    """One module: the methods of one family of operators, and the imports that they need."""
    methods = "".join(f"\n{_method(cls)}" for cls in classes)
    sentence = (inspect.getdoc(sys.modules[classes[0].__module__]) or "").split("\n")[0]
    imports = _imports(family, methods)
    return FAMILY.format(sentence=sentence, family=family, group=_group(family), imports=imports) + methods


def _group(family: str) -> str:
    return "_" + family.title().replace("_", "")


def _imports(family: str, methods: str) -> str:
    code = "if TYPE_CHECKING:\n" + re.sub(r'"{3}.*?"{3}', "", methods, flags=re.DOTALL)

    def used(module: str, *names: str) -> str:
        found = ", ".join(name for name in names if re.search(rf"(?<!def )(?<!ops\.)\b{name}\b", code))
        return f"from {module} import {found}\n" if found else ""

    typing = used("typing", "TYPE_CHECKING", "Any", "cast")
    adder = f"from enginewright.graph.methods._adder import _Adder\nfrom enginewright.ops import {family} as ops\n"
    dtype = used("enginewright.tensors", "DataType")
    types = used("enginewright.dims", "Size") + used("enginewright.graph.network", "Network", "Tensor")
    return f"{typing}\n{adder}{dtype}\nif TYPE_CHECKING:\n{textwrap.indent(types, '    ')}\n\n"


def _method(cls: type[Any]) -> str:
    tensors, names = _tensor_parameters(cls)
    options = list(_options(cls))
    star = ["*"] if options and not any(text.startswith("*") for text in tensors) else []
    signature = ", ".join(["self", *tensors, *star, *(text for text, _ in options), *_trailing(tensors, options)])
    fields = ", ".join(f"{name}={name}" for _, name in options)
    call = f"self.add(ops.{cls.__name__}({fields}), {', '.join(names)}{', ' if names else ''}name=name)"
    returns, body = _returned(cls, call)
    doc = textwrap.indent(_documented(cls), "        ").lstrip()
    return f"    def {method_name(cls.KEY.name)}({signature}) -> {returns}:\n        {doc}\n        return {body}\n"


def _trailing(tensors: list[str], options: list[tuple[str, str]]) -> list[str]:
    starred = options or any(text.startswith("*") for text in tensors)
    return ['name: str = ""'] if starred else ["*", 'name: str = ""']


def _tensor_parameters(cls: type[Any]) -> tuple[list[str], list[str]]:
    parameters = list(inspect.signature(cls.infer).parameters.values())[1:]
    texts, names = [], []
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            texts.append(f"*{parameter.name}: Tensor | None")
            names.append(f"*{parameter.name}")
        else:
            optional = parameter.default is not inspect.Parameter.empty
            texts.append(f"{parameter.name}: Tensor | None = None" if optional else f"{parameter.name}: Tensor")
            names.append(parameter.name)
    return texts, names


def _options(cls: type[Any]) -> Iterator[tuple[str, str]]:
    for item in dataclasses.fields(cls):
        kind = item.type if isinstance(item.type, str) else getattr(item.type, "__name__", str(item.type))
        default = f" = {_default(item.default)}" if item.default is not dataclasses.MISSING else ""
        yield f"{item.name}: {kind}{default}", item.name


def _default(value: Any) -> str:
    return f"DataType.{value.name}" if hasattr(value, "numpy") and hasattr(value, "bits") else repr(value)


def _returned(cls: type[Any], call: str) -> tuple[str, str]:
    annotation = str(inspect.signature(cls.infer).return_annotation)
    if not annotation.startswith("tuple"):
        return "Tensor", f"{call}[0]"
    returns = annotation.replace("TensorSpec", "Tensor")
    return (returns, call) if "..." in returns else (returns, f'cast("{returns}", {call})')


def _documented(cls: type[Any]) -> str:
    """The operator's docstring in its quotes; a paragraph that is too wide for a method is broken anew."""
    text = '"""' + (inspect.getdoc(cls) or "").replace("\\", "\\\\").replace('"""', "'''")
    if "\n" not in text:
        text = textwrap.fill(text, WIDTH - 3)
    paragraphs = (_broken(paragraph) for paragraph in text.split("\n\n"))
    return "\n\n".join(paragraphs) + ('\n"""' if "\n" in text else '"""')


def _broken(paragraph: str) -> str:
    fits = all(len(line) <= WIDTH for line in paragraph.split("\n"))
    return paragraph if fits else textwrap.fill(paragraph, WIDTH)


if __name__ == "__main__":
    write()
