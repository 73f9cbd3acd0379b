"""Puts the compiled kernels of plugins into a plan, so that it loads without the packages that they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from enginewright.compiler.choice import Choice
from enginewright.device.kernel_source import CompiledCode, KernelSource
from enginewright.graph.network import Layer
from enginewright.plan.meta import CodeRecord


@dataclass(frozen=True)
class Embedded:
    """The objects that a plan carries, each once."""

    objects: tuple[CompiledCode, ...] = field(default_factory=tuple)

    @property
    def records(self) -> list[CodeRecord]:
        """What META lists."""
        return [CodeRecord(code.kind, len(code.content), list(code.kernels)) for code in self.objects]

    @property
    def content(self) -> bytes:
        """The CODE section."""
        return b"".join(code.content for code in self.objects)

    @property
    def is_native(self) -> bool:
        """Whether any was compiled for this very CPU."""
        return any(code.kind == "object" for code in self.objects)


def embed(choices: Mapping[Layer, Choice], architecture: str) -> Embedded:
    """The objects of all kernels of plugins that were chosen, in the order of their names."""
    found: dict[str, CompiledCode] = {}
    for kernel in _kernels(choices.values()):
        code = kernel.code(architecture)
        if code is not None:
            found.setdefault(code.kernels[0][0], code)
    return Embedded(tuple(code for _, code in sorted(found.items())))


def is_embedded(choice: Choice, embedded: Embedded) -> bool:
    """Whether a layer runs without the package of its tactic."""
    return any(choice.kernel == name for code in embedded.objects for name, _ in code.kernels)


def _kernels(choices: Iterable[Choice]) -> Iterable[KernelSource]:
    for choice in choices:
        kernel = choice.plugin.kernel if choice.plugin else None
        if isinstance(kernel, KernelSource):
            yield kernel
