"""The table of all operators, tactics and import rules by key, with the rules for what happens when two collide."""

from __future__ import annotations

import importlib
import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from enginewright.device.kernels import KernelSource
from enginewright.dims import Size
from enginewright.errors import PluginConflict
from enginewright.registry.discovery import Discovery, Source
from enginewright.registry.faults import OWN, broken_contract, plugin_faults
from enginewright.registry.keys import Key
from enginewright.registry.missing import not_found
from enginewright.tensors import DataType, TensorSpec, as_objects

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor
    from enginewright.registry.hooks import Hooks
    from enginewright.registry.onnx_node import OnnxNode
    from enginewright.registry.replacements import Replacement

    OnnxRule = Callable[[Network, OnnxNode], Tensor | None | Iterable[Tensor | None]]

_log = logging.getLogger("enginewright.plugins")
ROOT = "enginewright"


@runtime_checkable
class Operator(Protocol):
    """What every operator class offers; `@operator` makes it a frozen dataclass and adds `KEY`.

    Optional methods: `emit(self, p, *values)` writes an elementwise operator as instructions of a pointwise program;
    `view(self, *specs)` gives the byte offset at which output 0 lies inside input 0 (None: it needs a copy);
    `examples()` (static) yields (operator, specs or arrays) pairs for the conformance tests.
    """

    KEY: ClassVar[Key]
    infer: Callable[..., Any]
    reference: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Pack:
    """A constant input is stored as `kernel` writes it when building: `size` bytes."""

    kernel: str | KernelSource
    size: int
    params: tuple[int | float, ...] = ()


class _NoWorkspace(int):
    """The default of `Launch.workspace`: another 0 is a workspace that happens to be empty."""


