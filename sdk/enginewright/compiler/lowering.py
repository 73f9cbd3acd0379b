"""Turns a network whose tactics are chosen into programs: steps, tensors, shared memory and its lifetimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from enginewright.compiler.choice import Choice
from enginewright.compiler.liveness import Liveness
from enginewright.compiler.sizes import SizeWriter
from enginewright.compiler.weights import WeightPool
from enginewright.dims import Atom, Dim, Size, atom_uids
from enginewright.errors import BuildError, UnsupportedModel
from enginewright.graph.network import Layer, Network, Tensor, network_fields
from enginewright.ops.control import Loop
from enginewright.ops.shape import Identity
from enginewright.ops.strings import TextConstant
from enginewright.plan import meta
from enginewright.plan.fields import operator_record
from enginewright.registry.registry import Pack
from enginewright.tensors import DataType, TensorSpec

Array = np.ndarray[Any, Any]
PACKED_FORMAT = 4
COPY_KERNEL, COPY_ON_DEVICE = "cpu_copy@portable", "copy_on_device"


@dataclass
class _Memory:
    """A storage while it is laid out; `layer` numbers stand for times."""

    kind: str
    nbytes: Size
    value: int = 0
    first: int = 0
    last: int = 0
    segment: int = 0
    size: int = 0  # the operand for nbytes
    first_step: int | None = None  # of memory that is written by more than the layer's own step
    device: int = 0
    written: Size = 0  # the bytes that a kernel leaves in memory that grows


@dataclass
class Programs:
    """The programs of a plan being written, with the weights and Python operators that they share."""

    choices: Mapping[Layer, Choice]
    weights: WeightPool
    programs: list[meta.Program | None] = field(default_factory=list)
    operators: list[meta.OperatorRecord] = field(default_factory=list)
    slots: int = 0

    def add(self, network: Network, outer: _Lowering | None = None, params: dict[Atom, int] | None = None) -> int:
        """Lower a network and its nested ones; the index of its program."""
        index = len(self.programs)
        self.programs.append(None)
        self.programs[index] = _Lowering(self, network, outer, params).run()
        return index

    def add_all(self, networks: Sequence[Network]) -> None:
        """Lower the networks of all profiles, so that program k is that of profile k; nested ones follow."""
        self.programs += [None] * len(networks)
        for index, network in enumerate(networks):
            self.programs[index] = _Lowering(self, network, None, None).run()

    def operator(self, op: Any) -> int:
        """The index of the record of an operator, for Python steps."""
        record = operator_record(op, self.weights.add)
        if record not in self.operators:
            self.operators.append(record)
        return self.operators.index(record)


class _Lowering:
    """Writes one program."""

    def __init__(
        self, whole: Programs, network: Network, outer: _Lowering | None, params: dict[Atom, int] | None
    ) -> None:
        self.whole, self.network, self.outer = whole, network, outer
        self.live = Liveness(network, whole.choices)
        self.tensors: list[meta.TensorRecord] = []
        self.memories: list[_Memory] = []
        self.placed: dict[int, tuple[int, Size]] = {}  # uid -> storage, byte offset
        self.ids: dict[int, int] = {}  # uid -> record that later steps read
        self.written: dict[int, int] = {}  # uid -> record that its own step writes
        self.viewed: dict[int, tuple[int, int]] = {}  # uid of a view -> uid of what a step writes, byte offset in it
        self.packed: dict[tuple[int, Pack, int], int] = {}
        self.elsewhere: dict[tuple[int, int], int] = {}  # uid, device other than its own -> record of the copy there
        self.steps: list[meta.Step] = []
        self.segments: list[meta.Segment] = []
        self.checks: list[meta.Check] = []
        self.sizes = SizeWriter(self._symbols(), {}, self._atom_place, params)
        self.time = 0
        self.aliased: int | None = None  # the storage that output 0 of the present layer must have
        self.steps_at: list[int] = [0]  # time -> number of steps written until then

    # ---- sizes ---------------------------------------------------------------------------------------------------

    def _symbols(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for index, tensor in enumerate(self.network.inputs):
            for axis, size in enumerate(tensor.shape):
                name = _symbol(size)
                if name and not (self.outer and self.outer.knows(name)):
                    found.setdefault(name, (index, axis))
        return found

    def knows(self, symbol: str) -> bool:
        """Whether a named dimension is bound by this program's inputs or an outer one's."""
        return symbol in self.sizes.symbols or bool(self.outer and self.outer.knows(symbol))

    def _atom_place(self, atom: Atom) -> tuple[int, int]:
        uid, index = atom.args[0], int(str(atom.args[1]))
        assert isinstance(uid, int)
        if atom.kind == "data":
            return self.written[uid], index
        # No step writes a view, so its elements are read where they are written.
        source, offset = self.viewed.get(uid, (uid, 0))
        if self._device_of(self.ids[source]):
            return self.elsewhere[source, 0], index + offset // DataType(
                self.tensors[self.ids[source]].dtype
            ).numpy.itemsize
        return self.ids[source], index + offset // DataType(self.tensors[self.ids[source]].dtype).numpy.itemsize

    def _enter(self, sizes: Sequence[Size]) -> None:
        """Begin the segment in which all these sizes are known."""
        needed = max((self.sizes.segment(size) for size in sizes), default=0)
        while len(self.segments) < needed:
            self.segments.append(meta.Segment(len(self.sizes.exprs), len(self.checks), len(self.steps)))

    def _check(self, kind: str, a: Size, b: Size, label: str) -> None:
        self._enter([a, b])
        record = meta.Check(kind, self.sizes.operand(a), self.sizes.operand(b), label)
        if record not in self.checks:
            self.checks.append(record)

    # ---- tensors -------------------------------------------------------------------------------------------------

    def _record(self, name: str, spec: TensorSpec, storage: int, offset: Size = 0, format: int = 0) -> int:
        shape = [self.sizes.operand(size) for size in spec.shape]
        self.tensors.append(
            meta.TensorRecord(name, _record_type(spec.dtype), list(shape), storage, self.sizes.operand(offset), format)
        )
        return len(self.tensors) - 1

    def _memory(self, memory: _Memory) -> int:
        memory.segment, memory.size = len(self.segments), self.sizes.operand(memory.nbytes)
        self.memories.append(memory)
        return len(self.memories) - 1

    def _device_of(self, record: int) -> int:
        return self.memories[self.tensors[record].storage].device

    def _read(self, tensor: Tensor, device: int) -> int:
        """The record through which a step on a device reads a tensor; it is copied there first if need be."""
        uid = tensor.spec.uid
        if (uid, device) in self.elsewhere:
            return self.elsewhere[uid, device]
        if tensor.const is not None and device and uid not in self.ids:
            made = self.elsewhere[uid, device] = self._weight(tensor, None, "", device)
            return made
        record = self._read_at_home(tensor)
        if self._device_of(record) == device:
            return record
        if tensor.const is not None:
            made = self._weight(tensor, None, "", device)
        else:
            made = self._copy(tensor, device)
        self.elsewhere[uid, device] = made
        return made

    def _read_at_home(self, tensor: Tensor) -> int:
        """The record of a tensor where it was made; constants are at home on the host."""
        uid = tensor.spec.uid
        if uid not in self.ids:
            if tensor.const is not None and is_object(tensor):
                self.ids[uid] = self._constant_text(tensor, tensor.const)
            elif tensor.const is not None:
                self.ids[uid] = self._weight(tensor, None, "")
            elif uid in self.placed:
                self._enter(tensor.shape)
                storage, offset = self.placed[uid]
                self.ids[uid] = self._record(tensor.name, tensor.spec, storage, offset)
            else:
                raise BuildError(f'tensor "{tensor.name}" is read before it is made', hint="Report this as a bug.")
        return self.ids[uid]

    def _slot(self) -> int:
        """A place for a Python object, its own among all programs of the plan: nested ones share the table."""
        self.whole.slots += 1
        return self._memory(_Memory("slot", 0, self.whole.slots - 1))

    def _constant_text(self, tensor: Tensor, array: Array) -> int:
        """A step that gives an array of texts; the record of them."""
        made = self._record(tensor.name, tensor.spec, self._slot())
        self._python(TextConstant(array), tensor.name, [], made)
        return made

    def _python(self, op: Any, label: str, inputs: list[int], output: int) -> None:
        """A step that runs an operator which is no layer of the network."""
        index = self.whole.operator(op)
        self.steps.append(meta.Step("python", label, inputs, [output], [index], operator=index))

    def _weight(self, tensor: Tensor, pack: Pack | None, kernel: str, device: int = 0) -> int:
        assert tensor.const is not None
        index = self.whole.weights.add(tensor.name, tensor.const, pack, kernel)
        length = self.whole.weights.records[index].length
        storage = self._memory(_Memory("weight", length, index, device=device))
        return self._record(tensor.name, tensor.spec, storage, 0, PACKED_FORMAT if pack else 0)

    def _packed(self, tensor: Tensor, pack: Pack, kernel: str, device: int) -> int:
        key = (tensor.spec.uid, pack, device)
        if key not in self.packed:
            self.packed[key] = self._weight(tensor, pack, kernel, device)
        return self.packed[key]

    def _write(self, layer: Layer, choice: Choice) -> list[int]:
        """Give the outputs of a step their memory and records."""
        return [self._output(layer, index, tensor, choice) for index, tensor in enumerate(layer.outputs)]

    def _output(self, layer: Layer, index: int, tensor: Tensor, choice: Choice) -> int:
        spec = tensor.spec
        bounds = tuple(_bounds(tensor))
        data = bounds != spec.shape
        if data and self.live.last[self.live.root[spec.uid]] == self.time:
            # Nobody reads it, so no expression asks for its sizes; left open, they are still the kernel's to find.
            bounds = tuple(bound if bound == size else None for bound, size in zip(bounds, spec.shape, strict=True))
        known = tuple(size for size in bounds if size is not None)
        grown = len(known) != spec.rank
        nbytes = 0 if grown else TensorSpec(spec.dtype, known).nbytes
        storage = self.aliased if index == 0 else None
        if is_object(tensor):
            storage = self._slot()
        if storage is None:
            storage = None if data or index else self._shared(layer, choice, nbytes)
        if storage is None:
            storage = self._memory(
                _Memory(
                    "grown" if grown else "arena", nbytes, first=self.time, device=choice.device, written=spec.nbytes
                )
            )
            if choice.device:
                self.memories[storage].first_step = len(self.steps)
        memory = self.memories[storage]
        memory.last = max(memory.last, self.live.last[self.live.root[spec.uid]])
        self.placed[spec.uid] = storage, 0
        shape = [None if size is None else self.sizes.operand(size) for size in bounds]
        self.tensors.append(meta.TensorRecord(tensor.name, _record_type(spec.dtype), list(shape), storage))
        made = self.written[spec.uid] = len(self.tensors) - 1
        if not data:
            self.ids[spec.uid] = made
        self.sizes.ready[spec.uid] = len(self.segments) + 1
        return made

    def _shared(self, layer: Layer, choice: Choice, nbytes: Size) -> int | None:
        """The storage of an input that dies here and that the kernel may overwrite."""
        for index in choice.launch.inplace:
            tensor = layer.inputs[index]
            if tensor is not None and self._dies_here(tensor, nbytes, choice.device):
                return self.placed[tensor.spec.uid][0]
        return None

    def _dies_here(self, tensor: Tensor, nbytes: Size, device: int = 0) -> bool:
        """Whether a tensor is all of a piece of memory of this size that nobody reads after this layer."""
        if tensor.spec.uid not in self.placed:
            return False
        storage, offset = self.placed[tensor.spec.uid]
        memory = self.memories[storage]
        if memory.device != device:
            return False
        return memory.kind == "arena" and memory.last == self.time and offset == 0 and memory.nbytes == nbytes

    def _alias(self, layer: Layer, inputs: list[int], choice: Choice) -> None:
        """Let output 0 have the memory of the input that its operator names; of a copy if others need the old value."""
        self.aliased = None
        order = choice.launch.inputs or range(len(layer.inputs))
        for index in getattr(layer.op, "ALIAS", {}).values():
            tensor = layer.inputs[index] if index < len(layer.inputs) else None
            if tensor is None or is_object(tensor):
                return
            twice = sum(other is tensor for other in layer.inputs) > 1
            if twice or not self._dies_here(tensor, tensor.spec.nbytes, choice.device):
                made = self._duplicate(tensor, choice.device)
                inputs[:] = [made if place == index else old for place, old in zip(order, inputs, strict=True)]
                self.aliased = self.tensors[made].storage
            else:
                self.aliased = self.placed[tensor.spec.uid][0]

    def _copy(self, tensor: Tensor, device: int) -> int:
        """A step that copies a tensor to a device; the record of the copy, which lives as long as the tensor."""
        last = self.live.last[self.live.root.get(tensor.spec.uid, tensor.spec.uid)]
        memory = _Memory("arena", tensor.spec.nbytes, last=max(last, self.time), first_step=len(self.steps))
        memory.device = device
        made = self._record(f"{tensor.name} (copy)", tensor.spec, self._memory(memory))
        source = self._read_at_home(tensor)
        kernel = "copy_to_device" if device else "copy_to_host"
        self.steps.append(meta.Step(kernel, f"copy of {tensor.name}", [source], [made], device=1))
        return made

    def _duplicate(self, tensor: Tensor, device: int) -> int:
        """A step that copies a tensor where it is on a device; the record of the copy."""
        source = self._read(tensor, device)
        memory = _Memory("arena", tensor.spec.nbytes, first=self.time, first_step=len(self.steps), device=device)
        made = self._record(f"{tensor.name} (copy)", tensor.spec, self._memory(memory))
        kernel = COPY_ON_DEVICE if device else COPY_KERNEL
        self.steps.append(meta.Step(kernel, f"copy of {tensor.name}", [source], [made], device=device))
        return made

    # ---- layers --------------------------------------------------------------------------------------------------

    def run(self) -> meta.Program:
        """The whole program."""
        self._inputs()
        for layer in self.live.layers:
            self.time += 1
            self._layer(layer)
            self.steps_at.append(len(self.steps))
        return self._finish()

    def _inputs(self) -> None:
        for index, tensor in enumerate(self.network.inputs):
            on_device = int(tensor.spec.uid in self.live.on_device)
            memory = _Memory("input", 0, index, device=on_device)
            storage = self._slot() if is_object(tensor) else self._memory(memory)
            self.placed[tensor.spec.uid] = storage, 0
            self.sizes.ready[tensor.spec.uid] = 0
        for index, tensor in enumerate(self.network.inputs):
            self.ids[tensor.spec.uid] = self._record(tensor.name, tensor.spec, self.placed[tensor.spec.uid][0])
            for axis, size in enumerate(tensor.shape):
                if isinstance(size, Dim) and self.sizes.symbols.get(_symbol(size)) != (index, axis) and not self.outer:
                    self.sizes.exprs.append(("input_dim", index, axis))
                    given = ~(len(self.sizes.exprs) - 1)
                    label = f'input "{tensor.name}" axis {axis}'
                    self.checks.append(meta.Check("equal", given, self.sizes.operand(size), label))

    def _layer(self, layer: Layer) -> None:
        where = f'layer "{layer.name}" ({layer.kind})'
        _refuse_stacked_text(layer, where)
        for check in layer.checks:
            self._check(check.kind, check.a, check.b, where)
        offset = self.live.views.get(layer)
        if offset is not None:
            self._view(layer, offset)
            return
        choice = self.whole.choices[layer]
        self._enter([size for tensor in layer.outputs for size in _bounds(tensor) if size is not None])
        self._enter([*(value for value in choice.launch.params if isinstance(value, Dim)), choice.launch.workspace])
        nested = [value for _, value in network_fields(layer.op)]
        params: dict[Atom, int] = {}
        programs = [self.whole.add(network, self, params) for network in nested]
        inputs = self._step_inputs(layer, choice)
        self._alias(layer, inputs, choice)
        self._enter([Dim.from_terms({(atom,): 1}) for atom in params])
        written = [*choice.launch.params, *(Dim.from_terms({(atom,): 1}) for atom in params)]
        python = choice.kernel == "python"
        operator = self.whole.operator(layer.op) if python else None
        numbers = [self._param(value) for value in written]
        self.steps.append(
            meta.Step(
                kernel=choice.kernel,
                layer=layer.name,
                inputs=inputs,
                outputs=self._write(layer, choice),
                params=[operator, *numbers] if operator is not None else list(numbers),
                workspace=self.sizes.operand(choice.launch.workspace),
                programs=programs,
                operator=operator,
                sources=list(layer.sources),
                device=choice.device,
            )
        )
        for tensor in layer.outputs if choice.device else ():
            if tensor.spec.uid in self.live.values:  # a size is read from it later
                self._read(tensor, 0)

    def _param(self, value: Size | float) -> meta.Param:
        if isinstance(value, Dim):
            return [self.sizes.operand(value)]
        return float(value).hex() if isinstance(value, float) else int(value)

    def _step_inputs(self, layer: Layer, choice: Choice) -> list[int]:
        order = choice.launch.inputs if choice.launch.inputs is not None else range(len(layer.inputs))
        found = []
        for index in order:
            tensor = layer.inputs[index]
            pack = choice.launch.pack.get(index)
            if tensor is None:
                found.append(-1)
            elif pack is not None:
                found.append(self._packed(tensor, pack, choice.packers[index], choice.device))
            else:
                found.append(self._read(tensor, choice.device))
        return found

    def _view(self, layer: Layer, offset: Size) -> None:
        source, tensor = layer.inputs[0], layer.outputs[0]
        assert source is not None
        self._enter([*tensor.shape, offset])
        self._read_at_home(source)
        storage, base = (
            self.placed[source.spec.uid]
            if source.spec.uid in self.placed
            else (self.tensors[self.ids[source.spec.uid]].storage, 0)
        )
        self.placed[tensor.spec.uid] = storage, base + offset
        self.ids[tensor.spec.uid] = self._record(tensor.name, tensor.spec, storage, base + offset)
        self.sizes.ready[tensor.spec.uid] = self.sizes.ready.get(source.spec.uid, 0)
        root, begin = self.viewed.get(source.spec.uid, (source.spec.uid, 0))
        if isinstance(offset, int):
            self.viewed[tensor.spec.uid] = root, begin + offset

    # ---- the end -------------------------------------------------------------------------------------------------

    def _finish(self) -> meta.Program:
        outputs = [self._result(index, tensor) for index, (_, tensor) in enumerate(self.network.outputs)]
        self.segments.append(meta.Segment(len(self.sizes.exprs), len(self.checks), len(self.steps)))
        storages = [self._storage(memory) for memory in self.memories]
        return meta.Program(
            name=self.network.name,
            inputs=[self.ids[tensor.spec.uid] for tensor in self.network.inputs],
            outputs=outputs,
            n_params=len(self.sizes.params or ()),
            exprs=self.sizes.exprs,
            segments=self.segments,
            checks=self.checks,
            storages=storages,
            tensors=self.tensors,
            steps=self.steps,
        )

    def _result(self, index: int, tensor: Tensor) -> int:
        """The record of an output; memory that only this output needs becomes the caller's."""
        record = self._read_at_home(tensor)
        if is_object(tensor) and self.outer and tensor.producer is None and tensor.const is None:
            return self._passed_on(tensor, record)
        memory = self.memories[self.tensors[record].storage]
        nbytes = memory.written if memory.kind == "grown" else memory.nbytes
        whole = self.placed.get(tensor.spec.uid, (0, 0))[1] == 0 and nbytes in (tensor.spec.nbytes, 0)
        if memory.kind in ("arena", "grown") and whole:
            memory.kind, memory.value = "output", index
        return record

    def _passed_on(self, tensor: Tensor, record: int) -> int:
        """A further slot for what a nested program gives back as it got it: of two values a loop may swap the slots."""
        made = self._record(tensor.name, tensor.spec, self._slot())
        self._python(Identity(), f"copy of {tensor.name}", [record], made)
        return made

    def _storage(self, memory: _Memory) -> meta.Storage:
        return meta.Storage(
            kind=memory.kind,
            value=memory.value,
            size=memory.size if memory.kind in ("arena", "output") else 0,
            first=max(self._step(memory.first) if memory.first_step is None else memory.first_step, 0),
            last=max(self._step(memory.last), 0),
            segment=memory.segment,
            device=memory.device,
        )

    def _step(self, time: int) -> int:
        """The last step at or before a time; one past the last step for what the caller reads."""
        return self.steps_at[time] - 1 if time < len(self.steps_at) else len(self.steps)


