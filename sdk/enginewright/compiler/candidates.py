"""Lists what could run a layer: every tactic of its operator on every kernel there is, and why each other one can't."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from enginewright import _native
from enginewright.compiler.choice import Choice
from enginewright.compiler.plugin_choices import normalized, plugin_choices
from enginewright.dims import Size, atom_uids, product
from enginewright.errors import RejectedTactic
from enginewright.graph.network import Layer, network_fields
from enginewright.ops.pointwise import Fused, encode
from enginewright.registry.faults import OWN, broken_contract, plugin_faults
from enginewright.registry.registry import Launch, Tactic, registry
from enginewright.tensors import TensorSpec, bool_

REFERENCE = "reference"


@dataclass(frozen=True)
class Candidates:
    """The ways to run one layer, best guess first, and the tactics that can't with the reason."""

    choices: tuple[Choice, ...]
    rejected: tuple[RejectedTactic, ...]


def candidates(
    layer: Layer, *, every_isa: bool = False, nondeterministic: bool = False, device: str = "cpu"
) -> Candidates:
    """All choices for a layer; the NumPy reference comes last, for built-in operators only if nothing else fits.

    On another device than the CPU, the CPU's choices are offered where that device has none.
    """
    if device != "cpu":
        return _on_device(layer, device, every_isa=every_isa, nondeterministic=nondeterministic)
    op = layer.op
    if holds_objects(layer) and not any(network_fields(op)):
        return Candidates((Choice(REFERENCE, "python"),), ())
    anchor = op.anchor if isinstance(op, Fused) else op
    choices: list[Choice] = []
    rejected: list[RejectedTactic] = []
    for tactic in registry.tactics_of(type(anchor)):
        if tactic.device != "cpu":
            if not tactic.is_own:
                reason = f"runs on {tactic.device}, and this plan is for the CPU"
                rejected.append(RejectedTactic(tactic.name, reason))
            continue
        found = _choices(tactic, layer, every_isa=every_isa, nondeterministic=nondeterministic)
        if isinstance(found, str):
            rejected.append(RejectedTactic(tactic.name, found))
        else:
            choices += found
    trusted = any(choice.plugin is None for choice in choices)
    if not isinstance(op, Fused) and (not trusted or op.KEY.namespace != OWN):
        choices.append(Choice(REFERENCE, "python"))
    return Candidates(tuple(choices), tuple(rejected))


def holds_objects(layer: Layer) -> bool:
    """Whether a layer reads or writes texts or sequences, which are Python objects: only control flow runs natively."""
    return any(tensor is not None and tensor.dtype.is_object for tensor in (*layer.inputs, *layer.outputs))


def _on_device(layer: Layer, device: str, *, every_isa: bool, nondeterministic: bool) -> Candidates:
    """What the device offers; else, unless a fused layer can be taken apart, what the host does."""
    op = layer.op
    choices: list[Choice] = []
    rejected: list[RejectedTactic] = []
    reason = "sizes are computed on the host" if is_size_arithmetic(layer) else ""
    reason = "texts and sequences stay on the host" if holds_objects(layer) else reason
    reason = "sizes that depend on data are found on the host" if finds_sizes(layer) else reason
    for tactic in registry.tactics_of(type(op.anchor if isinstance(op, Fused) else op)):
        if tactic.device == device:
            found = reason or _choices(tactic, layer, every_isa=False, nondeterministic=nondeterministic)
            if isinstance(found, str):
                rejected.append(RejectedTactic(tactic.name, found))
            else:
                choices += [replace(choice, device=1) for choice in found]
    if choices or isinstance(op, Fused):
        return Candidates(tuple(choices), tuple(rejected))
    host = candidates(layer, every_isa=every_isa, nondeterministic=nondeterministic)
    return on_host(rejected, host)


def on_host(rejected: Iterable[RejectedTactic], host: Candidates) -> Candidates:
    """What the host offers, with the device's tactics and why they can't; each tactic is told of once."""
    known = {item.tactic: item for item in (*host.rejected, *rejected)}
    return Candidates(host.choices, tuple(known.values()))


def is_size_arithmetic(layer: Layer) -> bool:
    """Whether a layer handles nothing but a few integers, as shapes are computed: not worth a trip to a device."""
    tensors = [tensor for tensor in (*layer.inputs, *layer.outputs) if tensor is not None]
    return all((tensor.dtype.is_integer or tensor.dtype is bool_) and tensor.rank <= 1 for tensor in tensors)


def finds_sizes(layer: Layer) -> bool:
    """Whether sizes of outputs come out only when the layer runs."""
    own = {tensor.spec.uid for tensor in layer.outputs}
    return any(own & atom_uids(tensor.shape) for tensor in layer.outputs)


def _choices(tactic: Tactic, layer: Layer, *, every_isa: bool, nondeterministic: bool) -> list[Choice] | str:
    """What a tactic offers for a layer, or the reason why it offers nothing."""
    if not tactic.deterministic and not nondeterministic:
        return "not deterministic, which BuilderConfig(allow_nondeterministic=True) would allow"
    reason = _format_reason(tactic, layer)
    launch = reason or _launch(tactic, layer)
    if isinstance(launch, str):
        return launch
    if tactic.is_own:
        return list(_kernels(tactic, launch, every_isa)) or "no such kernel here"
    return plugin_choices(tactic, launch)


