"""Shows what a model is made of and how it will run: passes, layers, tactics and why each other one lost, memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from enginewright.compiler.builder import build, optimize_for, replacer_for
from enginewright.compiler.config import BuilderConfig
from enginewright.compiler.report import LayerReport
from enginewright.errors import UnsupportedModel, UnsupportedNode, UsageError
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Layer, Network, Tensor
from enginewright.graph.wide_layers import WideLayer
from enginewright.onnx_io.parser import parse
from enginewright.optimize import PassRecord
from enginewright.plan.meta import Operand, Program
from enginewright.plan.plan import Plan
from enginewright.progress import ProgressMonitor
from enginewright.replacement.report import ReplacementReport
from enginewright.tensors import DataType
from enginewright.tools.subject import Source, is_plan
from enginewright_compat.deprecation import deprecated

BRANCHES, BODY = ("then", "else"), ("body",)


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A layer of a network: operator with attributes, the specs of its tensors, and the ONNX nodes behind it."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StepInfo:
    """A step of a plan: the kernel, the tensors that it reads and writes, and the ONNX nodes inside.

    `within` names the branches and bodies around it, outermost first, each by its If or Loop: "cond.then".
    """

    layer: str
    kernel: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """What a plan needs: bytes of weights, activations that share memory, and their peak if all sizes are fixed."""

    weights: int
    tensors: int
    storages: int
    peak: int | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a model or plan; what was not asked for, or a plan does not record, is empty.

    `layers` are those after the passes, `choices` the tactics with their times, `steps` those of the first profile,
    each followed by those in its branches or its body; `wide` what stays in float32 on a GPU though the precision
    allows fewer bits, each layer with the reason.
    """

    subject: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    passes: tuple[PassRecord, ...] = ()
    layers: tuple[LayerInfo, ...] = ()
    choices: tuple[LayerReport, ...] = ()
    steps: tuple[StepInfo, ...] = ()
    memory: MemoryInfo | None = None
    unsupported: tuple[UnsupportedNode, ...] = ()
    nodes: int = 0
    replacements: tuple[ReplacementReport, ...] = ()
    wide: tuple[WideLayer, ...] = ()


def inspect(
    source: Source,
    *,
    tune: bool = True,
    config: BuilderConfig | None = None,
    progress: ProgressMonitor | None = None,
) -> Inspection:
    """Look into a model or plan.

    A model is parsed and optimized; with `tune` it is also built, which times tactics unless they are in the cache.
    """
    if isinstance(source, Plan) or is_plan(source):
        plan = source if isinstance(source, Plan) else Plan.load(source)  # type: ignore[arg-type]  # is_plan says so
        return _inspect_plan(plan)
    network = copy_network(source) if isinstance(source, Network) else parse(source)
    if not tune:
        return _inspect_optimized(network, config or BuilderConfig())
    plan = build(network, config, progress=progress)
    shown = _inspect_optimized(network, config or BuilderConfig())
    built = _inspect_plan(plan)
    return Inspection(
        subject=shown.subject,
        inputs=shown.inputs,
        outputs=shown.outputs,
        passes=plan.report.passes,
        layers=shown.layers,
        choices=plan.report.layers,
        steps=built.steps,
        memory=built.memory,
        wide=plan.report.wide,
    )


def check_support(source: Source) -> Inspection:
    """Try to import a model and list every node that can't be, instead of raising for them."""
    if is_plan(source):
        raise UsageError("a plan has no nodes to import", hint="Give the ONNX model.")
    try:
        network = source if isinstance(source, Network) else parse(source)  # type: ignore[arg-type]  # no plan
    except UnsupportedModel as error:
        return Inspection(error.where or "the model", (), (), unsupported=error.nodes)
    return _inspect_network(network, ())


@deprecated("EW-D0001: use check_support")
def coverage(source: Source) -> Inspection:
    """The same by its first name, which said nothing of what is covered."""
    return check_support(source)


