"""RotaryAttention against PyTorch's attention with complex rotation, and as a decoder uses its cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright_plugins.rotary_attention import RotaryAttention
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved
from tests.plugins.optional_torch import torch

Array = np.ndarray[Any, Any]
EXAMPLES = list(RotaryAttention.examples())
NAMES = ["cache", "query", "key", "value", "cosine", "sine", "past"]


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: RotaryAttention, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: RotaryAttention, inputs: list[Any]) -> None:
    check_native(op, inputs)


def turned(x: Array, cosine: Array, sine: Array, interleaved: bool) -> Any:
    """Pairs as complex numbers times e to the i times their angles; the rest as it is."""
    half = cosine.shape[1]
    made, rest = torch.from_numpy(x[..., : 2 * half].copy()), torch.from_numpy(x[..., 2 * half :].copy())
    pairs = made.unflatten(-1, (half, 2) if interleaved else (2, half))
    axis = -1 if interleaved else -2
    number = torch.complex(pairs.select(axis, 0), pairs.select(axis, 1))
    number = number * torch.complex(torch.from_numpy(cosine), torch.from_numpy(sine))
    return torch.cat([torch.stack([number.real, number.imag], axis).flatten(-2), rest], -1)


def by_torch(op: RotaryAttention, inputs: list[Any]) -> tuple[Array, Array]:
    """The cache and the outputs, sequence by sequence."""
    cache, query, key, value, cosine, sine, past = inputs
    made, outputs, new = torch.from_numpy(cache.copy()), [], query.shape[2]
    for i, start in enumerate(past.tolist()):
        place = slice(start, start + new)
        angles = cosine[place], sine[place], op.interleaved
        made[0, i, :, place] = turned(key[i], *angles)
        made[1, i, :, place] = torch.from_numpy(value[i])
        seen = torch.ones(start + new, start + new, dtype=torch.bool).tril()[start:]
        found = torch.nn.functional.scaled_dot_product_attention(
            turned(query[i], *angles)[None], made[0, i, None, :, : start + new], made[1, i, None, :, : start + new],
            attn_mask=seen, scale=op.scale, enable_gqa=True,
        )  # fmt: skip
        outputs.append(found[0])
    return np.asarray(made), np.asarray(torch.stack(outputs))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES[:4])
def test_against_torch(op: RotaryAttention, inputs: list[Any], tmp_path: Path) -> None:
    wanted = by_torch(op, inputs)
    for made in (op.reference(*inputs), run_saved(op, inputs, tmp_path)):
        for found, expected in zip(made, wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def engine_of(op: RotaryAttention, inputs: list[Any]) -> ew.Engine:
    """An engine with all inputs at these sizes."""
    net = ew.Network()
    tensors = [net.input(name, ew.DataType.of(a), a.shape) for name, a in zip(NAMES, inputs, strict=True)]
    for name, tensor in zip(("grown", "y"), net.add(op, *tensors), strict=True):
        net.output(name, tensor)
    return ew.load(ew.build(net, QUIET))


def test_token_by_token_as_all_at_once() -> None:
    """Seven steps of one token, each with the cache of the step before, give what a prompt of seven gives."""
    op, inputs = EXAMPLES[0]
    wanted_cache, wanted = op.reference(*inputs)
    cache, query, key, value, cosine, sine, _ = inputs
    one = [cache, *(a[:, :, :1] for a in (query, key, value)), cosine, sine, np.array([0])]
    engine = engine_of(op, one)
    for t in range(7):
        step = [cache, *(a[:, :, t : t + 1] for a in (query, key, value)), cosine, sine, np.array([t])]
        made = engine.run(dict(zip(NAMES, step, strict=True)))
        cache = made["grown"]
        np.testing.assert_allclose(made["y"], wanted[:, :, t : t + 1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cache, wanted_cache, rtol=1e-5, atol=1e-6)


def test_the_input_stays_as_it_is() -> None:
    """The cache of the caller is copied first: only memory of the engine's own is shared."""
    op, inputs = EXAMPLES[0]
    before = inputs[0].copy()
    engine_of(op, inputs).run(dict(zip(NAMES, inputs, strict=True)))
    np.testing.assert_array_equal(inputs[0], before)


@pytest.mark.parametrize("past", [-1, 14])
def test_a_full_cache_is_refused(past: int) -> None:
    op, inputs = EXAMPLES[0]
    engine = engine_of(op, inputs)
    bad = [*inputs[:6], np.array([past])]
    with pytest.raises(ew.InputError, match="room for 20"):
        op.reference(*bad)
    with pytest.raises(ew.RunError, match="room for 20"):
        engine.run(dict(zip(NAMES, bad, strict=True)))


def test_mistakes_are_named() -> None:
    op, inputs = EXAMPLES[2]
    specs = [ew.TensorSpec(ew.DataType.of(array), array.shape) for array in inputs]
    with pytest.raises(ew.NetworkError, match="scale is nan"):
        RotaryAttention(scale=float("nan"))
    with pytest.raises(ew.ShapeError):
        op.infer(specs[0], specs[1].with_shape(3, 5, 1, 24), *specs[2:])
    with pytest.raises(ew.ShapeError):
        op.infer(*specs[:4], *[spec.with_shape(25, 13) for spec in specs[4:6]], specs[6])
    with pytest.raises(ew.DataTypeError, match="past is float32"):
        op.infer(*specs[:6], specs[6].with_dtype(ew.float32))
