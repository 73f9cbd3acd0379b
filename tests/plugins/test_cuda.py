"""The CUDA kernels of the bundled plugins give what the references give, on every example, in each type of floats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler.candidates import candidates
from enginewright.compiler.checking import difference
from enginewright.registry.registry import registry
from tests.plugins.test_all import OPERATORS
from tests.sdk.tactics.one_step import OneLayer, arrays_of

pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("gpu")]
WITH_CUDA = [cls for cls in OPERATORS if any(tactic.device == "cuda" for tactic in registry.tactics_of(cls))]
TYPES = (ew.float32, ew.float16, ew.bfloat16)


def examples() -> Iterator[Any]:
    for cls in WITH_CUDA:
        for number, (op, inputs) in enumerate(cls.examples()):
            for dtype in TYPES:
                yield pytest.param(op, inputs, dtype, id=f"{cls.KEY.name}-{number}-{dtype}")


def narrowed(item: Any, dtype: ew.DataType) -> Any:
    if isinstance(item, ew.TensorSpec):
        return item.with_dtype(dtype) if item.dtype is ew.float32 else item
    is_float = isinstance(item, np.ndarray) and item.dtype == np.float32
    return item.astype(dtype.numpy) if is_float else item


def run_on_gpu(op: Any, arrays: list[Any]) -> list[list[Any]]:
    """What each CUDA tactic gives when it runs from a graph."""
    layer = OneLayer(op, arrays, set())
    found = candidates(layer.network.layers[0], device="cuda")
    choices = [choice for choice in found.choices if choice.device]
    assert choices, found.rejected
    return [layer.run(choice) for choice in choices]


@pytest.mark.parametrize(("op", "inputs", "dtype"), list(examples()))
def test_agrees_with_the_reference(op: Any, inputs: list[Any], dtype: ew.DataType) -> None:
    arrays = [None if a is None else narrowed(a, dtype) for a in arrays_of(inputs)]
    made = op.reference(*arrays)
    for outputs in run_on_gpu(op, arrays):
        for found, wanted in zip(outputs, made if isinstance(made, tuple) else (made,), strict=True):
            assert difference(found, np.asarray(wanted), op) == ""


def large(name: str) -> tuple[Any, list[Any]]:
    """Sizes as in models, where kernels have many blocks, parts and digits."""
    rng = np.random.default_rng(3)
    cls = next(cls for cls in OPERATORS if cls.KEY.name == name)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, np.float32)

    if name == "GroupNorm":
        return cls(32), [normal(2, 64, 64, 320) + 5, normal(320), normal(320)]
    if name == "EfficientNMS":
        corners = rng.random((2, 8400, 2), np.float32) * 600
        boxes = np.concatenate([corners, corners + rng.random((2, 8400, 2), np.float32) * 80], axis=2)
        return cls(score_threshold=0.1), [boxes, rng.random((2, 8400, 20), np.float32) ** 4]
    if name == "RoIAlignRotated":
        rois = np.stack([rng.integers(0, 2, 99), *(rng.random((4, 99)) * 64), rng.random(99) * 6], axis=1)
        return cls(spatial_scale=0.5), [normal(2, 64, 50, 68), rois.astype(np.float32)]
    if name == "MultiscaleDeformableAttention":
        shapes = np.array([[32, 40], [16, 20], [8, 10], [4, 5]])
        starts = np.cumsum([0, *np.prod(shapes, axis=1)[:-1]])
        points, weights = rng.random((2, 300, 8, 4, 4, 2), np.float32), rng.random((2, 300, 8, 4, 4), np.float32)
        return cls(), [normal(2, 1700, 8, 32), shapes, starts, points, weights]
    if name == "GridSampler":
        return cls(padding_mode=2), [normal(2, 16, 24, 40, 48), rng.random((2, 20, 30, 40, 3), np.float32) * 4 - 2]
    if name == "ModulatedDeformConv":
        shapes = (2, 64, 40, 56), (2, 36, 40, 56), (2, 18, 40, 56), (128, 32, 3, 3), (128,)
        return cls(padding=(1, 1), groups=2, deform_groups=2), [normal(*shape) for shape in shapes]
    if name == "TopPSample":
        return cls(top_p=0.95), [normal(8, 50257) * 3, np.arange(8, dtype=np.int64)]
    angles = np.arange(512)[:, None] / 10000 ** (np.arange(64) / 64)
    tables = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    return cls(), [
        normal(2, 2, 4, 512, 128),
        normal(2, 16, 5, 128),
        *(normal(2, 4, 5, 128) for _ in range(2)),
        *tables,
        np.array([500, 17]),
    ]


@pytest.mark.parametrize("name", [cls.KEY.name for cls in WITH_CUDA])
def test_sizes_as_in_models(name: str) -> None:
    op, arrays = large(name)
    made = op.reference(*arrays)
    first, *others = (run_on_gpu(op, arrays)[0] for _ in range(3))
    for found, wanted in zip(first, made if isinstance(made, tuple) else (made,), strict=True):
        assert difference(found, np.asarray(wanted), op) == ""
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", [cls.KEY.name for cls in WITH_CUDA])
def test_a_build_takes_the_kernel(name: str) -> None:
    """Inside a graph, with another type than float32."""
    op, inputs = next(iter(next(cls for cls in OPERATORS if cls.KEY.name == name).examples()))
    arrays = [None if a is None else narrowed(a, ew.float16) for a in arrays_of(inputs)]
    net = ew.Network()
    tensors = [None if a is None else net.input(f"x{i}", ew.DataType.of(a), a.shape) for i, a in enumerate(arrays)]
    for index, tensor in enumerate(net.add(op, *tensors)):
        net.output(f"y{index}", tensor)
    plan = ew.build(net, ew.BuilderConfig(target="cuda", timing_cache=""))
    (layer,) = plan.report.layers
    assert layer.tactic.endswith("_cuda"), layer.rejected
    made = op.reference(*arrays)
    with ew.load(plan) as engine:
        for _ in range(3):
            found = engine.run({f"x{i}": a for i, a in enumerate(arrays) if a is not None})
    for index, wanted in enumerate(made if isinstance(made, tuple) else (made,)):
        assert difference(found[f"y{index}"], np.asarray(wanted), op) == ""


@pytest.mark.parametrize("top_k", [0, 2500])
def test_many_tokens_alike(top_k: int) -> None:
    """More of them than are compared with each other."""
    op = next(cls for cls in OPERATORS if cls.KEY.name == "TopPSample")(top_p=0.8, top_k=top_k)
    logits = np.zeros((4, 9000), np.float32)
    logits[:, ::3] = np.random.default_rng(2).choice([0.0, -3.0, 0.01], (4, 3000))
    arrays = [logits, np.arange(4, dtype=np.int64)]
    for (found, shares), (wanted, expected) in zip(run_on_gpu(op, arrays), [op.reference(*arrays)], strict=True):
        assert found.tolist() == wanted.tolist()
        np.testing.assert_allclose(shares, expected, rtol=1e-5)


def test_what_a_graph_cannot_refuse_is_nan() -> None:
    rng = np.random.default_rng(0)
    by_name = {cls.KEY.name: cls for cls in OPERATORS}
    rois = np.array([[5, 1, 1, 2, 2, 0], [0, 1, 1, 2, 2, 0]], np.float32)
    x = rng.random((1, 2, 6, 6), np.float32)
    ((y,),) = run_on_gpu(by_name["RoIAlignRotated"](2, 2, sampling_ratio=2), [x, rois])
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()
    logits = np.array([[1, np.nan], [2, 1]], np.float32)
    ((tokens, shares),) = run_on_gpu(by_name["TopPSample"](temperature=0.0), [logits, np.zeros(2, np.int64)])
    assert tokens.tolist() == [-1, 0]
    assert np.isnan(shares).tolist() == [True, False]
    op, (cache, query, key, value, cosine, sine, _) = next(iter(by_name["RotaryAttention"].examples()))
    ((kept, y),) = run_on_gpu(op, [cache, query, key, value, cosine, sine, np.array([19])])
    assert np.isnan(y).all()
    np.testing.assert_array_equal(kept, cache)
