"""Exports the generated models to ONNX, static or with dynamic axes, and checks the file against torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
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
    from tests.models import Arrays, Entry

Axes: TypeAlias = dict[str, dict[int, str]]

TOLERANCE = 1e-4  # relative error of the exported model in ONNX Runtime; torch sums in another order


class AddOne(nn.Module):
    """One Add, to measure what a call costs."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x + 1."""
        return x + 1.0


@dataclass(frozen=True)
class Recipe:
    """How a model is made, its dynamic axes and outputs; `traced`: by the older exporter, which GPT-2 defeats."""

    make: Callable[[], nn.Module]
    axes: Axes
    outputs: tuple[str, ...] = ("y",)
    traced: bool = True


IMAGES: Axes = {"x": {0: "n"}}
CACHED: Axes = {"ids": {0: "n", 1: "s"}, "pos": {0: "n", 1: "s"}, "pk": {1: "n", 3: "p"}, "pv": {1: "n", 3: "p"}}
TEXT: dict[int, str] = {0: "n", 1: "s"}

RECIPES = {
    "add1": Recipe(AddOne, IMAGES),
    "resnet50": Recipe(lambda: settle_batch_norm(ResNet50()), IMAGES),
    "mobilenet_v2": Recipe(lambda: settle_batch_norm(MobileNetV2()), IMAGES),
    "bert_base_s128": Recipe(make_bert, {"input_ids": TEXT, "attention_mask": TEXT}),
    "vit_b16": Recipe(make_vit, IMAGES),
    "gpt2_small_prefill128": Recipe(make_gpt2, {"input_ids": TEXT}, traced=False),
    "llama4l_prefill128": Recipe(LlamaDecoder, CACHED, ("y", "nk", "nv")),
    "llama4l_decode_p256": Recipe(LlamaDecoder, CACHED, ("y", "nk", "nv")),
}


def export_model(entry: Entry, path: Path) -> None:
    """Write the model of `entry` (its name ends in "_dyn" for dynamic axes) to `path`; same weights every time."""
    silence()
    torch.manual_seed(0)
    recipe = RECIPES[entry.name.removesuffix("_dyn")]
    model = recipe.make().eval()
    samples = [entry.make_inputs()] + ([entry.make_other_inputs()] if entry.other_shapes else [])
    # The last sample is the example: the newer exporter takes a dynamic axis of size 1 for a fixed one.
    _write(model, samples[-1], path, recipe if entry.other_shapes else replace(recipe, axes={}))
    for inputs in samples:
        _check(path, inputs, _run(model, inputs))


def _write(model: nn.Module, inputs: Arrays, path: Path, recipe: Recipe) -> None:
    """Export `model` as ONNX: opset 17 by the tracer, 18 by the newer exporter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of each size that it takes for a constant
        torch.onnx.export(
            model,
            tuple(torch.from_numpy(array) for array in inputs.values()),
            path,
            input_names=list(inputs),
            output_names=list(recipe.outputs),
            dynamic_axes=recipe.axes or None,
            opset_version=17 if recipe.traced else 18,
            dynamo=not recipe.traced,
            external_data=False,
        )


def _run(model: nn.Module, inputs: Arrays) -> list[np.ndarray]:
    """Return what torch computes."""
    result = model(*(torch.from_numpy(array) for array in inputs.values()))
    return [tensor.numpy() for tensor in (result if isinstance(result, tuple) else (result,))]


def _check(path: Path, inputs: Arrays, expected: list[np.ndarray]) -> None:
    """Raise ValueError if ONNX Runtime does not give what torch gave."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, inputs)
    for value, got, want in zip(session.get_outputs(), found, expected, strict=True):
        error = np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-30)
        if error > TOLERANCE:
            raise ValueError(f"{path}: output {value.name} differs from torch by {error:.1e}, allowed {TOLERANCE:.0e}")
