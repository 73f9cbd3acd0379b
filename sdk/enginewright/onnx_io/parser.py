"""Imports an ONNX model as a Network: every node by its rule, functions inlined, all unsupported nodes at once.

A node that can't be imported is kept as an opaque layer, and nodes that read it wait; both are pending. Replacement
rules may put an operator in their place, and import goes on behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.defs

import enginewright.ops
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
from enginewright.graph.opaque import is_known
from enginewright.onnx_io.attributes import FunctionNode, attribute_values, resolve_references
from enginewright.onnx_io.custom_domain import custom_rule, nearest
from enginewright.onnx_io.exchange import NAME, OUTPUT_NAME, SPEC, Reader, metadata_of, sources_of
from enginewright.onnx_io.model_file import EXPORT_AGAIN, ModelFile, read_model, read_tensor
from enginewright.onnx_io.node_check import check_node
from enginewright.onnx_io.old_opsets import OLDEST_OPSET, converted, is_old
from enginewright.onnx_io.pending import NestedProblems, Pending, Waiting
from enginewright.onnx_io.value_info import stated_specs, value_spec
from enginewright.registry.onnx_node import NotSupported, OnnxNode, Subgraph
from enginewright.registry.registry import registry
from enginewright.replacement.replacer import Replacer
from enginewright.tensors import ELEMENT_TYPES, DataType, TensorSpec

if TYPE_CHECKING:
    from enginewright.registry.registry import OnnxRule

MAX_DEPTH = 64
MAX_SIZE = 2**31 - 1
DOMAIN = "ai.onnx"
MISFITS = (ValueError, IndexError, ZeroDivisionError)
"""What NumPy and Python raise in a rule for lists of wrong lengths, and for numbers out of range."""


def parse(source: str | os.PathLike[str] | bytes | onnx.ModelProto, replacer: Replacer | None = None) -> Network:
    """Import an ONNX model (path, bytes or ModelProto).

    Nodes that are not supported are replaced by the rules of plugins, by default where that is verified. Raises
    `ModelNotReadable`, `ModelInvalid`, `ExternalDataError`, `ShapeError`, or `UnsupportedModel`, which lists every node
    that can't be imported.
    """
    return parse_model(read_model(source), replacer)


def parse_model(model: ModelFile, replacer: Replacer | None = None) -> Network:
    """Import a model that was read."""
    enginewright.ops.load()
    try:
        if model.apart and is_old(model.proto):
            model = model.joined()
        proto, note = converted(model.proto)
        network = _parse(replace(model, proto=proto), replacer or Replacer())
    except EnginewrightError as error:
        raise error.located(model.where) from None
    network.notes += [note] if note else []
    return network


def _parse(model: ModelFile, replacer: Replacer) -> Network:
    whole = _Model(model.proto, model.folder, replacer, model.apart)
    try:
        return whole.network()
    except UnsupportedModel:
        if not whole.used_stated:
            raise
        # What the file states of unknown nodes may contradict the operators that would replace them.
        return _Model(model.proto, model.folder, replacer, model.apart, use_stated=False).network()


@dataclass
class _Model:
    """What all graphs of one model share; `forward` leads from what pending layers gave to what stands there now."""

    proto: onnx.ModelProto
    folder: Path | None
    replacer: Replacer
    apart: Mapping[int, memoryview]
    use_stated: bool = True
    used_stated: bool = False
    forward: dict[Tensor, Tensor] = field(default_factory=dict)
    functions: dict[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for function in self.proto.functions:
            self.functions[function.domain, function.name] = function

    def network(self) -> Network:
        """The whole model as a network."""
        network = Network(self.proto.graph.name or "network")
        graph = _Graph(self, network, self.opsets(self.proto.opset_import))
        graph.inputs(self.proto.graph)
        self.report(graph.body(self.proto.graph, self.apart))
        graph.outputs(self.proto.graph)
        return network

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

    def report(self, problems: Iterable[UnsupportedNode]) -> None:
        """Raise `UnsupportedModel` if any node could not be imported."""
        nodes = tuple(problems)
        if nodes:
            raise UnsupportedModel(
                f"{len(nodes)} of the model's nodes are not supported",
                hint="Write a plugin for them, or export with other operators.",
                details=UnsupportedDetails(nodes),
            )


class _Graph:
    """Imports the nodes of one graph or function body into a network."""

    def __init__(self, model: _Model, network: Network, opsets: Mapping[str, int], depth: int = 0) -> None:
        self.model, self.network, self.opsets, self.depth = model, network, opsets, depth
        self.values: dict[str, Tensor] = {}
        self.pending: list[Pending] = []
        self.stated: Mapping[str, TensorSpec] = {}
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
        spec = value_spec(info)
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
                kind = DataType(declared) if declared in ELEMENT_TYPES else f"type {declared}"
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

    def body(
        self, graph: onnx.GraphProto, apart: Mapping[int, memoryview] = MappingProxyType({})
    ) -> list[UnsupportedNode]:
        """Add the initializers, import the nodes, replace those that can't be; what is left unsupported at the end."""
        if graph.sparse_initializer:
            raise ModelInvalid("sparse initializers are not supported", hint="Store them dense.", where=graph.name)
        for index, proto in enumerate(graph.initializer):
            array = read_tensor(proto, self.model.folder, f'initializer "{proto.name}"', apart.get(index))
            self.define(proto.name, self.network.constant(array, proto.name), f'initializer "{proto.name}"')
        if self.model.use_stated:
            self.stated = stated_specs(graph, self.network.inputs)
        self.nodes(graph.node)
        return self._settle(graph) if self.pending else []

    # ---- names ------------------------------------------------------------------------------------------------

    def define(self, name: str, tensor: Tensor, where: str) -> None:
        """Give a tensor its ONNX name, which must be new."""
        self._check_new(name, where)
        self.values[name] = tensor
        _rename(tensor, name)

    def _check_new(self, name: str, where: str) -> None:
        if not name or name in self.values:
            what = f'"{name}" is defined twice' if name else "it has no name"
            raise ModelInvalid(what, hint=EXPORT_AGAIN, where=where)

    def lookup(self, name: str, where: str) -> Tensor:
        """The tensor of a name, constants of outer graphs made again here."""
        found = self.value(name, where)
        if not is_known(found):
            raise Waiting(name)
        return found

    def value(self, name: str, where: str) -> Tensor:
        """The tensor of a name, whose spec is not known if a pending layer gives it."""
        scope: _Graph | None = self
        while scope is not None and name not in scope.values:
            scope = scope.outer
        if scope is None:
            raise self._undefined(name, where)
        found = scope.values[name]
        while found in self.model.forward:
            found = self.model.forward[found]
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
        """Import nodes in order; unsupported ones and what depends on them are kept as pending."""
        names = [proto.name or f"{proto.op_type}_{index}" for index, proto in enumerate(protos)]
        self.makers = {output: name for name, proto in zip(names, protos, strict=True) for output in proto.output}
        for name, proto in zip(names, protos, strict=True):
            try:
                outputs = self._import(proto, name)
            except (Waiting, NotSupported, NestedProblems) as reason:
                outputs = self._wait(proto, name, reason)
            for output, tensor in zip(proto.output, outputs, strict=False):
                if output and tensor is not None:
                    self.define(output, tensor, f'node "{name}" ({proto.op_type})')

    def _import(self, proto: onnx.NodeProto, name: str) -> list[Tensor | None]:
        where = f'node "{name}" ({proto.op_type})'
        domain = proto.domain or DOMAIN
        function = self.model.functions.get((proto.domain, proto.op_type))
        _check_names(proto, where)
        try:
            proto = resolve_references(proto, self.attributes)
            version = self._version(domain, function)
            rule = registry.rule(domain, proto.op_type, version)
            if rule is None and function is None:
                rule = custom_rule(domain, proto.op_type, version, self.uid_of)
            if rule is None and function is None:
                function = FunctionNode(proto, version, domain).body(lambda: self._types(proto))
            local = (proto.domain, proto.op_type) in self.model.functions
            find = self.value if local else self.lookup  # a function of the model can be inlined before all is known
            inputs = tuple(find(item, where) if item else None for item in proto.input)
            if not local:
                check_node(proto, domain, version, inputs)
            values = attribute_values(proto, self.attributes, self.model.folder, self._subgraph)
            if function is not None:
                return self._inline(function, inputs, values, proto, name)
            assert rule is not None
            node = OnnxNode(proto.op_type, domain, version, name, inputs, tuple(proto.output), values)
            try:
                with self.network.at(sources=sources_of(proto, name), label=name):
                    made = _imported(rule, self.network, node)
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

    def _check_supported(self, proto: onnx.NodeProto, name: str) -> Iterator[UnsupportedNode]:
        """Yield a node behind an unsupported one, and nodes in its graphs, if nothing could import them either."""
        for item in proto.attribute:
            for graph in (item.g, *item.graphs):
                for index, inner in enumerate(graph.node):
                    yield from self._check_supported(inner, inner.name or f"{inner.op_type}_{index}")
        domain = proto.domain or DOMAIN
        function = self.model.functions.get((proto.domain, proto.op_type))
        try:
            version = self._version(domain, function)
            rule = registry.rule(domain, proto.op_type, version)
            rule = rule or custom_rule(domain, proto.op_type, version, self.uid_of)
            if function is None and rule is None:
                FunctionNode(proto, version, domain).schema()
        except NotSupported as reason:
            yield self._problem(proto, name, str(reason))

    def _types(self, proto: onnx.NodeProto) -> list[TensorSpec | None]:
        return [self.lookup(item, proto.name).spec if item else None for item in proto.input]

    def _problem(self, proto: onnx.NodeProto, name: str, reason: str) -> UnsupportedNode:
        domain = proto.domain or DOMAIN
        reasons = [reason, nearest(domain, proto.op_type), *self.model.replacer.reasons(name)]
        text = "; ".join(item for item in reasons if item)
        return UnsupportedNode(name, proto.op_type, domain, self.opsets.get(domain, 0), text)

    # ---- pending nodes ----------------------------------------------------------------------------------------

    def _wait(self, proto: onnx.NodeProto, name: str, reason: Exception) -> list[Tensor | None]:
        """Keep a node as a layer that can be replaced; its outputs."""
        where = f'node "{name}" ({proto.op_type})'
        inputs = [self.value(item, where) if item else None for item in proto.input]
        inner = [name for item in proto.attribute for graph in (item.g, *item.graphs) for name in _free_names(graph)]
        entry = Pending(proto, name, reason, self._retry, self._problems, self._evaluate)
        version = self.opsets.get(proto.domain or DOMAIN, 1)
        entry.make_layer(inputs, version, self.model.folder, self.stated if isinstance(reason, NotSupported) else {})
        for captured in inner:
            self.value(captured, where).readers.append(entry.layer)
        self.model.used_stated |= any(is_known(tensor) for tensor in entry.layer.outputs)
        self.pending.append(entry)
        return [tensor if output else None for output, tensor in zip(proto.output, entry.layer.outputs, strict=True)]

    def _settle(self, graph: onnx.GraphProto) -> list[UnsupportedNode]:
        """Replace pending layers and import what waited for them, as long as there is something; the rest."""
        replacer = self.model.replacer
        while self.pending:
            needed = [self.value(info.name, "output") for info in graph.output if info.name in self.values]
            outcome = replacer.replace_opaque(self.network, [entry.layer for entry in self.pending], needed)
            self.model.forward.update(outcome.forward)
            self.pending[:] = [entry for entry in self.pending if entry.layer not in outcome.removed]
            if not outcome.removed:
                break
            while sum(entry.retry(entry) for entry in list(self.pending)):
                pass  # one that could be imported may be what others waited for
        if self.pending and replacer.surveying:
            replacer.survey(self.network, [entry.layer for entry in self.pending], needed)
        return [found for entry in self.pending for found in entry.problems(entry)]

    def _retry(self, entry: Pending) -> bool:
        """Import a node that waited, if what it reads is known now."""
        if not isinstance(entry.reason, Waiting) or not all(is_known(t) for t in entry.layer.inputs if t is not None):
            return False
        try:
            outputs = self._import(entry.proto, entry.name)
        except Waiting:
            return False
        except (NotSupported, NestedProblems) as reason:
            entry.refuse(reason)
            return True
        self.network.remove([entry.layer])
        for output, old, new in zip(entry.proto.output, entry.layer.outputs, outputs, strict=False):
            if output and new is not None:
                _rename(new, output)
                self.network.replace(old, new)
                self.model.forward[old] = new
        self.pending.remove(entry)
        return True

    def _problems(self, entry: Pending) -> Iterable[UnsupportedNode]:
        """What is unsupported about a pending node."""
        if isinstance(entry.reason, NotSupported):
            return [self._problem(entry.proto, entry.name, str(entry.reason))]
        found = list(self._check_supported(entry.proto, entry.name))
        known = {(item.name, item.op_type, item.domain) for item in found}
        nested = entry.reason.problems if isinstance(entry.reason, NestedProblems) else ()
        return [item for item in nested if (item.name, item.op_type, item.domain) not in known] + found

    def _evaluate(self, proto: onnx.NodeProto, name: str, arrays: Sequence[Any]) -> list[Any]:
        """Run a node that waits on arrays: import it with these as constants, and run the references."""
        trial = _Graph(self.model, Network("trial"), self.opsets, self.depth + 1)
        trial.attributes = self.attributes
        for item, array in zip(proto.input, arrays, strict=True):
            if item:
                trial.values[item] = trial.network.constant(np.asarray(array), item)
        outputs = trial._import(proto, name)
        for item, tensor in zip(proto.output, outputs, strict=False):
            if item and tensor is not None:
                trial.network.output(item, tensor)
        found = trial.network.evaluate({})
        return [found.get(item) for item in proto.output]

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
        body.pending = self.pending
        if len(inputs) > len(function.input):
            raise ModelInvalid(f"it has {len(inputs)} inputs, the function {len(function.input)}", hint=EXPORT_AGAIN)
        defaults = attribute_values(function.attribute_proto, {}, self.model.folder, self._subgraph)
        body.attributes = {**defaults, **values}
        for index, formal in enumerate(function.input):
            given = inputs[index] if index < len(inputs) else None
            if given is not None:
                body.values[formal] = given
        body.nodes(function.node)
        pairs = zip(function.output, proto.output, strict=False)
        return [body.value(output, name) if wanted else None for output, wanted in pairs]

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
        problems = nested.body(graph)
        if problems:
            raise NestedProblems(problems)
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
            spec = nested.declared(info) if inputs is None else _with_items(inputs[index], info)
            nested.define(info.name, nested.add_input(info.name, spec), "input")
        for name, tensor in captured.items():
            inner = nested.add_input(f"captured:{name}", _captured(tensor.spec))
            nested.values.setdefault(name, inner)
        problems = nested.body(graph)
        if problems:
            raise NestedProblems(problems)
        nested.outputs(graph)
        return network


