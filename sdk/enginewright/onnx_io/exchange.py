"""Writes into an ONNX file what ONNX has no word for, sizes that are expressions and names used twice, and reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import onnx

from enginewright.dims import Atom, Dim, Size
from enginewright.errors import EnginewrightError, ModelInvalid, NetworkError
from enginewright.onnx_io.model_file import EXPORT_AGAIN
from enginewright.ops.pointwise import Instruction, PointwiseProgram
from enginewright.registry.registry import Key, registry
from enginewright.tensors import DataType, TensorSpec

NAME, OUTPUT_NAME, SOURCES, SPEC = "ew.name", "ew.output", "ew.sources", "ew.spec"
"""Keys of the metadata: a tensor's own name, that of an output, the ONNX nodes behind a layer, sizes and contents."""

CODED = "ew:"
"""How the text of an attribute begins that stands for a value without a form in ONNX."""

SYMMETRIC = frozenset({"min", "max", "broadcast", "equal"})
"""Atoms whose arguments stand in the order of their texts."""

SIZES_OF = {
    "floordiv": 2,
    "mod": 2,
    "ceildiv": 2,
    "min": 2,
    "max": 2,
    "broadcast": 2,
    "equal": 2,
    "less": 2,
    "select": 3,
}
"""Atoms that are functions of sizes alone, with the number of these."""

RECORDS = {cls.__name__: cls for cls in (PointwiseProgram, Instruction)}
NameOf = Callable[[int], str]
UidOf = Callable[[str], int]


def metadata_of(proto: Any) -> dict[str, str]:
    """The metadata of a node, value, tensor or graph."""
    return {item.key: item.value for item in proto.metadata_props}


def add_metadata(proto: Any, key: str, value: str) -> None:
    """Add an entry to the metadata of a node, value, tensor or graph."""
    proto.metadata_props.append(onnx.StringStringEntryProto(key=key, value=value))


def sources_of(node: onnx.NodeProto, name: str) -> tuple[str, ...]:
    """The ONNX nodes that a layer stands for: the node itself, or in a file that we wrote what it says."""
    text = metadata_of(node).get(SOURCES)
    if text is None:
        return (name,)
    try:
        return tuple(_text(item) for item in json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise ModelInvalid(f"its metadata {SOURCES} is no list of names", hint=EXPORT_AGAIN) from None


@dataclass(frozen=True)
class Writer:
    """Turns values into JSON; `name_of` gives the name of the tensor that a size reads."""

    name_of: NameOf

    def text(self, value: Any) -> str:
        """Any field of an operator, as text."""
        return dumps(self.value(value))

    def spec(self, spec: TensorSpec) -> str:
        """Shape and known contents of a tensor, as text."""
        value = None if spec.value is None else [self.size(item) for item in spec.value]
        return dumps({"shape": [self.size(size) for size in spec.shape], "value": value, "constant": spec.constant})

    def size(self, size: Size | float) -> Any:
        """A number as it is, an expression as a list of terms: a factor and its atoms."""
        if not isinstance(size, Dim):
            return size
        return [[factor, *map(self._atom, monomial)] for monomial, factor in size.terms]

    def _atom(self, atom: Atom) -> list[Any]:
        args = [self.size(arg) if isinstance(arg, Dim) else arg for arg in atom.args]
        if atom.kind in ("value", "data"):
            args[0] = self.name_of(int(str(atom.args[0])))
        return [atom.kind, *args]

    def value(self, value: Any) -> list[Any]:
        """Any field of an operator, as [kind, content]."""
        if isinstance(value, DataType):
            return ["dtype", value.name]
        if value is None or isinstance(value, bool | int | str):
            return ["plain", value]
        if isinstance(value, float):
            return ["float", value.hex()]
        if isinstance(value, Dim):
            return ["size", self.size(value)]
        if isinstance(value, tuple):
            return ["tuple", [self.value(item) for item in value]]
        if is_dataclass(value) and not isinstance(value, type):
            content = {item.name: self.value(getattr(value, item.name)) for item in fields(value)}
            key = getattr(value, "KEY", None)
            return ["operator", str(key), content] if key else ["record", type(value).__name__, content]
        raise NetworkError(
            f"a field of type {type(value).__name__} cannot be written to ONNX",
            hint="Use numbers, texts, arrays, networks, and tuples of these.",
        )


@dataclass(frozen=True)
class Reader:
    """Turns JSON back into values; `uid_of` finds the tensor that a size reads by its name in the file."""

    uid_of: UidOf

    def value(self, text: str) -> Any:
        """A field of an operator; `ModelInvalid` where the text is none."""
        return self._guarded(text, self._value)

    def spec(self, text: str, dtype: DataType) -> TensorSpec:
        """A spec; `ModelInvalid` where the text is none."""
        found: TensorSpec = self._guarded(text, lambda data: self._spec(data, dtype))
        return found

    def _guarded(self, text: str, read: Callable[[Any], Any]) -> Any:
        try:
            return read(json.loads(text))
        except EnginewrightError:
            raise
        except (ValueError, TypeError, KeyError, LookupError, RecursionError, ArithmeticError) as error:
            raise ModelInvalid(f"{text[:60]!r} describes no value: {error}", hint=EXPORT_AGAIN) from None

    def _spec(self, data: Mapping[str, Any], dtype: DataType) -> TensorSpec:
        value = data["value"]
        return TensorSpec(
            dtype,
            tuple(_whole(self._size(size)) for size in data["shape"]),
            None if value is None else tuple(self._size(item) for item in value),
            constant=bool(data["constant"]),
        )

    def _size(self, data: Any) -> Any:
        if isinstance(data, int | float):
            return data
        terms = {tuple(sorted(map(self._atom, atoms), key=str)): _whole(factor) for factor, *atoms in data}
        return Dim.from_terms(terms)

    def _atom(self, data: Any) -> Atom:
        kind, *args = data
        if kind == "symbol":
            return Atom(kind, (_text(*args),))
        if kind == "scale":
            return Atom(kind, (_whole(self._size(args[0])), float.fromhex(_text(*args[1:])).hex()))
        if kind == "value":
            return Atom(kind, (self.uid_of(args[0]), int(*args[1:])))
        if kind == "data":
            upper = None if args[2] is None else _whole(self._size(args[2]))
            return Atom(kind, (self.uid_of(args[0]), int(args[1]), upper))
        found = [_whole(self._size(arg)) for arg in args]
        if len(found) != SIZES_OF[kind]:
            raise ValueError(f"{kind} of {len(found)} sizes")
        return Atom(kind, tuple(sorted(found, key=str) if kind in SYMMETRIC else found))

    def _value(self, data: Any) -> Any:
        kind, content = data[0], data[1]
        readers: dict[str, Callable[[], Any]] = {
            "plain": lambda: content,
            "float": lambda: float.fromhex(content),
            "dtype": lambda: DataType[content],
            "size": lambda: self._size(content),
            "tuple": lambda: tuple(map(self._value, content)),
            "record": lambda: RECORDS[content](**self._fields(data[2])),
            "operator": lambda: registry.operator(Key.parse(content))(**self._fields(data[2])),
        }
        return readers[kind]()

    def _fields(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(item) for name, item in content.items()}


def dumps(value: Any) -> str:
    """JSON without spaces; keys in the order in which they are given."""
    return json.dumps(value, separators=(",", ":"))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is no text")


def _whole(value: Any) -> Any:
    if isinstance(value, int | Dim) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is no size")
