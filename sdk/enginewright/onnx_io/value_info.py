"""Reads what a model says of its tensors: the types and shapes of inputs, and those that it states of others."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import onnx.helper

from enginewright.dims import Dim, Size
from enginewright.errors import ModelError, ModelInvalid, UnsupportedModel
from enginewright.graph.network import Tensor
from enginewright.onnx_io.model_file import EXPORT_AGAIN, unknown_type
from enginewright.tensors import ELEMENT_TYPES, DataType, ItemSpec, TensorSpec

MAX_SIZE = 2**31 - 1
CONTAINERS = {"sequence_type": DataType.SEQUENCE, "optional_type": DataType.OPTIONAL}


def value_spec(info: onnx.ValueInfoProto) -> TensorSpec:
    """The spec of a graph input: sizes without a value get the name "input.axis"."""
    where = f'graph input "{info.name}"'
    if info.type.WhichOneof("value") in CONTAINERS:
        return type_spec(info.type, where)
    proto = _tensor_type(info.type, where)
    if not proto.HasField("shape"):
        raise UnsupportedModel(
            "its rank is not given", hint="Export with a shape; named axes may be free.", where=where
        )
    sizes: list[Size] = []
    for axis, dim in enumerate(proto.shape.dim):
        if dim.HasField("dim_value") and 0 <= dim.dim_value <= MAX_SIZE:
            sizes.append(dim.dim_value)
        elif dim.HasField("dim_value") and dim.dim_value != -1:
            raise ModelInvalid(f"axis {axis} has size {dim.dim_value}", hint=EXPORT_AGAIN, where=where)
        else:
            # Some exporters write "?" for each size that they do not know: that is no name.
            named = dim.dim_param[:1].isalpha() or dim.dim_param[:1] == "_"
            sizes.append(Dim(dim.dim_param if named else f"{info.name}.{axis}"))
    return TensorSpec(DataType(proto.elem_type), tuple(sizes))


def type_spec(proto: onnx.TypeProto, where: str) -> TensorSpec:
    """The spec of a tensor, a sequence or an optional of a type; sizes that it does not know are open."""
    items = item_spec(proto, where)
    if items.items is not None:
        return TensorSpec(items.dtype, (), items=items.items)
    return items.spec()


def item_spec(proto: onnx.TypeProto, where: str) -> ItemSpec:
    """What a type says of an item of a sequence or an optional."""
    kind = proto.WhichOneof("value")
    if kind in CONTAINERS:
        return ItemSpec(CONTAINERS[kind], (), item_spec(getattr(proto, kind).elem_type, where))
    tensor = _tensor_type(proto, where)
    sizes = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in tensor.shape.dim]
    return ItemSpec(DataType(tensor.elem_type), tuple(sizes) if tensor.HasField("shape") else None)


def type_proto(spec: TensorSpec | ItemSpec | None) -> onnx.TypeProto:
    """The type of a tensor, a sequence or an optional in ONNX; nothing where the spec is None."""
    if spec is None:
        return onnx.TypeProto()
    if spec.items is not None:
        sequence = spec.dtype is DataType.SEQUENCE
        make = onnx.helper.make_sequence_type_proto if sequence else onnx.helper.make_optional_type_proto
        return make(type_proto(spec.items))
    if spec.shape is None:
        return onnx.helper.make_tensor_type_proto(int(spec.dtype), None)
    shape = [size if isinstance(size, int) else str(size) for size in spec.shape]
    return onnx.helper.make_tensor_type_proto(int(spec.dtype), shape)


def _tensor_type(proto: onnx.TypeProto, where: str) -> onnx.TypeProto.Tensor:
    kind = proto.WhichOneof("value")
    if kind is None:
        raise ModelInvalid("it has no type", hint=EXPORT_AGAIN, where=where)
    if kind != "tensor_type":
        hint = "Only tensors, sequences and optionals are supported."
        raise UnsupportedModel(f"it is no tensor ({kind})", hint=hint, where=where)
    if proto.tensor_type.elem_type not in ELEMENT_TYPES:
        raise unknown_type(proto.tensor_type.elem_type, where)
    return proto.tensor_type


def stated_specs(graph: onnx.GraphProto, inputs: Sequence[Tensor]) -> dict[str, TensorSpec]:
    """What the file says of tensors, where all sizes are numbers or named at an input.

    Only floats and booleans: the contents of integers may be sizes.
    """
    known = {size for tensor in inputs for size in tensor.shape if isinstance(size, Dim)}
    found: dict[str, TensorSpec] = {}
    for info in (*graph.value_info, *graph.output):
        try:
            spec = value_spec(info)
        except ModelError:
            continue
        plain = spec.dtype.is_float or spec.dtype is DataType.BOOL
        if plain and all(isinstance(size, int) or size in known for size in spec.shape):
            found[info.name] = spec
    return found