def _check_names(proto: onnx.NodeProto, where: str) -> None:
    """Raise `ModelInvalid` unless an operator is named; protobuf gives bytes for what is no text."""
    if not proto.op_type:
        raise ModelInvalid("its op_type is empty", hint=EXPORT_AGAIN, where=where)
    for field_name in ("op_type", "domain"):
        if isinstance(getattr(proto, field_name), bytes):
            raise ModelInvalid(f"its {field_name} is no UTF-8 text", hint=EXPORT_AGAIN, where=where)


def _imported(rule: OnnxRule, network: Network, node: OnnxNode) -> Any:
    """What a rule makes of a node; `ModelInvalid` where a rule of ours meets numbers that do not go together."""
    try:
        return rule(network, node)
    except EnginewrightError:
        raise
    except MISFITS as error:
        if not rule.__module__.startswith("enginewright."):
            raise
        raise ModelInvalid(f"its attributes and constants do not fit: {error}", hint=EXPORT_AGAIN) from error


def _captured(spec: TensorSpec) -> TensorSpec:
    """What a nested graph knows of a tensor outside."""
    return TensorSpec(spec.dtype, spec.shape, spec.value, items=spec.items)


def _with_items(spec: TensorSpec, info: onnx.ValueInfoProto) -> TensorSpec:
    """The spec of a formal input; of a sequence that holds nothing yet, the file may say what it will."""
    if spec.items is None or not spec.items.empty or not info.type.WhichOneof("value"):
        return spec
    stated = value_spec(info)
    if stated.dtype is not spec.dtype or stated.items is None or stated.items.dtype is not spec.items.dtype:
        return spec
    return replace(spec, items=replace(stated.items, empty=True))


def _rename(tensor: Tensor, name: str) -> None:
    """Give a tensor without a name of its own the one from the file."""
    if tensor.producer is not None and tensor.name.startswith(f"{tensor.producer.name}:"):
        tensor.name = name


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
