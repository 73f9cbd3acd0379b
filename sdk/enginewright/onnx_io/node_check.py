"""Checks a node against the definition of its operator: numbers of inputs and outputs, attributes, types."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import onnx.defs

from enginewright.errors import ModelInvalid
from enginewright.graph.network import Tensor
from enginewright.onnx_io.model_file import EXPORT_AGAIN
from enginewright.registry.onnx_node import NotSupported
from enginewright.tensors import DataType, ItemSpec, TensorSpec

OF_ANY_OPSET = {"LayerNormalization": 17, "SimplifiedLayerNormalization": 1}
"""What ONNX Runtime's optimizer writes into models of older opsets, too, with the version that defines it."""

_NAMES = {DataType.FLOAT32: "float", DataType.FLOAT64: "double"}


@dataclass(frozen=True)
class Formal:
    """One formal input: `group` is the type parameter that it shares with others ("" for none)."""

    name: str
    group: str
    types: frozenset[str]
    required: bool


@dataclass(frozen=True)
class Signature:
    """What ONNX says of an operator: formal inputs, the last for all further ones if `variadic`, and attributes."""

    inputs: tuple[Formal, ...]
    variadic: bool
    least_inputs: int
    outputs: tuple[int, int]
    attributes: dict[str, int]
    required: frozenset[str]

    def formal(self, index: int) -> Formal:
        """The formal input at a position."""
        return self.inputs[min(index, len(self.inputs) - 1)]


def check_node(proto: onnx.NodeProto, domain: str, version: int, inputs: Sequence[Tensor | None]) -> None:
    """Raise `ModelInvalid` if the node breaks its operator's definition; nothing is known of foreign operators.

    `inputs` holds None where one is left out. `NotSupported`: the opset has no such operator yet.
    """
    if domain == "ai.onnx":
        version = max(version, OF_ANY_OPSET.get(proto.op_type, 0))
    signature = _signature(proto.op_type, version, "" if domain == "ai.onnx" else domain)
    if signature is None and domain == "ai.onnx" and proto.op_type not in OF_ANY_OPSET:
        raise NotSupported(f"opset {version} has no such operator")
    if signature is not None:
        for problem in (*_counts(proto, signature), *_attributes(proto, signature), *_types(signature, inputs)):
            raise ModelInvalid(problem, hint=EXPORT_AGAIN)


@functools.cache
def _signature(op_type: str, version: int, domain: str) -> Signature | None:
    try:
        schema: Any = onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return None
    option = onnx.defs.OpSchema.FormalParameterOption
    parameters = {constraint.type_param_str for constraint in schema.type_constraints}
    formals = [
        Formal(
            item.name,
            item.type_str if item.type_str in parameters and item.is_homogeneous else "",
            frozenset(item.types),
            item.option == option.Single,
        )
        for item in schema.inputs
    ]
    return Signature(
        tuple(formals),
        bool(schema.inputs) and schema.inputs[-1].option == option.Variadic,
        schema.min_input,
        (schema.min_output, schema.max_output),
        {name: int(item.type.value) for name, item in schema.attributes.items()},
        frozenset(name for name, item in schema.attributes.items() if item.required),
    )


def _counts(proto: onnx.NodeProto, signature: Signature) -> Iterator[str]:
    """Yield what is wrong with the numbers of inputs and outputs."""
    given = len(proto.input)
    while given and not proto.input[given - 1]:
        given -= 1
    if given < signature.least_inputs:
        yield f"it has {given} inputs, {proto.op_type} needs {signature.least_inputs}"
    if given > len(signature.inputs) and not signature.variadic:
        yield f"it has {given} inputs, {proto.op_type} takes {len(signature.inputs)}"
    for name, formal in zip(proto.input[:given], signature.inputs, strict=False):
        if not name and formal.required:
            yield f'its input "{formal.name}" is left out'
    least, most = signature.outputs
    if not least <= len(proto.output) <= most or (least and not any(proto.output)):
        yield f"it has {sum(map(bool, proto.output))} outputs, {proto.op_type} has {least} to {most}"


def _attributes(proto: onnx.NodeProto, signature: Signature) -> Iterator[str]:
    """Yield what is wrong with the attributes."""
    for item in proto.attribute:
        wanted = signature.attributes.get(item.name)
        if wanted is None:
            yield f'{proto.op_type} has no attribute "{item.name}"'
        elif item.type not in (wanted, onnx.AttributeProto.UNDEFINED):
            kind = onnx.AttributeProto.AttributeType.Name
            yield f'attribute "{item.name}" is of type {kind(item.type)}, not {kind(wanted)}'
    for name in sorted(signature.required - {item.name for item in proto.attribute}):
        yield f'attribute "{name}" is missing'


def _types(signature: Signature, inputs: Sequence[Tensor | None]) -> Iterator[str]:
    """Yield what is wrong with the data types of the inputs."""
    bound: dict[str, tuple[str, str]] = {}
    for index, tensor in enumerate(inputs):
        if tensor is None or not signature.inputs:
            continue
        formal, kind = signature.formal(index), _kind(tensor.spec)
        given = f"a {tensor.spec}" if tensor.dtype.is_container else f"{tensor.dtype}"
        if kind not in formal.types:
            yield f'its input "{formal.name}" is {given}, which is not allowed there'
        first, known = bound.setdefault(formal.group or f"{index}", (formal.name, kind))
        if known != kind:
            yield f'its inputs "{first}" and "{formal.name}" are {known} and {kind}, and must be alike'


def _kind(spec: TensorSpec | ItemSpec) -> str:
    """A type as ONNX writes it in the definitions of operators."""
    if spec.items is None:
        return f"tensor({_NAMES.get(spec.dtype, str(spec.dtype))})"
    return f"{'seq' if spec.dtype is DataType.SEQUENCE else 'optional'}({_kind(spec.items)})"