def _format_reason(tactic: Tactic, layer: Layer) -> str:
    """Why no offered memory format fits: tensors of this release are linear; empty where one fits."""
    if all(tensor is None or tensor.rank != 4 for tensor in (*layer.inputs, *layer.outputs)):
        return ""
    if any(set((item,) if isinstance(item, str) else item) == {"linear"} for item in tactic.formats):
        return ""
    offered = ", ".join(item if isinstance(item, str) else "/".join(item) for item in tactic.formats)
    return f"offers the formats {offered}; the tensors here are linear"


def _launch(tactic: Tactic, layer: Layer) -> Launch | str:
    launch = _plan(tactic, layer)
    if not isinstance(launch, str) and not tactic.is_own:
        launch = normalized(launch, tactic, layer)
    if not isinstance(launch, str) and launch.output not in (None, layer.outputs[0].dtype):
        return f"is exact enough for an output of {launch.output} only"
    for index in () if isinstance(launch, str) else launch.pack:
        tensor = layer.inputs[index]
        if tensor is None or tensor.const is None:
            return f"input {index} is not constant, so it can't be packed when building"
    return launch


def _plan(tactic: Tactic, layer: Layer) -> Launch | str:
    specs = [None if tensor is None else tensor.spec for tensor in layer.inputs]
    if not isinstance(layer.op, Fused):
        return _asked(tactic, layer, specs)
    op = layer.op
    count = len(specs) - (op.program.n_inputs - 1)
    given = tuple(index for index in range(count) if any(spec is not None for spec in specs[index:count]))
    launch = tactic.plan(op.anchor, *specs[:count]) if tactic.is_own else "can't fuse"
    if isinstance(launch, str):
        return launch
    if launch.epilogue is not None:
        return launch.epilogue(op.program, [spec for spec in specs[count:] if spec is not None], layer.outputs[0].spec)
    if launch.split is None:
        return "can't fuse"
    launch = replace(launch, inputs=given if launch.inputs is None else launch.inputs)
    return _with_program(launch, op, layer.outputs[0].spec, specs[count:], count)


def _with_program(
    launch: Launch, op: Fused, output: TensorSpec, extras: list[TensorSpec | None], count: int
) -> Launch | str:
    """The launch with the fused program behind its own params, and how each extra input is broadcast."""
    assert launch.split is not None
    params: list[Size | float] = [*launch.params, len(extras)]
    for spec in extras:
        pattern = None if spec is None else broadcast_pattern(spec.shape, output.shape, launch.split)
        if pattern is None:
            return "an input of the fused program is broadcast in a way that the kernel can't"
        params += pattern
    inputs = launch.inputs or ()
    more = tuple(range(count, count + len(extras)))
    # No memory is shared with an extra input: a kernel may keep partial sums in its output before it reads that input.
    return replace(launch, params=(*params, *encode(op.program)), inputs=(*inputs, *more), inplace=())


def broadcast_pattern(shape: tuple[Size, ...], output: tuple[Size, ...], split: int) -> tuple[Size, int] | None:
    """(row period, whether columns are broadcast) of an input against an output seen as rows and columns, or None."""
    padded = (1,) * (len(output) - len(shape)) + tuple(shape)
    rows, columns = padded[:split], padded[split:]
    if all(size == 1 for size in columns):
        broadcast = 1
    elif columns == output[split:]:
        broadcast = 0
    else:
        return None
    leading = next((axis for axis, size in enumerate(rows) if size != 1), len(rows))
    if rows[leading:] != output[leading:split]:
        return None
    return product(rows[leading:]), broadcast


def _asked(tactic: Tactic, layer: Layer, specs: list[TensorSpec | None]) -> Launch | str:
    """What the tactic answers; a plugin's failure names it."""
    if tactic.is_own:
        return tactic.plan(layer.op, *specs)
    with plugin_faults(str(layer.key), f"tactic {tactic.name}", layer.name):
        found = tactic.plan(layer.op, *specs)
    if not isinstance(found, Launch | str):
        raise broken_contract(
            str(layer.key),
            f"tactic {tactic.name}",
            f"returned {type(found).__name__}",
            hint="Return an ew.Launch, or a text that says why the tactic can't run this layer.",
            layer=layer.name,
        )
    return found


def _kernels(tactic: Tactic, launch: Launch, every_isa: bool) -> Iterator[Choice]:
    kernel = launch.kernel or tactic.kernel
    assert isinstance(kernel, str)
    for name in kernel_variants(kernel)[: None if every_isa else 1]:
        isa = name.partition("@")[2]
        packers = {index: _variant(str(pack.kernel), isa) for index, pack in launch.pack.items()}
        if all(packers.values()):
            suffix = f"@{isa}" if isa and every_isa else ""
            named = {i: name for i, name in packers.items() if name}
            for variant in range(launch.variants):
                one = replace(launch, params=(variant, *launch.params)) if launch.variants > 1 else launch
                number = f"#{variant}" if launch.variants > 1 else ""
                yield Choice(tactic.name + number + suffix, name, one, named)


def kernel_variants(kernel: str) -> list[str]:
    """The exact names of a kernel in this library and on this machine, the widest instruction set first."""
    names = [kernel, *(f"{kernel}@{isa}" for isa in _native.isas())]
    return [name for name in names if _native.find_kernel(name)]


def _variant(kernel: str, isa: str) -> str | None:
    """The kernel that packs for one of this instruction set; for one of another device the best there is."""
    if not isa:
        return next(iter(kernel_variants(kernel)), None)
    for name in (f"{kernel}@{isa}", kernel):
        if _native.find_kernel(name):
            return name
    return None
