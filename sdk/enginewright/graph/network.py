"""The model as a graph: tensors and layers, strongly typed, with symbolic sizes; what every pass reads and rewrites."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, overload

import numpy as np

from enginewright.dims import Check, Dim, Size, collect_checks, substitute
from enginewright.errors import DataTypeError, EnginewrightError, NetworkError, ShapeError
from enginewright.graph.methods import OperatorMethods
from enginewright.graph.wide_layers import WideLayer
from enginewright.registry.faults import OWN, plugin_faults
from enginewright.registry.registry import Key, infer_specs, registry, run_reference
from enginewright.registry.state import check_field_names
from enginewright.tensors import MAX_RANK, MAX_VALUE_ELEMENTS, DataType, Shape, TensorSpec, as_objects

Array = np.ndarray[Any, Any]


@dataclass(eq=False)
class Tensor:
    """An edge of the graph: what one layer (or the caller, or the model's file) gives to others.

    `readers` are the layers that have it as an input, as often as they have it; `Network` keeps them true.
    """

    name: str
    spec: TensorSpec
    producer: Layer | None = None
    const: Array | None = None
    readers: list[Layer] = field(default_factory=list)

    @property
    def dtype(self) -> DataType:
        """Element type."""
        return self.spec.dtype

    @property
    def shape(self) -> Shape:
        """Sizes: an ``int`` or a `Dim` for each axis."""
        return self.spec.shape

    @property
    def rank(self) -> int:
        """Number of axes."""
        return self.spec.rank

    def __repr__(self) -> str:
        return f"<Tensor {self.name} {self.spec}>"


@dataclass(eq=False)
class Layer:
    """A node of the graph: one operator with its input and output tensors, and the ONNX nodes that it stands for."""

    name: str
    op: Any  # an Operator; passes that know its key read its fields
    inputs: list[Tensor | None]
    outputs: list[Tensor] = field(default_factory=list)
    sources: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    _inferred: tuple[Any, ...] = field(default=(), init=False, repr=False)
    """What its specs were found for: the operator, and all specs."""

    @property
    def key(self) -> Key:
        """The operator's key."""
        key: Key = self.op.KEY
        return key

    @property
    def kind(self) -> str:
        """The name of a built-in operator; of a plugin's the key, so that no pass takes it for a built-in one."""
        key: Key = self.op.KEY
        return key.name if key.namespace == OWN else str(key)

    def __repr__(self) -> str:
        return f"<Layer {self.name} {self.op}>"


class Network(OperatorMethods):
    """A graph of layers in topological order. Every operator is a method that adds a layer and returns its outputs."""

    def __init__(self, name: str = "network", *, parent: Network | None = None) -> None:
        """An empty network; `parent` is given for the nested networks of If, Loop and Scan."""
        self.name = name
        self.parent = parent
        self.inputs: list[Tensor] = []
        self.outputs: list[tuple[str, Tensor]] = []
        self.layers: list[Layer] = []
        self.notes: list[str] = []
        self.wide: list[WideLayer] = []
        self._uids: Iterator[int] = parent._uids if parent else itertools.count()
        self._names: set[str] = set()
        self._sources: tuple[str, ...] = ()
        self._label = ""
        self._position: int | None = None

    # ---- building ----------------------------------------------------------------------------------------------

    def input(self, name: str, dtype: DataType, shape: Sequence[Size | str]) -> Tensor:
        """Add an input; a size given as text is a named dimension, the same name the same size everywhere."""
        if any(tensor.name == name for tensor in self.inputs):
            raise NetworkError(f'two inputs are named "{name}"', hint="Give each input its own name.")
        sizes = tuple(Dim(size) if isinstance(size, str) else size for size in shape)
        tensor = self._tensor(name, TensorSpec(DataType(dtype), sizes))
        self.inputs.append(tensor)
        return tensor

    def constant(self, array: Any, name: str = "") -> Tensor:
        """Add a constant; small ones are visible to shape rules."""
        data = as_objects(np.asarray(array))
        tensor = self._tensor(name or "constant", _constant_spec(data))
        tensor.const = data
        return tensor

    def output(self, name: str, tensor: Tensor) -> None:
        """Make a tensor an output of the network."""
        if any(known == name for known, _ in self.outputs):
            raise NetworkError(f'two outputs are named "{name}"', hint="Give each output its own name.")
        self.outputs.append((name, tensor))

    @overload
    def add(self, op: Tensor, b: Tensor, /, *, name: str = "") -> Tensor: ...

    @overload
    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> tuple[Tensor, ...]: ...

    def add(self, op: Any, /, *inputs: Tensor | None, name: str = "") -> Any:
        """Add a layer of `op`, an instance of an operator class; its outputs. Shape errors name the layer.

        Of two tensors: their sum, as the methods of all other operators work.
        """
        if isinstance(op, Tensor):
            return self.add(registry.operator(Key("ew", "Add"))(), op, *inputs, name=name)[0]
        kept = list(inputs)
        while kept and kept[-1] is None:  # a missing last input and one that is left out are the same
            kept.pop()
        layer = Layer(self._unique(name or self._label or op.KEY.name), op, kept, sources=self._sources)
        for spec in self._infer(layer):
            bound = _bind(spec, next(self._uids))
            layer.outputs.append(Tensor(f"{layer.name}:{len(layer.outputs)}", bound, layer))
        for given in layer.inputs:
            if given is not None:
                given.readers.append(layer)
        if self._position is None:
            self.layers.append(layer)
        else:
            self.layers.insert(self._position, layer)
            self._position += 1
        return tuple(layer.outputs)

    def op(self, key: str, *inputs: Tensor | None, version: int | None = None, **values: Any) -> Any:
        """Add a layer of the operator ``namespace::Name`` with the given fields; its output, a tuple if there are more.

        Without a version (``acme::Swish@2``, or `version=2`) the newest one is taken.
        """
        parsed = Key.parse(key, version)
        cls = registry.newest(parsed.namespace, parsed.name) if version is None and "@" not in key else None
        cls = cls or registry.operator(parsed)
        check_field_names(cls, values)
        with plugin_faults(str(cls.KEY), "__init__"):
            op = cls(**values)
        made = self.add(op, *inputs)
        return made[0] if len(made) == 1 else made

    # ---- rewriting ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def at(self, layer: Layer | None = None, *, sources: Iterable[str] = (), label: str = "") -> Iterator[None]:
        """Inside the block new layers go before `layer` (None: to the end) and carry these ONNX node names."""
        kept = self._position, self._sources, self._label
        self._position = None if layer is None else self.layers.index(layer)
        self._sources = tuple(sources) or (layer.sources if layer else ())
        self._label = label or (layer.name if layer else "")
        try:
            yield
        finally:
            self._position, self._sources, self._label = kept

    def replace(self, old: Tensor, new: Tensor) -> None:
        """Let every reader of `old`, outputs of the network included, read `new` instead."""
        for layer in dict.fromkeys(old.readers):
            layer.inputs = [new if tensor is old else tensor for tensor in layer.inputs]
        new.readers += old.readers
        old.readers = []
        self.outputs = [(name, new if tensor is old else tensor) for name, tensor in self.outputs]

    def make_constant(self, tensor: Tensor, array: Array) -> None:
        """Turn a layer's output into a constant, in place; the layer is to be removed."""
        tensor.spec = replace(_constant_spec(array), uid=tensor.spec.uid)
        tensor.const, tensor.producer = array, None

    def remove(self, layers: Iterable[Layer]) -> None:
        """Drop layers whose outputs nobody reads any more."""
        gone = {id(layer): layer for layer in layers}
        if len(gone) == 1:
            self.layers = self.layers.copy()
            with contextlib.suppress(ValueError):
                self.layers.remove(*gone.values())
        else:
            self.layers = [layer for layer in self.layers if id(layer) not in gone]
        for layer in gone.values():
            for tensor in dict.fromkeys(layer.inputs):
                if tensor is not None:
                    tensor.readers = [reader for reader in tensor.readers if reader is not layer]

    def sole_reader(self, tensor: Tensor) -> Layer | None:
        """The one layer that reads a tensor, however often; None if there are more, or the caller reads it too."""
        readers = dict.fromkeys(tensor.readers)
        return next(iter(readers)) if len(readers) == 1 and not self.is_output(tensor) else None

    def infer(self) -> None:
        """Infer every spec again, in order; to be called after a pass changed what layers read.

        A layer is left out if neither its operator nor any of its specs was replaced since the last time.
        """
        for layer in self.layers:
            known = _known_by(layer)
            if len(known) == len(layer._inferred) and all(map(operator.is_, known, layer._inferred)):
                continue
            for tensor, spec in zip(layer.outputs, self._infer(layer), strict=True):
                tensor.spec = _bind(spec, tensor.spec.uid)
            # What an operator with networks inside gives depends on these, too.
            layer._inferred = () if any(network_fields(layer.op)) else _known_by(layer)

    def is_output(self, tensor: Tensor) -> bool:
        """Whether the caller of the network sees this tensor."""
        return any(tensor is out for _, out in self.outputs)

    def nested(self) -> Iterator[tuple[Layer, str, Network]]:
        """The networks inside If, Loop and Scan layers, with the field that holds each."""
        for layer in self.layers:
            for name, inner in network_fields(layer.op):
                yield layer, name, inner

    def evaluate(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the operators' NumPy references on arrays, by input name; the outputs' arrays by name.

        A sequence is a list, an optional a list of one item or none.
        """
        values: dict[Tensor, Any] = {tensor: inputs[tensor.name] for tensor in self.inputs}
        for layer in self.layers:
            given = [None if tensor is None else values.get(tensor, tensor.const) for tensor in layer.inputs]
            values.update(zip(layer.outputs, run_reference(layer.op, given, layer.name), strict=True))
        found: dict[str, Any] = {name: values.get(tensor, tensor.const) for name, tensor in self.outputs}
        for name, item in found.items():
            found[name] = item if isinstance(item, list) else np.asarray(item)
        return found

    # ---- inside ------------------------------------------------------------------------------------------------

    def _infer(self, layer: Layer) -> tuple[TensorSpec, ...]:
        specs = [None if tensor is None else tensor.spec for tensor in layer.inputs]
        if not getattr(layer.op, "CONTAINERS", False):
            _refuse_containers(layer)
        with collect_checks() as checks:
            try:
                found = infer_specs(layer.op, specs, layer.name)
            except EnginewrightError as error:
                raise _placed(error, layer) from None
            except TypeError as error:
                raise NetworkError(
                    f"{layer.op.KEY.name} does not take these inputs: {error}",
                    hint=f"Its inputs are: {', '.join(inspect.signature(layer.op.infer).parameters)}.",
                    where=_where(layer),
                ) from error
        layer.checks = tuple(dict.fromkeys(checks))
        for spec in found:
            _check_limits(spec, layer)
        return found

    def _tensor(self, name: str, spec: TensorSpec) -> Tensor:
        return Tensor(name, replace(spec, uid=next(self._uids)))

    def _unique(self, name: str) -> str:
        found = name
        for number in itertools.count(1):
            if found not in self._names:
                break
            found = f"{name}.{number}"
        self._names.add(found)
        return found


def network_fields(op: Any) -> Iterator[tuple[str, Network]]:
    """The nested networks of an operator, in the order of its fields."""
    for name in _names_of_fields(op.__class__):
        value = getattr(op, name)
        if isinstance(value, Network):
            yield name, value


@cache
def _names_of_fields(cls: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cls))


def _constant_spec(data: Array) -> TensorSpec:
    """The spec of an array, with its contents if it is small."""
    spec = TensorSpec(DataType.of(data), data.shape, constant=True)
    if data.size <= MAX_VALUE_ELEMENTS and (spec.dtype.is_integer or spec.dtype.is_float or data.dtype == bool):
        known = data.astype(np.float64) if spec.dtype.is_float else data
        spec = replace(spec, value=tuple(known.reshape(-1).tolist()))
    return spec


def _known_by(layer: Layer) -> tuple[Any, ...]:
    """All that shape rules read, and what they gave; specs and operators are never changed, only replaced."""
    specs = [None if tensor is None else tensor.spec for tensor in layer.inputs]
    return (layer.op, len(specs), *specs, *(tensor.spec for tensor in layer.outputs))


def _bind(spec: TensorSpec, uid: int) -> TensorSpec:
    """The spec of this tensor; data-dependent sizes of a new one get their identity: tensor and axis."""
    return replace(spec, uid=uid, shape=tuple(_bind_size(size, uid, axis) for axis, size in enumerate(spec.shape)))


def _bind_size(size: Size, uid: int, axis: int) -> Size:
    if isinstance(size, Dim) and len(size.atoms) == 1 and size.atoms[0].kind == "data" and size.atoms[0].args[0] == -1:
        atom = replace(size.atoms[0], args=(uid, axis, size.atoms[0].args[2]))
        return substitute(size, lambda old: Dim.from_terms({(atom,): 1}) if old.args[:1] == (-1,) else None)
    return size


def _refuse_containers(layer: Layer) -> None:
    for tensor in layer.inputs:
        if tensor is not None and tensor.dtype.is_container:
            raise DataTypeError(
                f"it reads a {tensor.spec}, which only the operators for sequences can",
                hint="Take its items first.",
                where=_where(layer),
            )


def _check_limits(spec: TensorSpec, layer: Layer) -> None:
    if spec.rank > MAX_RANK:
        raise ShapeError(
            f"an output has {spec.rank} axes", hint=f"At most {MAX_RANK} are supported.", where=_where(layer)
        )
    for axis, size in enumerate(spec.shape):
        if isinstance(size, int) and not 0 <= size < 2**31:
            raise ShapeError(
                f"output axis {axis} would have size {size}",
                hint="Sizes are from 0 to 2147483647; check the layer's attributes and input shapes.",
                where=_where(layer),
            )


def _where(layer: Layer) -> str:
    return f'layer "{layer.name}" ({layer.op.KEY.name})'


def _placed(error: EnginewrightError, layer: Layer) -> EnginewrightError:
    """The same error, naming the layer if it names none yet."""
    shapes = ", ".join("-" if tensor is None else f"{tensor.name} {tensor.spec}" for tensor in layer.inputs)
    return error.located(f"{_where(layer)}; inputs: {shapes}")
