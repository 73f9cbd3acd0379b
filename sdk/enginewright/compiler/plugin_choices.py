"""What a plugin's tactic offers: its launch checked and in the SDK's own terms, its kernels compiled or opened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from enginewright import _native
from enginewright.compiler.choice import Choice
from enginewright.device import kernel_params
from enginewright.device.cuda_sources import MOST_THREADS
from enginewright.device.kernels import CudaSource, DeviceFunction, KernelSource
from enginewright.dims import Dim, Size
from enginewright.errors import DeviceMissing, PluginError, PluginInvalid
from enginewright.graph.network import Layer
from enginewright.registry.faults import broken_contract
from enginewright.registry.registry import Launch, Pack, Tactic, input_names
from enginewright.registry.table import NO_WORKSPACE


def plugin_choices(tactic: Tactic, launch: Launch) -> list[Choice] | str:
    """The one choice that the tactic gives, or why its kernel is not to be had here."""
    try:
        kernel = signed_in(launch.kernel or tactic.kernel)
        packers = {index: signed_in(pack.kernel) for index, pack in launch.pack.items()}
    except (PluginError, DeviceMissing) as error:
        return f"[{error.code}] {error.message}"
    named = {index: replace(pack, kernel=packers[index]) for index, pack in launch.pack.items()}
    return [Choice(tactic.name, kernel, replace(launch, pack=named), packers, plugin=tactic)]


def signed_in(kernel: str | KernelSource) -> str:
    """The exact name of a kernel, ready to be called; a `PluginError` if there is none."""
    if isinstance(kernel, KernelSource):
        return kernel.load()
    for name in (kernel, *(f"{kernel}@{isa}" for isa in _native.isas())):
        if _native.find_kernel(name):
            return name
    raise PluginInvalid(f"no kernel {kernel} is built in", hint="Use ew.c_source(...) or ew.library(...)[name].")


def normalized(launch: Launch, tactic: Tactic, layer: Layer) -> Launch:
    """The launch with inputs by index; `PluginInvalid` for what it may not hold."""
    return _Checker(tactic, layer).launch(launch)


class _Checker:
    """Checks one launch; all its complaints name tactic and layer."""

    def __init__(self, tactic: Tactic, layer: Layer) -> None:
        self.tactic, self.layer = tactic, layer
        self.names = input_names(type(layer.op))

    def launch(self, launch: Launch) -> Launch:
        """The launch in the SDK's own terms."""
        for value in self._sequence("params", launch.params):
            self._number("params", value, allow_float=True)
        self._number("workspace", launch.workspace, allow_float=False)
        if isinstance(launch.workspace, int) and launch.workspace < 0:
            raise self._wrong(f"a workspace of {launch.workspace} bytes")
        packs: Any = launch.pack
        if not isinstance(packs, Mapping):
            raise self._wrong(f"pack as {type(packs).__name__}, not a dict")
        inplace = (*launch.inplace, *self.tactic.inplace)
        return replace(
            launch,
            params=self._params(launch),
            pack={self._index(name): self._pack(pack) for name, pack in launch.pack.items()},
            inplace=tuple(dict.fromkeys(self._index(name) for name in inplace)),
            inputs=None if launch.inputs is None else tuple(self._index(name) for name in launch.inputs),
            split=None,
        )

    def _params(self, launch: Launch) -> tuple[Size | float, ...]:
        """The params of the step; a kernel that Python launches finds its geometry and their kinds in front."""
        kernel = launch.kernel or self.tactic.kernel
        has_workspace = launch.workspace is not NO_WORKSPACE
        if isinstance(kernel, CudaSource):
            shape = (*self._three("grid", launch.grid), *self._three("block", launch.block), self._shared(launch))
            return (*shape, *kernel_params.written(launch.params, has_workspace=has_workspace))
        if launch.grid:
            raise self._wrong("a grid, which only a kernel of ew.cuda_source takes")
        if isinstance(kernel, DeviceFunction):
            return kernel_params.written(launch.params, has_workspace=has_workspace)
        return tuple(float(p) if isinstance(p, float) else p for p in launch.params)

    def _three(self, what: str, given: Any) -> tuple[Size, Size, Size]:
        """Up to three sizes, filled with ones."""
        sizes = self._sequence(what, given)
        for size in sizes:
            self._number(what, size, allow_float=False)
        if not 1 <= len(sizes) <= 3:
            raise self._wrong(f"{what} with {len(sizes)} sizes; a CUDA kernel has one to three")
        known = [size for size in sizes if isinstance(size, int)]
        least, most = (1, MOST_THREADS) if what == "block" else (0, 2**31 - 1)
        if any(size < least for size in known) or (known and math.prod(known) > most and what == "block"):
            raise self._wrong(f"{what} {tuple(sizes)}; its sizes are from {least}, of a block {most} threads at most")
        first, second, third = (*sizes, 1, 1)[:3]
        return first, second, third

    def _shared(self, launch: Launch) -> Size:
        self._number("shared", launch.shared, allow_float=False)
        return launch.shared

    def _sequence(self, what: str, value: Any) -> Any:
        if not isinstance(value, tuple | list):
            raise self._wrong(f"{what} as {type(value).__name__}, not a tuple")
        return value

    def _number(self, what: str, value: Any, *, allow_float: bool) -> None:
        allowed: tuple[type, ...] = (int, Dim, float) if allow_float else (int, Dim)
        if isinstance(value, bool) or not isinstance(value, allowed):
            raise self._wrong(f"{value!r} ({type(value).__name__}) in {what}")

    def _index(self, name: int | str) -> int:
        if isinstance(name, str) and name in self.names:
            name = self.names.index(name)
        if not isinstance(name, int) or not 0 <= name < len(self.layer.inputs):
            raise self._wrong(f"the input {name!r}, which the layer does not have")
        return name

    def _pack(self, pack: Any) -> Pack:
        if not isinstance(pack, Pack) or type(pack.size) is not int or pack.size < 0:
            raise self._wrong(f"{pack!r} in pack")
        return pack

    def _wrong(self, what: str) -> PluginInvalid:
        return broken_contract(
            str(self.layer.key),
            f"tactic {self.tactic.name}",
            f"gives {what}",
            hint="params are integers, floats and sizes; workspace is bytes; pack is {input: ew.Pack(...)}.",
            layer=self.layer.name,
        )
