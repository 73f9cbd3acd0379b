"""What a build may be told: target, threads, effort, profiles of input shapes, and the timing cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from enginewright.device.cuda import check_target
from enginewright.dims import Dim
from enginewright.errors import ConfigError
from enginewright.graph.network import Network
from enginewright.plan.meta import ProfileRecord

Range = tuple[int, int, int]
PRECISIONS = {"cpu": ("fp32", "bf16", "int8"), "cuda": ("fp32", "fp16", "bf16")}


@dataclass(frozen=True)
class Profile:
    """The range of input shapes that an engine is tuned for and will accept.

    `shapes`: for each dynamic input its (min, opt, max) shapes, or one fixed shape. Tactics are timed at opt.
    """

    shapes: Mapping[str, Sequence[int] | tuple[Sequence[int], Sequence[int], Sequence[int]]]
    name: str = ""

    @staticmethod
    def from_samples(samples: Iterable[Mapping[str, Any]], name: str = "") -> Profile:
        """The profile of sample inputs, each a mapping of arrays by name: the range of the sizes that occur.

        The usual size of an axis is the one that occurs most often, of several the largest. Raises `ConfigError` for no
        samples, and for samples with other names or ranks than the first. Sequences, and optionals that are None,
        have no sizes and are left out.
        """
        given = list(samples)
        loose = {key for sample in given for key, value in sample.items() if _has_no_sizes(value)}
        shapes = [{key: np.shape(array) for key, array in sample.items() if key not in loose} for sample in given]
        if not shapes:
            raise ConfigError("there are no samples", hint="Give at least one set of inputs.")
        for index, found in enumerate(shapes):
            for key in {**shapes[0], **found}:
                if key not in found or len(found[key]) != len(shapes[0].get(key, ())) or key not in shapes[0]:
                    raise ConfigError(
                        f'sample {index} has another "{key}" than sample 0: {_shape_text(found.get(key))}, not '
                        f"{_shape_text(shapes[0].get(key))}",
                        hint="Give every input in every sample, with the same number of axes.",
                    )
        return Profile({key: _spread([found[key] for found in shapes]) for key in shapes[0]}, name)

    def ranges(self, network: Network) -> dict[str, list[Range]]:
        """For every input the range of each axis; `ConfigError` where the profile does not fit the network."""
        unknown = set(self.shapes) - {tensor.name for tensor in network.inputs}
        if unknown:
            raise ConfigError(
                f"the profile names inputs that do not exist: {', '.join(sorted(unknown))}",
                hint=f"The inputs are {', '.join(tensor.name for tensor in network.inputs)}.",
            )
        return {tensor.name: self._ranges(tensor.name, tensor.shape) for tensor in network.inputs}

    def _ranges(self, name: str, shape: tuple[int | Dim, ...]) -> list[Range]:
        given = self.shapes.get(name)
        if given is None:
            if any(isinstance(size, Dim) for size in shape):
                raise ConfigError(f'the profile lacks the dynamic input "{name}"', hint="Give its min, opt, max shape.")
            return [(size, size, size) for size in shape if isinstance(size, int)]
        lows, opts, highs = _three(name, given)
        if not len(lows) == len(opts) == len(highs) == len(shape):
            raise ConfigError(f'the profile of "{name}" does not have rank {len(shape)}', hint="Give every axis.")
        for axis, (low, opt, high) in enumerate(zip(lows, opts, highs, strict=True)):
            size = shape[axis]
            if not 0 <= low <= opt <= high:
                raise ConfigError(
                    f'the profile of "{name}", axis {axis}: {low}, {opt}, {high} are not in order',
                    hint="Give min <= opt <= max.",
                )
            if isinstance(size, int) and (low, high) != (size, size):
                raise ConfigError(f'"{name}", axis {axis} has the fixed size {size}', hint="Give that size.")
        return list(zip(lows, opts, highs, strict=True))


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape)) or "a scalar"


def _has_no_sizes(value: object) -> bool:
    """Whether an input is a sequence, or an optional that holds nothing; a list of numbers is an array."""
    return value is None or (isinstance(value, list | tuple) and any(isinstance(item, np.ndarray) for item in value))


def _spread(shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The smallest, the most frequent and the largest size of each axis."""
    axes = [Counter(sizes) for sizes in zip(*shapes, strict=True)]
    usual = tuple(max(counts, key=lambda size, counts=counts: (counts[size], size)) for counts in axes)  # type: ignore[misc]
    return tuple(map(min, axes)), usual, tuple(map(max, axes))


