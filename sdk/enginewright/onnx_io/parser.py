"""Imports an ONNX model as a Network: every node by its rule, functions inlined, all unsupported nodes at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
import onnx.defs

import enginewright.ops
from enginewright.dims import Dim, Size
from enginewright.errors import (
    EnginewrightError,
    ModelInvalid,
    NetworkError,
    SymbolicShapeError,
    UnsupportedDetails,
    UnsupportedModel,
    UnsupportedNode,
    UsageError,
)
from enginewright.graph.network import Network, Tensor
from enginewright.onnx_io.attributes import FunctionNode, attribute_values, resolve_references
from enginewright.onnx_io.custom_domain import custom_rule
from enginewright.onnx_io.exchange import NAME, OUTPUT_NAME, SPEC, Reader, metadata_of, sources_of
from enginewright.onnx_io.model_file import EXPORT_AGAIN, read_model, read_tensor, unknown_type
from enginewright.onnx_io.node_check import check_node
from enginewright.registry.onnx_node import NotSupported, OnnxNode, Subgraph
from enginewright.registry.registry import registry
from enginewright.tensors import DataType, TensorSpec

MAX_DEPTH = 64
OLDEST_OPSET = 7
"""The first that broadcasts as all later ones do."""
MAX_SIZE = 2**31 - 1
DOMAIN = "ai.onnx"


def parse(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> Network:
    """Import an ONNX model (path, bytes or ModelProto).

    Raises `ModelNotReadable`, `ModelInvalid`, `ExternalDataError`, `ShapeError`, or `UnsupportedModel`, which lists
    every node that can't be imported.
    """
    enginewright.ops.load()
    model = read_model(source)
    whole = _Model(model.proto, model.folder)
    network = Network(model.proto.graph.name or "network")
    try:
        graph = _Graph(whole, network, whole.opsets(model.proto.opset_import))
        graph.inputs(model.proto.graph)
        graph.body(model.proto.graph)
        whole.report()
        graph.outputs(model.proto.graph)
    except EnginewrightError as error:
        raise error.located(model.where) from None
    return network


@dataclass
class _Model:
    """What all graphs of one model share."""

    proto: onnx.ModelProto
    folder: Path | None
    problems: dict[tuple[str, str], UnsupportedNode] = field(default_factory=dict)
    functions: dict[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for function in self.proto.functions:
            self.functions[function.domain, function.name] = function

    def opsets(self, imports: Sequence[onnx.OperatorSetIdProto]) -> dict[str, int]:
        """The version of each domain."""
        found: dict[str, int] = {}
        for item in imports:
            domain = item.domain or DOMAIN
            if found.get(domain, item.version) != item.version:
                raise ModelInvalid(f"opset_import lists {domain} twice", hint=EXPORT_AGAIN, where="opset_import")
            found[domain] = item.version
        newest = onnx.defs.onnx_opset_version()
        if not found:
            raise ModelInvalid("the model imports no opset", hint=EXPORT_AGAIN, where="opset_import")
        if not OLDEST_OPSET <= found.get(DOMAIN, OLDEST_OPSET) <= newest:
            error = ModelInvalid if found[DOMAIN] < 1 else UnsupportedModel
            raise error(
                f"opset {found[DOMAIN]} of {DOMAIN} is outside {OLDEST_OPSET} to {newest}",
                hint="Convert it with onnx.version_converter, or install a newer onnx package.",
                where="opset_import",
            )
        return found

    def report(self) -> None:
        """Raise `UnsupportedModel` if any node could not be imported."""
        nodes = tuple(self.problems.values())
        if nodes:
            raise UnsupportedModel(
                f"{len(nodes)} of the model's nodes are not supported",
                hint="Write a plugin for them, or export with other operators.",
                details=UnsupportedDetails(nodes),
            )


class _Waiting(Exception):
    """A node reads what an unsupported node would have made."""


class _Graph:
    """Imports the nodes of one graph or function body into a network."""

    def __init__(self, model: _Model, network: Network, opsets: Mapping[str, int], depth: int = 0) -> None:
        self.model, self.network, self.opsets, self.depth = model, network, opsets, depth
        self.values: dict[str, Tensor | None] = {}
        self.outer: _Graph | None = None
        self.attributes: Mapping[str, Any] | None = None
        self.makers: dict[str, str] = {}
        if depth > MAX_DEPTH:
            raise ModelInvalid(f"graphs or functions are nested deeper than {MAX_DEPTH}", hint="Check for recursion.")

    # ---- inputs and outputs -----------------------------------------------------------------------------------

    def inputs(self, graph: onnx.GraphProto) -> None:
        """Add the model's inputs; those with an initializer are constants."""
        constants = {tensor.name for tensor in graph.initializer}
        for info in graph.input:
            if info.name not in constants:
                self._check_new(info.name, f'graph input "{info.name}"')
                self.values[info.name] = self.add_input(info.name, self.declared(info))

    def declared(self, info: onnx.ValueInfoProto) -> TensorSpec:
        """The spec that a graph input declares."""
        text = metadata_of(info).get(SPEC)
        spec = _value_spec(info)
        return spec if text is None else Reader(self.uid_of).spec(text, spec.dtype)

    def uid_of(self, name: str) -> int:
        """The identity of a tensor that a size reads."""
        return self.lookup(name, f'a size that reads "{name}"').spec.uid

    def add_input(self, name: str, spec: TensorSpec) -> Tensor:
        """Add an input of the network with all that is known of it."""
        made = self.network.input(name, spec.dtype, spec.shape)
        made.spec = replace(spec, uid=made.spec.uid)
        return made

    def outputs(self, graph: onnx.GraphProto) -> None:
        """Mark the graph's outputs, whose declared type must be what the nodes give; then names are as in the file."""
        for info in graph.output:
            tensor = self.lookup(info.name, f'graph output "{info.name}"')
            declared = info.type.tensor_type.elem_type if info.type.HasField("tensor_type") else 0
            if declared and declared != tensor.dtype:
                kind = DataType(declared) if declared in set(DataType) else f"type {declared}"
                raise ModelInvalid(
                    f"it is declared as {kind}, but the nodes give {tensor.dtype}",
                    hint=EXPORT_AGAIN,
                    where=f'graph output "{info.name}"',
                )
            name = metadata_of(info).get(OUTPUT_NAME, info.name)
            if any(name == known for known, _ in self.network.outputs):
                raise ModelInvalid("it is listed twice", hint=EXPORT_AGAIN, where=f'graph output "{info.name}"')
            self.network.output(name, tensor)
        self._restore_names(graph)

    def _restore_names(self, graph: onnx.GraphProto) -> None:
        """Give tensors the names that they had in the network that the file was written from."""
        for info in (*graph.input, *graph.initializer, *graph.value_info, *graph.output):
            tensor, name = self.values.get(info.name), metadata_of(info).get(NAME)
            if tensor is not None and name is not None:
                tensor.name = name

    def body(self, graph: onnx.GraphProto) -> None:
        """Add the initializers and import the nodes."""
        if graph.sparse_initializer:
            raise ModelInvalid("sparse initializers are not supported", hint="Store them dense.", where=graph.name)
        for proto in graph.initializer:
            array = read_tensor(proto, self.model.folder, f'initializer "{proto.name}"')
            self.define(proto.name, self.network.constant(array, proto.name), f'initializer "{proto.name}"')
        self.nodes(graph.node)

    # ---- names ------------------------------------------------------------------------------------------------

    def define(self, name: str, tensor: Tensor | None, where: str) -> None:
        """Give a tensor its ONNX name, which must be new."""
        self._check_new(name, where)
        self.values[name] = tensor
        if tensor is not None and tensor.producer is not None and tensor.name.startswith(f"{tensor.producer.name}:"):
            tensor.name = name

    def _check_new(self, name: str, where: str) -> None:
        if not name or name in self.values:
            what = f'"{name}" is defined twice' if name else "it has no name"
            raise ModelInvalid(what, hint=EXPORT_AGAIN, where=where)

    def lookup(self, name: str, where: str) -> Tensor:
        """The tensor of a name, constants of outer graphs made again here."""
        scope: _Graph | None = self
        while scope is not None and name not in scope.values:
            scope = scope.outer
        if scope is None:
            raise self._undefined(name, where)
        found = scope.values[name]
        if found is None:
            raise _Waiting(name)
        if scope.network is not self.network and found.const is not None:
            found = self.values[name] = self.network.constant(found.const, name)
        return found

    def _undefined(self, name: str, where: str) -> ModelInvalid:
        maker = self.makers.get(name)
        if maker is None:
            message = f'"{name}" is read, but no input, initializer or node gives it'
            return ModelInvalid(message, hint="A node or initializer is missing.", where=where)
        message = f'"{name}" is read before node "{maker}" makes it'
        return ModelInvalid(message, hint="The nodes form a cycle, or are not sorted.", where=where)

    # ---- nodes ------------------------------------------------------------------------------------------------

    def nodes(self, protos: Sequence[onnx.NodeProto]) -> None:
        """Import nodes in order; unsupported ones are noted, and what depends on them is left out."""
        names = [proto.name or f"{proto.op_type}_{index}" for index, proto in enumerate(protos)]
        self.makers = {output: name for name, proto in zip(names, protos, strict=True) for output in proto.output}
        for name, proto in zip(names, protos, strict=True):
            try:
                outputs = self._import(proto, name)
            except (_Waiting, NotSupported) as reason:
                if isinstance(reason, NotSupported):
                    self._problem(proto, name, str(reason))
                else:
                    self._check_supported(proto, name)
                outputs = [None] * len(proto.output)
            for output, tensor in zip(proto.output, outputs, strict=False):
                if output:
                    self.define(output, tensor, f'node "{name}" ({proto.op_type})')

    def _import(self, proto: onnx.NodeProto, name: str) -> list[Tensor | None]:
        where = f'node "{name}" ({proto.op_type})'
        domain = proto.domain or DOMAIN
        function = self.model.functions.get((proto.domain, proto.op_type))
        if not proto.op_type:
            raise ModelInvalid("its op_type is empty", hint=EXPORT_AGAIN, where=where)
        try:
            proto = resolve_references(proto, self.attributes)
            version = self._version(domain, function)
            rule = registry.rule(domain, proto.op_type, version)
            if rule is None and function is None:
                rule = custom_rule(domain, proto.op_type, version, self.uid_of)
            if rule is None and function is None:
                function = FunctionNode(proto, version, domain).body(lambda: self._types(proto))
            inputs = tuple(self.lookup(item, where) if item else None for item in proto.input)
            if (proto.domain, proto.op_type) not in self.model.functions:
                check_node(proto, domain, version, [None if item is None else item.spec for item in inputs])
            values = attribute_values(proto, self.attributes, self.model.folder, self._subgraph)
            if function is not None:
                return self._inline(function, inputs, values, proto, name)
            assert rule is not None
            node = OnnxNode(proto.op_type, domain, version, name, inputs, tuple(proto.output), values)
            try:
                with self.network.at(sources=sources_of(proto, name), label=name):
                    made = rule(self.network, node)
            except NotSupported as reason:
                return self._inline(self._definition(proto, version, reason), inputs, values, proto, name)
        except SymbolicShapeError as error:
            raise NotSupported(error.message) from None
        except EnginewrightError as error:
            error.where = (
                where if not error.where else f"{where}; {error.where}" if name not in error.where else error.where
            )
            raise _invalid(error) from None
        return self._made(made, proto, where)

    def _definition(self, proto: onnx.NodeProto, version: int, reason: NotSupported) -> onnx.FunctionProto:
        """ONNX's own function body of a node whose rule can't import this form; the rule's reason if there is none."""
        try:
            return FunctionNode(proto, version, proto.domain or DOMAIN).body(lambda: self._types(proto))
        except NotSupported:
            raise reason from None

    def _made(self, made: Any, proto: onnx.NodeProto, where: str) -> list[Tensor | None]:
        outputs = [made] if isinstance(made, Tensor) or made is None else list(made)
        wanted = [index for index, output in enumerate(proto.output) if output]
        if any(index >= len(outputs) or outputs[index] is None for index in wanted):
            raise ModelInvalid(f"it has no output {wanted[-1]}", hint=EXPORT_AGAIN, where=where)
        return outputs[: len(proto.output)]

    def _version(self, domain: str, function: onnx.FunctionProto | None) -> int:
        version = self.opsets.get(domain)
        if version is None and function is None and domain != DOMAIN:
            raise NotSupported(f"the model does not import the domain {domain}")
        return version or 1

    def _check_supported(self, proto: onnx.NodeProto, name: str) -> None:
        """Note a node behind an unsupported one, and nodes in its graphs, if nothing could import them either."""
        for item in proto.attribute:
            for graph in (item.g, *item.graphs):
                for index, inner in enumerate(graph.node):
                    self._check_supported(inner, inner.name or f"{inner.op_type}_{index}")
        domain = proto.domain or DOMAIN
        function = self.model.functions.get((proto.domain, proto.op_type))
        try:
            version = self._version(domain, function)
            rule = registry.rule(domain, proto.op_type, version)
            rule = rule or custom_rule(domain, proto.op_type, version, self.uid_of)
            if function is None and rule is None:
                FunctionNode(proto, version, domain).schema()
        except NotSupported as reason:
            self._problem(proto, name, str(reason))

    def _types(self, proto: onnx.NodeProto) -> list[TensorSpec | None]:
        return [self.lookup(item, proto.name).spec if item else None for item in proto.input]

    def _problem(self, proto: onnx.NodeProto, name: str, reason: str) -> None:
        domain = proto.domain or DOMAIN
        node = UnsupportedNode(name, proto.op_type, domain, self.opsets.get(domain, 0), reason)
        self.model.problems.setdefault((name, "/".join(proto.output)), node)

    # ---- functions and nested graphs --------------------------------------------------------------------------

    def _inline(
        self,
        function: onnx.FunctionProto,
        inputs: Sequence[Tensor | None],
        values: Mapping[str, Any],
        proto: onnx.NodeProto,
        name: str,
    ) -> list[Tensor | None]:
        opsets = {**self.opsets, **self.model.opsets(function.opset_import)}
        body = _Graph(self.model, self.network, opsets, self.depth + 1)
        if len(inputs) > len(function.input):
            raise ModelInvalid(f"it has {len(inputs)} inputs, the function {len(function.input)}", hint=EXPORT_AGAIN)
        defaults = attribute_values(function.attribute_proto, {}, self.model.folder, self._subgraph)
        body.attributes = {**defaults, **values}
        for index, formal in enumerate(function.input):
            if index < len(inputs) and inputs[index] is not None:
                body.values[formal] = inputs[index]
        before = set(self.model.problems)
        body.nodes(function.node)
        if set(self.model.problems) != before:
            raise _Waiting(name)
        pairs = zip(function.output, proto.output, strict=False)
        return [body.lookup(output, name) if wanted else None for output, wanted in pairs]

    def _subgraph(self, graph: onnx.GraphProto) -> Subgraph:
        captures: dict[str, Tensor] = {}
        for name in _free_names(graph):
            tensor = self.lookup(name, f'graph "{graph.name}"')
            if tensor.const is None:
                captures[name] = tensor

        def parse_nested(inputs: Sequence[TensorSpec] | None, captured: Mapping[str, Tensor] = captures) -> Network:
            return self._nested(graph, inputs, captured)

        formal = tuple(info.name for info in graph.input)
        outputs = tuple(info.name for info in graph.output)
        return Subgraph(formal, outputs, captures, parse_nested, lambda: self._merge(graph))

    def _merge(self, graph: onnx.GraphProto) -> list[Tensor]:
        """Import a graph without inputs as part of this network."""
        nested = _Graph(self.model, self.network, self.opsets, self.depth + 1)
        nested.outer, nested.attributes = self, self.attributes
        before = set(self.model.problems)
        nested.body(graph)
        if set(self.model.problems) != before:
            raise _Waiting(graph.name)
        return [nested.lookup(info.name, f'graph output "{info.name}"') for info in graph.output]

    def _nested(
        self, graph: onnx.GraphProto, inputs: Sequence[TensorSpec] | None, captured: Mapping[str, Tensor]
    ) -> Network:
        if inputs is not None and len(inputs) != len(graph.input):
            raise ModelInvalid(
                f'graph "{graph.name}" has {len(graph.input)} inputs, {len(inputs)} are given', hint=EXPORT_AGAIN
            )
        network = Network(graph.name or "graph", parent=self.network)
        nested = _Graph(self.model, network, self.opsets, self.depth + 1)
        nested.outer, nested.attributes = self, self.attributes
        for index, info in enumerate(graph.input):
            spec = nested.declared(info) if inputs is None else inputs[index]
            nested.define(info.name, nested.add_input(info.name, spec), "input")
        for name, tensor in captured.items():
            inner = nested.add_input(f"captured:{name}", TensorSpec(tensor.dtype, tensor.shape, tensor.spec.value))
            nested.values.setdefault(name, inner)
        before = set(self.model.problems)
        nested.body(graph)
        if set(self.model.problems) != before:
            raise _Waiting(graph.name)
        nested.outputs(graph)
        return network


def _invalid(error: EnginewrightError) -> EnginewrightError:
    """What an operator refuses is wrong in the model, not in how the SDK was called."""
    if not isinstance(error, UsageError | NetworkError):
        return error
    return ModelInvalid(error.message, hint=error.hint, where=error.where, details=error.details)


def _free_names(graph: onnx.GraphProto) -> list[str]:
    """The names that a graph, nested ones included, reads from outside, in order of use."""
    own = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
    free: dict[str, None] = {}
    for node in graph.node:
        inner = [name for item in node.attribute for sub in (item.g, *item.graphs) for name in _free_names(sub)]
        for name in (*node.input, *inner):
            if name and name not in own:
                free[name] = None
        own.update(node.output)
    free.update({info.name: None for info in graph.output if info.name not in own})
    return list(free)


def _value_spec(info: onnx.ValueInfoProto) -> TensorSpec:
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
