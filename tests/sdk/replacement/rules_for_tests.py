"""Operators with replacement rules for tests, and models for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import enginewright as ew

Array = np.ndarray[Any, Any]
FLOAT = TensorProto.FLOAT
CONFIG = ew.BuilderConfig(timing_cache="", level=1)
ALL = ew.BuilderConfig(timing_cache="", level=1, replace="all")


def make_model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[Any]],
    outputs: list[str],
    constants: dict[str, Any] | None = None,
    **more: Any,
) -> onnx.ModelProto:
    """A model of float inputs; the domains are those of the nodes."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
        **more,
    )
    domains = dict.fromkeys(node.domain for node in nodes if node.domain)
    imports = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def node(op: str, inputs: str, output: str, domain: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node named after its output; inputs and outputs are separated by spaces."""
    outputs = output.split()
    return helper.make_node(op, inputs.split(), outputs, name=f"n_{outputs[0]}", domain=domain, **attributes)


def run(model: Any, config: ew.BuilderConfig = CONFIG, **inputs: Any) -> dict[str, Array]:
    """Build and run."""
    return ew.load(ew.build(model, config)).run(inputs)


def gate_reference(x: Array, alpha: float = 1.0) -> Array:
    """What the vendor's Gate computes."""
    return np.tanh(alpha * x).astype(x.dtype)


def declare_gate(name: str = "acme::Gate", **options: Any) -> type[Any]:
    """The vendor's Gate alone becomes acme::Gate."""

    def pattern(p: ew.Pattern, x: ew.Value) -> ew.Value:
        return p.node("com.vendor::Gate", x, alpha=p.attribute("alpha", default=1.0))

    return unary(name, pattern, lambda op, x: gate_reference(x, op.alpha), **{"reference": gate_reference, **options})


def unary(name: str, pattern: Callable[..., Any], function: Callable[[Any, Array], Array], **options: Any) -> type[Any]:
    """An operator of one input with a field alpha, and its rule."""

    class Made:
        alpha: float = 1.0

        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return ew.TensorSpec(x.dtype, x.shape)

        def reference(self, x: Array) -> Array:
            return function(self, x)

    Made.__qualname__ = name.replace("::", "_")
    return ew.replaces(pattern, **options)(ew.operator(name)(Made))