def _three(name: str, given: object) -> tuple[list[int], list[int], list[int]]:
    items = list(given) if isinstance(given, Sequence) else []
    if all(isinstance(item, int) for item in items):
        return items, items, items
    if len(items) == 3 and all(isinstance(item, Sequence) for item in items):
        low, opt, high = ([int(size) for size in item] for item in items)
        return low, opt, high
    raise ConfigError(f'the profile of "{name}" is {given!r}', hint="Give one shape, or a (min, opt, max) triple.")


@dataclass(frozen=True)
class BuilderConfig:
    """How to build an engine.

    `target`: "cpu", "cuda", or one GPU by index or UUID ("cuda:1", "cuda:GPU-..."). `precision`: "fp32" leaves types as
    the model has them. On CUDA, "fp16" and "bf16" compute float32 layers in 16 bits where that is safe. On the CPU,
    "bf16" rounds what matrix products and convolutions multiply, and sums in float32, and tensors between layers may be
    bfloat16; "int8" multiplies integers where
    the model stores a weight as int8, and quantizes the other side row by row while running.
    `threads`: CPU threads the engine will use (default: the CPUs this process may run on).
    `level`: 0 takes the first tactic that fits without timing and runs no optimizer pass; 1 optimizes; 2 also times
    where there are several candidates; 3 (default) takes more samples, on a GPU also of the whole network with the
    few that are close to the best; 4 and 5 also time older instruction sets.
    `profiles`: ranges of input shapes; none: any size is accepted. `timing_cache`: a file of earlier timings, read and
    added to; None: the default cache; "": none. `error_on_timing_cache_miss`: raise instead of timing.
    `allow_nondeterministic`: tactics whose results may differ from run to run may be chosen, too.
    `replace`: which subgraphs the rules of plugins may replace: "unsupported" (only those with a node that can't be
    imported), "all", "none", or a list of operator keys. Only what is verified is replaced; with `allow_unverified`
    also what nothing can evaluate.
    `recipe`: what the plan keeps to be built again: "digest" names the model, "full" carries it, "none" tells nothing
    of its origin; None: "full" for a `Network`, else "digest".
    `runtime`: "standard", or "safety" for a safe plan: `UnsafeNetwork` if a layer needs what that runtime lacks.
    `embed_code`: the plan carries the compiled kernels of plugins, and loads without these, but only with `trust=`.
    """

    target: str = "cpu"
    threads: int | None = None
    level: int = 3
    profiles: Sequence[Profile] = field(default_factory=tuple)
    timing_cache: str | None = None
    error_on_timing_cache_miss: bool = False
    allow_nondeterministic: bool = False
    replace: str | Sequence[str] = "unsupported"
    allow_unverified: bool = False
    recipe: str | None = None
    runtime: str = "standard"
    precision: str = "fp32"
    embed_code: bool = False

    def __post_init__(self) -> None:
        """Refuse values that no build knows."""
        check_target(self.target)
        self._check_precision()
        if self.runtime not in ("standard", "safety"):
            raise ConfigError(f"runtime {self.runtime!r} is not known", hint='Use "standard" or "safety".')
        if self.runtime == "safety" and self.target != "cpu":
            raise ConfigError("the safety runtime runs on the CPU only", hint='Build with target="cpu".')
        if self.runtime == "safety" and self.embed_code:
            raise ConfigError("safe plans carry no code", hint="Leave embed_code out.")
        if not 0 <= self.level <= 5:
            raise ConfigError(f"level {self.level} is not known", hint="Use 0 to 5.")
        if isinstance(self.replace, str) and self.replace not in ("unsupported", "all", "none"):
            raise ConfigError(
                f"replace={self.replace!r} is not known",
                hint='Use "unsupported", "all", "none", or a list of operator keys such as ["acme::Swish"].',
            )
        if self.recipe not in (None, "digest", "full", "none"):
            raise ConfigError(f"recipe {self.recipe!r} is not known", hint='Use "digest", "full" or "none".')
        if self.runtime == "safety" and self.recipe not in (None, "none"):
            raise ConfigError("a safe plan has no recipe", hint='Leave recipe out, or use "none".')
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads are not possible", hint="Use 1 or more, or leave it out.")

    def _check_precision(self) -> None:
        device = self.target.partition(":")[0]
        known = PRECISIONS[device]
        if self.precision in known:
            return
        if any(self.precision in others for others in PRECISIONS.values()):
            where = "the CPU" if device == "cpu" else "a GPU"
            raise ConfigError(f"{self.precision} is not computed on {where}", hint=f"Use {', '.join(known)}.")
        raise ConfigError(f"precision {self.precision!r} is not known", hint=f"Use {', '.join(known)}.")


def profile_records(config: BuilderConfig, network: Network) -> list[ProfileRecord]:
    """The profiles as a plan keeps them."""
    return [
        ProfileRecord(profile.name or f"profile {index}", profile.ranges(network))
        for index, profile in enumerate(config.profiles)
    ]
