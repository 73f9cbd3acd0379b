"""What a plugin's tactic offers: its launch checked and in the SDK's own terms, its kernels compiled or opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from enginewright import _native
from enginewright.compiler.lowering import Choice
from enginewright.device.kernels import KernelSource
from enginewright.dims import Dim
from enginewright.errors import PluginError, PluginInvalid
from enginewright.graph.network import Layer
from enginewright.registry.faults import broken_contract
from enginewright.registry.registry import Launch, Pack, Tactic, input_names


def plugin_choices(tactic: Tactic, launch: Launch) -> list[Choice] | str:
    """The one choice that the tactic gives, or why its kernel is not to be had here."""
    try:
        kernel = signed_in(launch.kernel or tactic.kernel)
        packers = {index: signed_in(pack.kernel) for index, pack in launch.pack.items()}
    except PluginError as error:
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
            params=tuple(float(p) if isinstance(p, float) else p for p in launch.params),
            pack={self._index(name): self._pack(pack) for name, pack in launch.pack.items()},
            inplace=tuple(dict.fromkeys(self._index(name) for name in inplace)),
            inputs=None if launch.inputs is None else tuple(self._index(name) for name in launch.inputs),
            split=None,
        )

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