def replacements(source: Source, *, config: BuilderConfig | None = None) -> Inspection:
    """What the rules of plugins replace in a model, what they could replace if asked, and near misses with the reason.

    Every match is verified, whether `config.replace` asks for it or not; nothing is built.
    """
    if isinstance(source, Plan) or is_plan(source):
        raise UsageError("in a plan all replacements are made", hint="Give the ONNX model.")
    replacer = replacer_for(config or BuilderConfig(), surveying=True)
    try:
        network = copy_network(source) if isinstance(source, Network) else parse(source, replacer)  # no plan
    except UnsupportedModel as error:
        found = Inspection(error.where or "the model", (), (), unsupported=error.nodes)
    else:
        replacer.replace_all(network)
        replacer.survey(network)
        found = _inspect_network(network, ())
    return replace(found, replacements=replacer.reports)


def _inspect_optimized(network: Network, config: BuilderConfig) -> Inspection:
    """After the passes for the target, in the way that is most likely the fastest."""
    layout = optimize_for(network, config)[0]
    return replace(_inspect_network(layout.network, layout.records), wide=tuple(layout.network.wide))


def _inspect_network(network: Network, passes: tuple[PassRecord, ...]) -> Inspection:
    return Inspection(
        subject=network.name,
        inputs=tuple(f"{tensor.name} {tensor.spec}" for tensor in network.inputs),
        outputs=tuple(f"{name} {tensor.spec}" for name, tensor in network.outputs),
        passes=passes,
        layers=tuple(_layer(layer) for layer in network.layers),
        nodes=len({source for layer in network.layers for source in layer.sources}),
    )


def _layer(layer: Layer) -> LayerInfo:
    return LayerInfo(
        layer.name,
        layer.kind,
        tuple(_tensor(tensor) for tensor in layer.inputs),
        tuple(_tensor(tensor) for tensor in layer.outputs),
        layer.sources,
        tuple((item.name, _attribute(getattr(layer.op, item.name))) for item in fields(layer.op)),
    )


def _tensor(tensor: Tensor | None) -> str:
    if tensor is None:
        return "-"
    return f"{tensor.name} {tensor.spec}{' constant' if tensor.const is not None else ''}"


def _attribute(value: Any) -> str:
    return f"network {value.name} of {len(value.layers)} layers" if isinstance(value, Network) else str(value)


def _inspect_plan(plan: Plan) -> Inspection:
    program = plan.meta.programs[0]
    return Inspection(
        subject=plan.name,
        inputs=tuple(f"{p.name} {DataType(p.dtype)}{list(p.shape)}" for p in plan.meta.inputs),
        outputs=tuple(f"{p.name} {DataType(p.dtype)}{list(p.shape)}" for p in plan.meta.outputs),
        steps=tuple(_steps(plan.meta.programs, program, ())),
        memory=_memory(plan, program),
    )


def _steps(programs: list[Program], program: Program, within: tuple[str, ...]) -> Iterator[StepInfo]:
    texts = [
        f"{tensor.name} {DataType(tensor.dtype)}[{', '.join(_operand(size) for size in tensor.shape)}]"
        for tensor in program.tensors
    ]
    for step in program.steps:
        yield StepInfo(
            step.layer,
            step.kernel,
            tuple(texts[index] if index >= 0 else "-" for index in step.inputs),
            tuple(texts[index] if index >= 0 else "-" for index in step.outputs),
            tuple(step.sources),
            within,
        )
        for name, inner in zip(BRANCHES if len(step.programs) > 1 else BODY, step.programs, strict=False):
            yield from _steps(programs, programs[inner], (*within, f"{step.layer}.{name}"))


def _operand(size: Operand) -> str:
    """A literal size, or "?" for one that depends on the inputs."""
    return str(size) if size is not None and size >= 0 else "?"


def _memory(plan: Plan, program: Program) -> MemoryInfo:
    arena = [index for index, storage in enumerate(program.storages) if storage.kind == "arena"]
    tensors = sum(tensor.storage in set(arena) for tensor in program.tensors)
    return MemoryInfo(plan.weights.nbytes, tensors, len(arena), _peak(program, arena))


def _peak(program: Program, arena: list[int]) -> int | None:
    """The most bytes that are alive at one step; None where a size is not fixed."""
    change = [0] * (len(program.steps) + 2)
    for storage in (program.storages[index] for index in arena):
        if storage.size is None or storage.size < 0:
            return None
        change[storage.first] += storage.size
        change[storage.last + 1] -= storage.size
    peak = alive = 0
    for difference in change:
        alive += difference
        peak = max(peak, alive)
    return peak
