"""Calls a tactic's kernel on memory that is watched: guard bytes around it, contents and alignment as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enginewright import _native
from enginewright.compiler.builder import build
from enginewright.compiler.choice import Choice
from enginewright.compiler.config import BuilderConfig
from enginewright.dims import Size, room
from enginewright.errors import EnginewrightError
from enginewright.plan.plan import Plan
from enginewright.tensors import DataType, TensorSpec
from enginewright.testing.checks import Skipped
from enginewright.testing.subject import Array, Case, choices_of, layer_of, network_of

GUARD = 4096
"""Bytes before and behind each piece of memory, besides three times its size: a kernel may take it for a wider type."""
QUIET, NAN = 0x00, 0xFF
"""Bytes to fill memory with; floats of 0xFF are NaN."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the memory around and in a call is like.

    `fill`: bytes of outputs and workspace before the call; `guard`: bytes around; `offset`: bytes off alignment to 64;
    `shared`: the input whose memory output 0 is; `threads`: of the call.
    """

    fill: int = NAN
    guard: int = 0xA5
    offset: int = 0
    shared: int | None = None
    threads: int = 1


class Block:
    """Memory between two guards."""

    def __init__(self, name: str, nbytes: int, around: Surroundings, offset: int = 0) -> None:
        self.name, self.guard = name, around.guard
        guard = GUARD + 3 * nbytes
        self._whole = np.full(nbytes + 2 * guard + 64 + offset, around.guard, np.uint8)
        start = -(-(self._whole.ctypes.data + guard) // 64) * 64 - self._whole.ctypes.data + offset
        self._start, self._end = start, start + nbytes
        self.bytes = self._whole[start : start + nbytes]
        self.bytes[...] = around.fill

    def array(self, dtype: DataType, shape: tuple[int, ...]) -> Array:
        """The memory as an array."""
        made: Array = np.ndarray(shape, dtype.numpy, self._whole.data, self._start)
        return made

    def overruns(self) -> Iterator[str]:
        """Yield where the guards were written."""
        for place, part in (("before", self._whole[: self._start]), ("behind", self._whole[self._end :])):
            changed = np.flatnonzero(part != self.guard)
            if changed.size:
                distance = self._start - changed[-1] if place == "before" else changed[0] + 1
                yield f"writes {place} {self.name} ({changed.size} bytes, the nearest {distance} away)"


@dataclass(frozen=True, slots=True)
class Result:
    """The outputs of one call, where it wrote outside its memory, and which inputs it changed."""

    outputs: tuple[Array, ...]
    overruns: tuple[str, ...]
    changed: tuple[int, ...]


class WatchedKernel:
    """The kernel of one choice at one case; `call` runs it once."""

    def __init__(self, case: Case, choice: Choice) -> None:
        self.case, self.choice = case, choice
        self.outputs = tuple(tensor.spec for tensor in layer_of(case).outputs)
        launch = choice.launch
        self.reads = tuple(range(len(case.inputs))) if launch.inputs is None else launch.inputs
        self.params = [p if isinstance(p, float) else _known(p) for p in launch.params]
        self.workspace = _known(launch.workspace)
        self.alias = next(iter(getattr(type(case.op), "ALIAS", {}).values()), None)

    @property
    def label(self) -> str:
        """Tactic and case, as problems name them."""
        return f"tactic {self.choice.tactic}, {self.case.label}"

    def prepared(self, seed: int = 0, around: Surroundings | None = None) -> PreparedCall:
        """Everything for a call, made once."""
        return PreparedCall(self, self.case.arrays(seed), around or Surroundings())

    def call(self, seed: int = 0, around: Surroundings | None = None) -> Result:
        """Call it once on fresh memory."""
        prepared = self.prepared(seed, around)
        prepared.run()
        return prepared.result()


class PreparedCall:
    """A call that may be repeated."""

    def __init__(self, kernel: WatchedKernel, arrays: list[Array | None], around: Surroundings) -> None:
        self.kernel, self.around = kernel, around
        shared = kernel.alias if around.shared is None else around.shared
        self._given = arrays
        self._inputs: dict[int, tuple[Block, Array]] = {}
        for index, array in enumerate(arrays):
            if array is not None:
                self._inputs[index] = self._input(index, array)
        self._blocks, views = self._outputs(shared)
        self._shared = shared
        self._scratch = Block("its workspace", kernel.workspace, around)
        self._sources = _native.TensorList([self._view(index) for index in kernel.reads])
        for index, pack in kernel.choice.launch.pack.items():
            packed = np.zeros(pack.size, np.uint8)
            _native.call_kernel(kernel.choice.packers[index], [arrays[index]], [packed], pack.params)
            self._sources.use_packed(kernel.reads.index(index), packed)
        self._views = views
        self._targets = _native.TensorList(views)
        for index, spec in enumerate(kernel.outputs):
            if not all(isinstance(size, int) for size in spec.shape):
                self._targets.expect_sizes(index)

    def _input(self, index: int, array: Array) -> tuple[Block, Array]:
        block = Block(f"input {index}", array.nbytes, self.around, self.around.offset * array.itemsize)
        view = block.array(DataType.of(array), array.shape)
        view[...] = array
        return block, view

    def _view(self, index: int) -> Array | None:
        return self._inputs[index][1] if index in self._inputs else None

    def _outputs(self, shared: int | None) -> tuple[list[Block], list[Array]]:
        blocks, views = [], []
        for index, spec in enumerate(self.kernel.outputs):
            shape = tuple(_known(room(size)) for size in spec.shape)
            if index == 0 and shared is not None:
                block = self._inputs[shared][0]
            else:
                nbytes = int(np.prod(shape)) * spec.dtype.bits // 8
                block = Block(f"output {index}", nbytes, self.around, self.around.offset * spec.dtype.bits // 8)
            blocks.append(block)
            views.append(block.array(spec.dtype, shape))
        return blocks, views

    def run(self) -> None:
        """Call the kernel."""
        _native.call_in_place(
            self.kernel.choice.kernel, self._sources, self._targets, self.kernel.params, self._scratch.bytes,
            threads=self.around.threads,
        )  # fmt: skip

    def gives(self, outputs: Sequence[Array]) -> bool:
        """Whether the last run gave exactly these outputs; quick, so that threads meet in kernels and not here."""
        return all(
            view.reshape(-1)[: wanted.size].tobytes() == wanted.tobytes()
            for view, wanted in zip(self._views, outputs, strict=True)
        )

    def result(self) -> Result:
        """What the last run left."""
        outputs, overruns = [], []
        for index, view in enumerate(self._views):
            shape = self._targets.real_shape(index)
            if any(real > upper for real, upper in zip(shape, view.shape, strict=True)):
                overruns.append(f"gives output {index} the shape {shape}, its upper bounds are {view.shape}")
                shape = view.shape
            outputs.append(view.reshape(-1)[: int(np.prod(shape))].reshape(shape).copy())
        blocks = {id(b): b for b in (*self._blocks, self._scratch, *(b for b, _ in self._inputs.values()))}
        overruns += [text for block in blocks.values() for text in block.overruns()]
        changed = tuple(
            index
            for index, (_, view) in self._inputs.items()
            if index != self._shared and view.tobytes() != np.ascontiguousarray(self._given[index]).tobytes()
        )
        return Result(tuple(outputs), tuple(overruns), changed)


def _known(size: Size) -> int:
    if not isinstance(size, int):
        raise TypeError(f"the size {size} is not known before the kernel runs")
    return size


def same_bits(a: Result, b: Result) -> bool:
    """Whether two calls gave the same outputs."""
    return all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in zip(a.outputs, b.outputs, strict=True))


def repeatable(case: Case) -> Iterator[WatchedKernel]:
    """Those that give the same bits each time: only of these can be said what their bits depend on."""
    for kernel in watched(case):
        if same_bits(kernel.call(), kernel.call()):
            yield kernel


def watched(case: Case) -> Iterator[WatchedKernel]:
    """A kernel for each tactic that accepts the case and works, where its memory can be given from outside."""
    for choice in choices_of(case):
        made = watched_kernel(case, choice)
        if made is not None:
            yield made


def watched_kernel(case: Case, choice: Choice) -> WatchedKernel | None:
    """The kernel, if it works and its memory can be given from outside."""
    if not all(_is_plain(item) for item in case.inputs):
        return None
    try:
        made = WatchedKernel(case, choice)
        if not all(_is_bounded(spec) for spec in made.outputs):
            return None
        made.call()
    except (TypeError, EnginewrightError):
        return None
    return made


def built(case: Case) -> Plan:
    """A plan of the case; `Skipped` where a tactic would write outside its memory, which is this process's."""
    for kernel in watched(case):
        if kernel.call().overruns:
            raise Skipped(f"tactic {kernel.choice.tactic} writes outside its memory; see memory/guards")
    return build(network_of(case), BuilderConfig(timing_cache="", threads=1))


def _is_plain(item: Any) -> bool:
    dtype = item.dtype if isinstance(item, TensorSpec) else None if item is None else DataType.of(item)
    return dtype is None or (dtype is not DataType.STRING and dtype.bits >= 8)


def _is_bounded(spec: TensorSpec) -> bool:
    return (
        spec.dtype is not DataType.STRING and spec.dtype.bits >= 8 and all(isinstance(room(s), int) for s in spec.shape)
    )
