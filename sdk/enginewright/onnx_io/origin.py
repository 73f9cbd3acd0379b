"""What a plan was built from: the model with its digests, and the file that a plan can carry to be built again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from enginewright.errors import NetworkError, PlanDetails, PlanRecipeError
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network
from enginewright.onnx_io.export import export_network
from enginewright.onnx_io.expose import load_whole
from enginewright.onnx_io.model_file import read_model
from enginewright.onnx_io.parser import parse, parse_model
from enginewright.replacement.replacer import Replacer
from enginewright_compat.passport import ModelInfo
from enginewright_compat.recipe import SourceFile, SourceInfo

Model = Any
DIGEST, FULL, NONE = "digest", "full", "none"
NOBODY = SourceFile("", 0, "")


@dataclass(frozen=True, eq=False)
class Origin:
    """A model as a network of its own, what a recipe says of it, once known, and the file to carry (empty: none)."""

    network: Network
    known: SourceInfo | Future[SourceInfo]
    source: bytes
    mode: str
    note: str = ""

    @property
    def info(self) -> SourceInfo:
        """What a recipe says of the model; it may take until the digest of a large file is there."""
        return self.known if isinstance(self.known, SourceInfo) else self.known.result()

    def settle(self) -> None:
        """Wait until the model's files are read no more, whether that went well or not."""
        if isinstance(self.known, Future):
            wait([self.known])

    @property
    def model(self) -> ModelInfo:
        """What the passport says of it."""
        return ModelInfo(self.info.format, self.info.model.file, self.info.model.sha256, "")


def read_origin(model: Model, wanted: str | None, replacer: Replacer) -> Origin:
    """Import a model (path, bytes, ModelProto or `Network`); `wanted` is the kind of recipe, None: by the model."""
    if isinstance(model, Network):
        return _of_network(copy_network(model), wanted)
    found, mode = read_model(model, apart=True), wanted or DIGEST
    if mode == NONE:
        return Origin(parse_model(found, replacer), SourceInfo("onnx", NOBODY), b"", NONE)
    if isinstance(model, str | os.PathLike):
        path, pool = Path(model), ThreadPoolExecutor(1)
        # The digest of 575 MB takes 0.35 s: it is computed beside all that a build does.
        whole = pool.submit(source_file, path.name, found.content)
        try:
            network = parse_model(found, replacer)
            places = external_places(found.proto)  # only now, as the parser refuses those outside the folder
            known = pool.submit(lambda: SourceInfo("onnx", whole.result(), _of_files(path.parent, places)))
            source = _whole(path, alone=not places) if mode == FULL else b""
        except BaseException:
            pool.shutdown(cancel_futures=True)  # nobody reads the file any more: it may be written anew
            raise
        pool.shutdown(wait=False)
        return Origin(network, known, source, mode)
    network = parse_model(found, replacer)
    content = found.proto.SerializeToString(deterministic=True) if isinstance(model, onnx.ModelProto) else bytes(model)
    return Origin(network, SourceInfo("onnx", source_file("", content)), content if mode == FULL else b"", mode)


def read_again(content: bytes, info: SourceInfo, replacer: Replacer) -> Origin:
    """The same for a model from a plan, of which `info` is known."""
    return Origin(parse(content, replacer), info, content, FULL)


def _of_network(network: Network, wanted: str | None) -> Origin:
    """A network by hand is carried whole, as nothing else holds it, unless a file cannot hold it."""
    if wanted == NONE:
        return Origin(network, SourceInfo("network", NOBODY), b"", NONE)
    try:
        content = export_network(network)
    except NetworkError as error:
        if wanted is not None:
            raise
        note = f"the plan has no recipe: {error.message}"
        return Origin(network, SourceInfo("network", NOBODY), b"", NONE, note)
    info = SourceInfo("network", source_file("", content))
    return Origin(network, info, b"" if wanted == DIGEST else content, wanted or FULL)


def source_file(name: str, content: bytes | memoryview) -> SourceFile:
    """Name, size and digest of a file's content."""
    return SourceFile(name, len(content), hashlib.sha256(content).hexdigest())


def _of_files(folder: Path, places: Iterable[str]) -> tuple[SourceFile, ...]:
    return tuple(_of_file(folder, place) for place in places)


def _of_file(folder: Path, place: str) -> SourceFile:
    path = folder / place
    with path.open("rb") as file:
        return SourceFile(place, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def external_places(proto: onnx.ModelProto) -> list[str]:
    """The files beside a model that hold its weights, sorted, each once."""
    graphs = [_tensors(proto.graph.node, proto.graph.initializer)]
    graphs += [_tensors(function.node) for function in proto.functions]
    external = (item for tensors in graphs for item in tensors if item.data_location == onnx.TensorProto.EXTERNAL)
    return sorted({entry.value for item in external for entry in item.external_data if entry.key == "location"})


def _tensors(
    nodes: Iterable[onnx.NodeProto], initializers: Iterable[onnx.TensorProto] = ()
) -> Iterator[onnx.TensorProto]:
    """Every tensor of a graph, those of attributes and nested graphs included."""
    yield from initializers
    for item in (item for node in nodes for item in node.attribute):
        yield from (item.t, *item.tensors)
        for graph in (item.g, *item.graphs):
            yield from _tensors(graph.node, graph.initializer)


def _whole(path: Path, *, alone: bool) -> bytes:
    """The model as one file, with the weights beside it inside."""
    if alone:
        return path.read_bytes()
    data: bytes = load_whole(path).SerializeToString(deterministic=True)
    return data


def check_model(path: Path, info: SourceInfo) -> None:
    """Raise `PlanRecipeError` unless a model file and its data are, byte for byte, those of a recipe."""
    wanted = [(path, info.model), *((path.parent / item.file, item) for item in info.data)]
    for place, expected in wanted:
        try:
            found = _of_file(place.parent, place.name)
        except OSError as error:
            raise recipe_error(f"cannot read {place}: {error.strerror or error}", "model", f"{place}") from None
        if (found.size, found.sha256) != (expected.size, expected.sha256):
            raise recipe_error(
                f"{place} is not the file that the plan was built from",
                "model",
                f"{found.size:,} bytes, SHA-256 {found.sha256}",
                f"{expected.size:,} bytes, SHA-256 {expected.sha256}",
            )


def recipe_error(message: str, field: str, found: str = "", expected: str = "", *, hint: str = "") -> PlanRecipeError:
    """The error for a plan that cannot be built again from its recipe."""
    return PlanRecipeError(
        message,
        hint=hint or "Give the same file as --from MODEL (ew.rebuild: model=), or build anew: enginewright build.",
        details=PlanDetails("plan", field, found, expected),
    )
