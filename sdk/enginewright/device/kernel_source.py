"""What every kernel that is not built in offers: where it runs, which version it is, and how it is made ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from enginewright import _native
from enginewright.errors import PlanInvalid


@dataclass(frozen=True, slots=True)
class CompiledCode:
    """A kernel as a plan can carry it: "object" (from C), "library" or "cubin", its bytes, and names with symbols."""

    kind: str
    content: bytes
    kernels: tuple[tuple[str, str], ...]


class KernelSource(ABC):
    """A kernel that is not built in."""

    level: ClassVar[int]

    @property
    def target(self) -> str:
        """The kind of device that it runs on."""
        return "cpu"

    @property
    @abstractmethod
    def identity(self) -> str:
        """What tells this kernel from every other version of it: a digest of its source, or a build id."""

    @property
    def abi(self) -> str:
        """The version of the C interface that it uses, empty for a kernel without one."""
        return ".".join(map(str, _native.ABI))

    @abstractmethod
    def load(self) -> str:
        """Make it ready and return the name that native code knows it by; an error of ours says why it can't be."""

    def code(self, architecture: str) -> CompiledCode | None:
        """What a plan carries instead of needing the package, for a GPU's architecture; None: it can't."""
        return None


def check_stream(name: str, call: _native.KernelCall) -> None:
    """`PlanInvalid` where a step of the host calls a kernel for GPUs: a plan may come from anywhere."""
    if not call.stream:
        raise PlanInvalid(f"the plan runs {name}, a kernel for GPUs, on the host", hint="Build the plan again.")