def _upper(size: Size, uid: int) -> Size | None:
    """A size of tensor `uid` with what only its kernel finds out replaced by the upper bound; None if there is none."""
    if not isinstance(size, Dim) or uid not in atom_uids([size]):
        return size
    atom = size.atoms[0]
    if len(size.atoms) != 1 or atom.kind != "data":
        raise BuildError(f"the data-dependent size {size} is not a plain one", hint="Use Dim.data() alone as a size.")
    return atom.sizes[0] if atom.sizes else None


def _bounds(tensor: Tensor) -> list[Size | None]:
    return [_upper(size, tensor.spec.uid) for size in tensor.shape]


def is_object(tensor: Tensor) -> bool:
    """Whether a tensor holds texts or is a sequence: Python objects in a slot, not numbers in memory."""
    return tensor.dtype.is_object


def _record_type(dtype: DataType) -> int:
    """The type of a tensor in a program, where all Python objects are alike."""
    return int(DataType.STRING if dtype.is_object else dtype)


def _refuse_stacked_text(layer: Layer, where: str) -> None:
    """Raise for a loop that stacks texts over its iterations: native code stacks memory only."""
    for tensor in layer.outputs[layer.op.n_carried :] if isinstance(layer.op, Loop) else ():
        if is_object(tensor):
            message = f'tensor "{tensor.name}" stacks the texts of all iterations, which engines cannot do'
            raise UnsupportedModel(message, hint="Carry the texts, and Concat them in the body.", where=where)


def _symbol(size: Size) -> str:
    """The name of a size that is one named dimension, else an empty text."""
    if isinstance(size, Dim) and len(size.terms) == 1 and size.terms[0][1] == 1 and len(size.terms[0][0]) == 1:
        atom = size.terms[0][0][0]
        return str(atom.args[0]) if atom.kind == "symbol" else ""
    return ""