NO_WORKSPACE: Size = _NoWorkspace(0)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a tactic runs one layer: the numbers its kernel receives, its memory and its constant inputs.

    `params`: integers, floats and sizes. `workspace`: bytes, aligned to 64. `pack`: by name or index of the input.
    `inputs`: which of the operator's inputs the kernel reads, in its order; None: all. Leave out inputs whose known
    value went into `params`. `split`: the kernel can run a fused pointwise program on its output, seen as rows = axes
    before `split`, columns = axes from `split` on; None: it cannot. `kernel`: instead of the tactic's own. `inplace`:
    output 0 may share the memory of one of these inputs (by name, or numbered as the operator's inputs). `variants`:
    the kernel computes the same in so many ways, and takes the number of one before `params`; each is a candidate.
    `epilogue`: instead of `split`, asked with a fused program, the specs of its further inputs and of the output: the
    launch that runs it all, its `inputs` counting further ones from len(inputs of the operator); or why it can't.
    `output`: the only type of output 0 that the kernel is exact enough for; None: any that the operator has.
    `grid`, `block` (up to three sizes each) and `shared` (bytes): of a kernel in CUDA source.
    """

    params: tuple[Size | float, ...] = ()
    workspace: Size = NO_WORKSPACE
    pack: Mapping[Any, Pack] = field(default_factory=dict)
    inputs: tuple[int, ...] | None = None
    split: int | None = None
    kernel: str | None = None
    inplace: tuple[Any, ...] = ()
    variants: int = 1
    epilogue: Callable[..., Launch | str] | None = None
    grid: tuple[Size, ...] = ()
    block: tuple[Size, ...] = (256,)
    shared: Size = 0
    output: DataType | None = None


@dataclass(frozen=True, slots=True)
class Tactic:
    """One way to run an operator: `plan` answers with a Launch for these specs, or the reason why it can't.

    `target` is the class that it was declared for and `module` where; `formats` are the memory formats offered: one
    word for all 4-D tensors, or one each, inputs first; `inplace`: input names whose memory output 0 may share.
    """

    name: str
    operator: Key
    kernel: str | KernelSource
    plan: Callable[..., Launch | str]
    deterministic: bool = True
    target: type[Any] | None = None
    module: str = ROOT
    formats: tuple[str | tuple[str, ...], ...] = ("linear",)
    inplace: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it belongs to the SDK, which trusts its own tactics and tests them elsewhere."""
        return self.module.partition(".")[0] == ROOT

    @property
    def device(self) -> str:
        """The kind of device that its kernel runs on, with which a built-in kernel's name begins."""
        if isinstance(self.kernel, KernelSource):
            return self.kernel.target
        return "cuda" if self.kernel.startswith("cuda_") else "cpu"

    @property
    def level(self) -> int:
        """How its kernel was made: 0 built in or Python, 1 C source, 2 CUDA, 3 a library."""
        return self.kernel.level if isinstance(self.kernel, KernelSource) else 0


class Registry:
    """All operators, tactics and import rules that this process knows.

    `operators` has one class for each key. Where several distributions declare a key, `rivals` has all of their
    classes, and a look-up raises `PluginConflict` until `prefer` chooses.
    """

    def __init__(self) -> None:
        self.operators: dict[Key, type[Any]] = {}
        self.tactics: dict[Key, list[Tactic]] = {}
        self.rules: dict[tuple[str, str], dict[int, OnnxRule]] = {}
        self.onnx_names: dict[tuple[str, str], set[Key]] = {}
        self.replacements: dict[tuple[str, str, str], Replacement] = {}
        self.rivals: dict[Key, dict[str, type[Any]]] = {}
        self.discovery = Discovery(self._loaded, self._forget)
        self._preferred: dict[str, str] = {}
        self._users: dict[Key, weakref.WeakSet[Any]] = {}
        self._hooks: Hooks | None = None
        self._lock = threading.RLock()

    # ---- declaring ---------------------------------------------------------------------------------------------

    def add_operator(self, cls: type[Any], key: Key) -> None:
        """Register an operator class; the same class may be redefined, another origin may not take its key."""
        with self._lock:
            known = self.operators.get(key)
            if known is None:
                self.operators[key] = cls
            elif _origin(known) == _origin(cls):
                self._redefine(key, cls)
            else:
                self._add_rival(key, known, cls)

    def _redefine(self, key: Key, cls: type[Any]) -> None:
        if any(True for _ in self._users.get(key, ())):
            raise PluginConflict(
                f"{key} can't be redefined while an engine uses it", hint="Close the engines that use it first."
            )
        self.operators[key] = cls
        for owner in self.rivals.get(key, {}):
            if owner == self.owner_of(cls):
                self.rivals[key][owner] = cls
        _log.info("%s is redefined by %s", key, cls.__module__)

    def _add_rival(self, key: Key, known: type[Any], cls: type[Any]) -> None:
        owners = self.owner_of(known), self.owner_of(cls)
        if owners[0] == owners[1]:
            raise PluginConflict(
                f"{key} is declared by {known.__module__} and by {cls.__module__}", hint="Rename one of them."
            )
        self.rivals.setdefault(key, {owners[0]: known})[owners[1]] = cls

    def add_tactic(self, tactic: Tactic) -> None:
        """Register a tactic; the same function may be declared again, another module may not take its name."""
        with self._lock:
            known = self.tactics.setdefault(tactic.operator, [])
            for other in known:
                if other.name == tactic.name and other.module != tactic.module and _same_target(other, tactic):
                    raise PluginConflict(
                        f"{tactic.operator}: {other.module} and {tactic.module} both give a tactic {tactic.name}",
                        hint="Rename one of the functions.",
                    )
            known[:] = [o for o in known if o.name != tactic.name or not _same_target(o, tactic)] + [tactic]

    # ---- looking up --------------------------------------------------------------------------------------------

    def load(self, namespace: str) -> None:
        """Import what declares a namespace: the SDK's own families, or installed plugins."""
        if namespace == OWN:
            importlib.import_module("enginewright.ops").load()
        else:
            self.discovery.load(namespace)

    def operator(self, key: Key) -> type[Any]:
        """The class of a key; `PluginNotFound` if there is none, `PluginConflict` if there are several."""
        if key not in self.operators or key.namespace != OWN:
            self.load(key.namespace)
        found = self._chosen(key)
        if found is None:
            raise not_found(key, self)
        return found

    def newest(self, namespace: str, name: str, at_most: int | None = None) -> type[Any] | None:
        """The operator class with the highest version (not above `at_most`), or None."""
        self.load(namespace)
        keys = [key for key in self.operators if (key.namespace, key.name) == (namespace, name)]
        allowed = [key for key in keys if at_most is None or key.version <= at_most]
        return self._chosen(max(allowed)) if allowed else None

    def versions(self, namespace: str, name: str) -> list[int]:
        """The versions of an operator that are known, after its namespace was loaded."""
        return sorted(key.version for key in self.operators if (key.namespace, key.name) == (namespace, name))

    def rule(self, domain: str, op_type: str, version: int) -> OnnxRule | None:
        """The import rule with the highest `since` that is not above the opset version, or None."""
        rules = self.rules.get((domain, op_type), {})
        since = max((number for number in rules if number <= version), default=None)
        return None if since is None else rules[since]

    def tactics_of(self, cls: type[Any]) -> list[Tactic]:
        """The tactics that were declared for this class, or for an earlier definition of it."""
        known = self.tactics.get(cls.KEY, ())
        return [tactic for tactic in known if tactic.target is None or _origin(tactic.target) == _origin(cls)]

    def owner_of(self, cls: type[Any]) -> str:
        """The distribution that a class belongs to; empty for a local file, a notebook, a test."""
        source = self.source_of(cls.__module__)
        return source.distribution if source else ""

    def source_of(self, module: str) -> Source | None:
        """The entry point behind a module, None for the SDK's own and for local files."""
        return None if module.partition(".")[0] == ROOT else self.discovery.owner_of(module)

    def _chosen(self, key: Key) -> type[Any] | None:
        rivals = self.rivals.get(key)
        if not rivals:
            return self.operators.get(key)
        preferred = self._preferred.get(key.base)
        if preferred is not None and preferred in rivals:
            return rivals[preferred]
        listed = " and by ".join(self._described(cls) for cls in rivals.values())
        names = [f'ew.registry.prefer("{key.base}", distribution="{owner}")' for owner in rivals]
        raise PluginConflict(f"{key} is declared by {listed}", hint=f"Choose one: {' or '.join(names)}.")

    def _described(self, cls: type[Any]) -> str:
        source = self.source_of(cls.__module__)
        return f"{source.owner if source else 'no distribution'} ({cls.__module__}.{cls.__qualname__})"

    # ---- choosing ----------------------------------------------------------------------------------------------

    def prefer(self, key: str, *, distribution: str) -> None:
        """Where several distributions declare a key, use this one's class, in every version; "": the local one."""
        self._preferred[Key.parse(key).base] = distribution

    @contextmanager
    def override(self, cls: type[Any]) -> Iterator[None]:
        """Inside the block the key of this operator class means this class, whoever else declares it; for tests."""
        key: Key = cls.KEY
        with self._lock:
            kept = self.operators.get(key), self.rivals.pop(key, None)
            self.operators[key] = cls
        try:
            yield
        finally:
            with self._lock:
                for table, value in zip((self.operators, self.rivals), kept, strict=True):
                    table.pop(key, None)  # type: ignore[attr-defined]
                    if value is not None:
                        table[key] = value  # type: ignore[index]

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Inside the block only the SDK's own operators are known; what is declared there is forgotten after it."""
        for name in ("enginewright.ops", "enginewright.tactics"):
            importlib.import_module(name).load()
        kept = dict(vars(self))
        self.operators = {key: cls for key, cls in self.operators.items() if key.namespace == OWN}
        self.tactics = {key: [t for t in known if t.is_own] for key, known in self.tactics.items()}
        self.rules = {name: dict(rules) for name, rules in self.rules.items()}
        self.onnx_names, self.rivals, self._preferred, self._users, self._hooks = {}, {}, {}, {}, None
        self.replacements = {}
        self.discovery = Discovery(self._loaded, self._forget)
        try:
            yield
        finally:
            vars(self).update(kept)

    # ---- engines and hooks -------------------------------------------------------------------------------------

    def use(self, keys: Iterable[Key], user: Any) -> None:
        """Note that an engine uses these operators, until it is closed or gone."""
        for key in keys:
            if key.namespace != OWN:
                self._users.setdefault(key, weakref.WeakSet()).add(user)

    def release(self, user: Any) -> None:
        """Note that an engine is closed."""
        for users in self._users.values():
            users.discard(user)

    @property
    def hooks(self) -> Hooks:
        """The plugins that watch builds and engines."""
        if self._hooks is None:
            from enginewright.registry.hooks import Hooks  # imports this module

            self._hooks = Hooks(self)
        return self._hooks

    def announce(self, event: str, **arguments: Any) -> None:
        """Tell the plugins that watch about an event; they can't change anything."""
        if self._hooks is not None:
            self._hooks.call(event, **arguments)

    def watched(self, event: str) -> bool:
        """Whether any loaded plugin watches an event."""
        return self._hooks is not None and self._hooks.wanted(event)

    def _loaded(self, source: Source, module: ModuleType) -> None:
        self.hooks.add(module, f"{source.namespace} ({source.distribution}, {source.module})")

    def _forget(self, source: Source) -> None:
        """Drop what a broken module declared before it failed."""
        root = source.module

        def is_its(module: str) -> bool:
            return module == root or module.startswith(f"{root}.")

        with self._lock:
            for key in [key for key, cls in self.operators.items() if is_its(cls.__module__)]:
                del self.operators[key]
            for known in self.tactics.values():
                known[:] = [tactic for tactic in known if not is_its(tactic.module)]
            for origin, rule in list(self.replacements.items()):
                if is_its(rule.operator.__module__) or is_its(origin[1]):
                    del self.replacements[origin]


registry = Registry()


def _origin(cls: type[Any]) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def _same_target(a: Tactic, b: Tactic) -> bool:
    return a.target is None or b.target is None or _origin(a.target) == _origin(b.target)


def infer_specs(op: Operator, specs: Iterable[TensorSpec | None], layer: str = "") -> tuple[TensorSpec, ...]:
    """The operator's output specs, always as a tuple; what a plugin raises or returns wrongly is a `PluginError`."""
    if op.KEY.namespace == OWN:
        found = op.infer(*specs)
        return found if isinstance(found, tuple) else (found,)
    given = list(specs)
    _check_count(op, given)
    with plugin_faults(str(op.KEY), "infer", layer):
        found = op.infer(*given)
    made = _checked_specs(op, found if isinstance(found, tuple) else (found,), layer)
    for output, index in getattr(type(op), "ALIAS", {}).items():
        source = given[index] if index < len(given) else None
        if source is not None and (made[output].dtype, made[output].shape) != (source.dtype, source.shape):
            message = f"gives output {output} another type or shape than input {index}, whose memory it shares"
            raise broken_contract(str(op.KEY), "infer", message, hint="Return the spec of that input.", layer=layer)
    # A rule that returns its input means the same type and shape, not the same contents.
    return tuple(TensorSpec(s.dtype, s.shape, None if any(s is x for x in given) else s.value) for s in made)


def _check_count(op: Operator, specs: list[TensorSpec | None]) -> None:
    """TypeError if `infer` does not take as many tensors; it is the caller's mistake, not the plugin's."""
    parameters = inspect.signature(op.infer).parameters.values()
    inspect.signature(op.infer).bind(*specs)
    for parameter, spec in zip(parameters, specs, strict=False):
        if spec is None and parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL:
            raise TypeError(f"input {parameter.name!r} is left out, and it is required")


def _checked_specs(op: Operator, found: tuple[Any, ...], layer: str) -> tuple[TensorSpec, ...]:
    hint = "Return a TensorSpec, or a tuple of them; each size is an int or an ew.Dim."
    for index, spec in enumerate(found):
        if not isinstance(spec, TensorSpec):
            message = f"returned {type(spec).__name__} for output {index}"
            raise broken_contract(str(op.KEY), "infer", message, hint=hint, layer=layer)
        problem = spec.problem()
        if problem:
            raise broken_contract(str(op.KEY), "infer", f"gives output {index} {problem}", hint=hint, layer=layer)
    return found


def run_reference(op: Operator, arrays: Iterable[Any], layer: str = "") -> tuple[Any, ...]:
    """What the operator's reference gives, always as a tuple; a plugin's failure is a `PluginError`."""
    if op.KEY.namespace == OWN:
        found = op.reference(*arrays)
    else:
        with plugin_faults(str(op.KEY), "reference", layer):
            found = op.reference(*arrays)
    return tuple(as_objects(item) for item in (found if isinstance(found, tuple) else (found,)))


def doc_of(cls: type[Any]) -> str:
    """The operator's docstring, dedented."""
    return inspect.getdoc(cls) or ""
