"""The options that several commands have: the same option means the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from enginewright.compiler.config import BuilderConfig, Profile

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ShapeRange:
    """What --shape says of one input: its smallest, usual and largest shape."""

    name: str
    low: tuple[int, ...]
    opt: tuple[int, ...]
    high: tuple[int, ...]


def read_shapes(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[ShapeRange, ...]:
    """Read the values of --shape: "x=1x3x224x224" or "x=MIN:OPT:MAX"."""
    return tuple(_read_shape(value, ctx, param) for value in values)


def _read_shape(value: str, ctx: click.Context, param: click.Parameter) -> ShapeRange:
    name, separator, text = value.rpartition("=")
    try:
        shapes = [tuple(int(size) for size in part.split("x")) if part else () for part in text.split(":")]
    except ValueError:
        shapes = []
    if not separator or len(shapes) not in {1, 3}:
        raise click.BadParameter(f"{value!r} is no shape: write x=1x3x224x224, or x=MIN:OPT:MAX", ctx, param)
    return ShapeRange(name, shapes[0], shapes[len(shapes) // 2], shapes[-1])


def shape_option(function: Function) -> Function:
    """Add --shape."""
    return click.option(
        "--shape",
        multiple=True,
        callback=read_shapes,
        metavar="NAME=SIZES",
        help="Shape of an input: x=1x3x224x224, or x=MIN:OPT:MAX; may be given for each input.",
    )(function)


def profile_of(shapes: Sequence[ShapeRange]) -> Profile:
    """The profile that --shape describes."""
    import enginewright as ew

    return ew.Profile({shape.name: (shape.low, shape.opt, shape.high) for shape in shapes})


@dataclass(frozen=True)
class BuildOptions:
    """How to build, as the command line says."""

    target: str
    threads: int | None
    level: int
    shapes: tuple[ShapeRange, ...]
    timing_cache: str | None
    error_on_timing_cache_miss: bool
    replace: tuple[str, ...] = ()
    allow_unverified: bool = False
    recipe: str | None = None
    precision: str = "fp32"

    def config(self) -> BuilderConfig:
        """The same for the API."""
        import enginewright as ew

        return ew.BuilderConfig(
            target=self.target,
            threads=self.threads,
            level=self.level,
            profiles=(profile_of(self.shapes),) if self.shapes else (),
            timing_cache=self.timing_cache,
            error_on_timing_cache_miss=self.error_on_timing_cache_miss,
            replace=self.replace if any("::" in item for item in self.replace) else (*self.replace, "unsupported")[0],
            allow_unverified=self.allow_unverified,
            recipe=self.recipe,
            precision=self.precision,
        )

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """The usual shape of each input that --shape names."""
        return {shape.name: shape.opt for shape in self.shapes}


def build_options(function: Function) -> Function:
    """Add what a build may be told; the command gets one `BuildOptions`."""

    def gathered(*, target: str, level: int, shape: tuple[ShapeRange, ...], **values: Any) -> Any:
        threads, cache = values.pop("threads"), values.pop("timing_cache")
        strict = values.pop("error_on_timing_cache_miss")
        more = {name: values.pop(name) for name in ("replace", "allow_unverified", "recipe", "precision")}
        return function(**values, options=BuildOptions(target, threads, level, shape, cache, strict, **more))

    gathered.__doc__, gathered.__name__ = function.__doc__, function.__name__
    for option in (
        click.option(
            "--recipe",
            type=click.Choice(["digest", "full", "none"]),
            help="What the plan keeps to be built again: the model's digest (default), the model, or nothing.",
        ),
        click.option("--allow-unverified", is_flag=True, help="Replace also what nothing can evaluate."),
        click.option(
            "--replace",
            multiple=True,
            metavar="WHAT",
            help="What rules of plugins replace: unsupported (default), all, none, or operator keys such as a::B.",
        ),
        click.option("--error-on-timing-cache-miss", is_flag=True, help="Fail instead of timing."),
        click.option("--timing-cache", metavar="FILE", help='File of earlier timings, read and added to; "": none.'),
        click.option(
            "--level", type=click.IntRange(0, 5), default=3, show_default=True, help="Effort: 0 is instant, 5 slowest."
        ),
        shape_option,
        click.option("--threads", type=click.IntRange(1), help="CPU threads of the engine. Default: all it may use."),
        click.option(
            "--precision",
            type=click.Choice(["fp32", "fp16", "bf16", "int8"]),
            default="fp32",
            show_default=True,
            help="Compute float32 layers in 16 bits where that is safe (GPU: fp16, bf16; CPU: bf16 products), "
            "or products with int8 weights in integers (CPU).",
        ),
        click.option(
            "--target", default="cpu", show_default=True, help="Where the engine will run: cpu, cuda, cuda:1."
        ),
    ):
        option(gathered)
    for parameter in getattr(function, "__click_params__", []):
        gathered.__click_params__.append(parameter)  # type: ignore[attr-defined]
    return gathered  # type: ignore[return-value]


def runtime_option(text: str) -> Callable[[Function], Function]:
    """Add --runtime."""
    return click.option(
        "--runtime", type=click.Choice(["standard", "safety"]), default="standard", show_default=True, help=text
    )


def input_option(function: Function) -> Function:
    """Add --input."""
    return click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=FILE",
        help="An input: x=a.npy; or all.npz with arrays by name. The others are random (run: with --random).",
    )(function)


def trust_options(function: Function) -> Function:
    """Add --keys and --trust; the command gets them as `keys` and `trust`, to be read with `given_trust`."""
    keys = click.option("--keys", metavar="FILE", help="PEM file of the public keys to trust.")
    trust = click.option("--trust", type=click.Choice(["any"]), help="Trust code from anywhere, as a program you run.")
    return keys(trust(function))


def given_trust(keys: str | None, trust: str | None) -> str | Sequence[bytes] | None:
    """Return what --keys or --trust says, as `ew.load` takes it."""
    if keys is None:
        return trust
    if trust is not None:
        raise click.UsageError("give --keys or --trust, not both")
    from enginewright.trust import read_public_keys

    return read_public_keys(keys)
