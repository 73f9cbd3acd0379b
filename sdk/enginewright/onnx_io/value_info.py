"""Reads what a model says of its tensors: the types and shapes of inputs, and those that it states of others."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from enginewright.dims import Dim, Size
from enginewright.errors import ModelError, ModelInvalid, UnsupportedModel
from enginewright.graph.network import Tensor
from enginewright.onnx_io.model_file import EXPORT_AGAIN, unknown_type
from enginewright.tensors import DataType, TensorSpec

MAX_SIZE = 2**31 - 1


def value_spec(info: onnx.ValueInfoProto) -> TensorSpec:
    """The spec of a graph input: sizes without a value get the name "input.axis"."""
    where = f'graph input "{info.name}"'
    kind = info.type.WhichOneof("value")
    if kind is None:
        raise ModelInvalid("it has no type", hint=EXPORT_AGAIN, where=where)
    if kind != "tensor_type":
        raise UnsupportedModel(f"it is no tensor ({kind})", hint="Only tensor inputs are supported.", where=where)
    proto = info.type.tensor_type
    if proto.elem_type not in set(DataType):
        raise unknown_type(proto.elem_type, where)
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
