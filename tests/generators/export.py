"""Exports the generated models to ONNX, static or with dynamic axes, and checks the file against torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from tests.generators.llama import LlamaDecoder
from tests.generators.transformers import make_bert, make_gpt2, make_vit, silence
from tests.generators.vision import MobileNetV2, ResNet50, settle_batch_norm

if TYPE_CHECKING:
    from tests.models import Entry

Axes: TypeAlias = dict[str, dict[int, str]]

TOLERANCE = 1e-4  # relative error of the exported model in ONNX Runtime; torch sums in another order


class AddOne(nn.Module):
    """One Add, to measure what a call costs."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x + 1."""
        return x + 1.0


@dataclass(frozen=True)
class Recipe:
    """How a model is made, the names of its outputs, and its dynamic axes."""

    make: Callable[[], nn.Module]
    axes: Axes
    outputs: tuple[str, ...] = ("y",)


IMAGES: Axes = {"x": {0: "n"}}
CACHED: Axes = {"ids": {0: "n", 1: "s"}, "pos": {0: "n", 1: "s"}, "pk": {1: "n", 3: "p"}, "pv": {1: "n", 3: "p"}}
TEXT: dict[int, str] = {0: "n", 1: "s"}

RECIPES = {
    "add1": Recipe(AddOne, IMAGES),
    "resnet50": Recipe(lambda: settle_batch_norm(ResNet50()), IMAGES),
    "mobilenet_v2": Recipe(lambda: settle_batch_norm(MobileNetV2()), IMAGES),
    "bert_base_s128": Recipe(make_bert, {"input_ids": TEXT, "attention_mask": TEXT}),
    "vit_b16": Recipe(make_vit, IMAGES),
    "gpt2_small_prefill128": Recipe(make_gpt2, {"input_ids": TEXT}),
    "llama4l_prefill128": Recipe(LlamaDecoder, CACHED, ("y", "nk", "nv")),
    "llama4l_decode_p256": Recipe(LlamaDecoder, CACHED, ("y", "nk", "nv")),
}


def export_model(entry: Entry, path: Path) -> None:
    """Write the model of `entry` (its name ends in "_dyn" for dynamic axes) to `path`; same weights every time."""
    silence()
    torch.manual_seed(0)
    recipe = RECIPES[entry.name.removesuffix("_dyn")]
    model = recipe.make().eval()
    inputs = entry.make_inputs()
    tensors = tuple(torch.from_numpy(array) for array in inputs.values())
    axes = recipe.axes if entry.name.endswith("_dyn") else None
    _write(model, tensors, path, (list(inputs), list(recipe.outputs), axes))
    result = model(*tensors)
    expected = [tensor.numpy() for tensor in (result if isinstance(result, tuple) else (result,))]
    _check(path, inputs, expected)


def _write(
    model: nn.Module, tensors: tuple[Tensor, ...], path: Path, names: tuple[list[str], list[str], Axes | None]
) -> None:
    """Trace `model` to ONNX 17; what the tracer cannot follow goes through the newer exporter, to ONNX 18."""
    inputs, outputs, axes = names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of each size that it takes for a constant
        common = {"input_names": inputs, "output_names": outputs, "dynamic_axes": axes}
        try:
            torch.onnx.export(model, tensors, path, opset_version=17, dynamo=False, **common)
        except Exception:  # noqa: BLE001  # the tracer fails in many ways, and the other exporter is the remedy for all
            torch.onnx.export(model, tensors, path, opset_version=18, dynamo=True, external_data=False, **common)


def _check(path: Path, inputs: dict[str, np.ndarray], expected: list[np.ndarray]) -> None:
    """Raise ValueError if ONNX Runtime does not give what torch gave."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    known = {value.name for value in session.get_inputs()}
    found = session.run(None, {name: array for name, array in inputs.items() if name in known})
    for value, got, want in zip(session.get_outputs(), found, expected, strict=True):
        error = np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-30)
        if error > TOLERANCE:
            raise ValueError(f"{path}: output {value.name} differs from torch by {error:.1e}, allowed {TOLERANCE:.0e}")
