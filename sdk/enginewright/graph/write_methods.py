"""Writes graph/methods.py: one typed, documented method of Network for every operator of the SDK (``make methods``)."""

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

TARGET = Path(__file__).with_name("methods.py")
NAMES = {
    name: name.lower()
    for name in ("MatMul", "ArgMax", "ArgMin", "CumSum", "CumProd", "NonZero", "TopK", "IsNaN", "IsInf", "LSTM", "GRU")
} | {name: name.lower() for name in ("RNN", "DFT", "STFT", "PRelu", "Col2Im")}
HEADER = '''\
"""The operators as methods of `Network`, written by ``make methods`` from the operator classes, not by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, overload

{imports}
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.dims import Size
    from enginewright.graph.network import Network, Tensor

__all__ = ["OperatorMethods"]


class OperatorMethods:
    """One method an operator: tensors by position, attributes by name; returns the operator's outputs."""

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str = "") -> Tensor: ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> tuple[Tensor, ...]: ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> Any:
        """Add a layer, or add two tensors; `Network` does it."""
        raise NotImplementedError
'''


def method_name(operator: str) -> str:
    """The operator's name as a method: LayerNormalization -> layer_normalization, And -> and_."""
    name = NAMES.get(operator) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", operator).lower()
    return name + "_" if keyword.iskeyword(name) else name


def operator_classes() -> list[type[Any]]:
    """The SDK's operators that have a method here: all but those made by passes only, and Add (`Network.add`)."""
    classes = [cls for key, cls in registry.operators.items() if key.namespace == "ew" and key.name != "Add"]
    return sorted((cls for cls in classes if not getattr(cls, "INTERNAL", False)), key=lambda cls: str(cls.KEY.name))


def source() -> str:
    """The whole file as text."""
    enginewright.ops.load()
    classes = operator_classes()
    modules: dict[str, list[str]] = {}
    for cls in classes:
        modules.setdefault(cls.__module__, []).append(f"{cls.__name__} as {cls.__name__}Op")
    imports = "\n".join(f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items()))
    return HEADER.format(imports=imports) + "".join(f"\n{_method(cls)}" for cls in classes)


def _method(cls: type[Any]) -> str:
    tensors, names = _tensor_parameters(cls)
    options = list(_options(cls))
    star = ["*"] if options and not any(text.startswith("*") for text in tensors) else []
    signature = ", ".join(["self", *tensors, *star, *(text for text, _ in options), *_trailing(tensors, options)])
    fields = ", ".join(f"{name}={name}" for _, name in options)
    call = f"self.add({cls.__name__}Op({fields}), {', '.join(names)}{', ' if names else ''}name=name)"
    returns, body = _returned(cls, call)
    doc = textwrap.indent(_escaped(inspect.getdoc(cls) or ""), "        ").lstrip()
    return (
        f'    def {method_name(cls.KEY.name)}({signature}) -> {returns}:\n        """{doc}"""\n        return {body}\n'
    )


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


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")


if __name__ == "__main__":
    TARGET.write_text(source(), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(TARGET)], check=True)
