"""TopPSample against PyTorch's softmax and sorting, against its own probabilities, and against known random numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright_plugins.top_p_sample import TopPSample, uniform
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved
from tests.plugins.optional_torch import torch

Array = np.ndarray[Any, Any]
EXAMPLES = list(TopPSample.examples())
RNG = np.random.default_rng(29)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: TopPSample, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: TopPSample, inputs: list[Any]) -> None:
    check_native(op, inputs)


def test_random_numbers_are_splitmix64s() -> None:
    """The first number of the published generator for seeds 0 and 1234567."""
    assert uniform(0) == (0xE220A8397B1DCDAF >> 11) / 2**53
    assert uniform(1234567) == (6457827717110365317 >> 11) / 2**53


def kept_by_torch(logits: Array, op: TopPSample) -> tuple[Any, Any]:
    """Tokens that may be drawn, and their probabilities among each other."""
    found = torch.softmax(torch.from_numpy(logits).double() / op.temperature, dim=-1)
    shares, tokens = found.sort(descending=True, stable=True)
    if op.top_k:
        shares, tokens = shares[: op.top_k], tokens[: op.top_k]
        shares = shares / shares.sum()
    kept = shares.cumsum(0) - shares < op.top_p
    return tokens[kept], shares[kept] / shares[kept].sum()


@pytest.mark.parametrize(
    "op", [TopPSample(), TopPSample(top_p=0.5, temperature=0.8), TopPSample(top_p=1.0), TopPSample(top_k=7)]
)
def test_draws_as_often_as_torch_says(op: TopPSample, tmp_path: Path) -> None:
    """Chi-squared of 4,000 draws from 30 tokens; seeds that count up are as good as any."""
    logits = (RNG.standard_normal(30) * 1.5).astype(np.float32)
    tokens, shares = kept_by_torch(logits, op)
    draws = 4_000
    found, probabilities = run_saved(op, [np.tile(logits, (draws, 1)), np.arange(draws)], tmp_path)
    counts = np.bincount(found, minlength=30)
    assert counts.sum() == counts[tokens.numpy()].sum()
    expected = shares.numpy() * draws
    chi = float(((counts[tokens.numpy()] - expected) ** 2 / expected).sum())
    assert chi < 2.5 * len(expected) + 10
    of_token = dict(zip(tokens.tolist(), shares.tolist(), strict=True))
    np.testing.assert_allclose(probabilities, [of_token[token] for token in found.tolist()], rtol=1e-5)


def test_a_row_depends_on_nothing_but_its_logits_and_seed() -> None:
    op, (logits, seeds) = EXAMPLES[0]
    tokens, _ = op.reference(logits, seeds)
    again, _ = op.reference(logits[::-1], seeds[::-1])
    np.testing.assert_array_equal(tokens[::-1], again)


def test_many_tokens() -> None:
    """Pieces of the order are sorted several times over."""
    logits = (RNG.standard_normal((3, 50_000)) / 4).astype(np.float32)
    for op in (TopPSample(top_p=0.6), TopPSample(top_p=1.0), TopPSample(top_k=900)):
        check_native(op, [logits, np.array([3, 4, 2**62])])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_without_a_largest_number_are_refused(value: float) -> None:
    op, logits, net = TopPSample(), np.full((2, 3), 1, np.float32), ew.Network()
    logits[1] = value
    made = net.add(op, net.input("x", ew.float32, logits.shape), net.input("seed", ew.int64, (2,)))
    net.output("y", made[0])
    engine = ew.load(ew.build(net, QUIET))
    with pytest.raises(ew.InputError, match="no largest finite"):
        op.reference(logits, np.arange(2))
    with pytest.raises(ew.RunError, match="row 1 of logits|no largest finite"):
        engine.run({"x": logits, "seed": np.arange(2)})


def test_mistakes_are_named() -> None:
    with pytest.raises(ew.NetworkError, match="top_p is 0"):
        TopPSample(top_p=0.0)
    with pytest.raises(ew.NetworkError, match="temperature is -1"):
        TopPSample(temperature=-1.0)
    logits = ew.TensorSpec(ew.float32, (2, 5))
    with pytest.raises(ew.DataTypeError, match="seed is int32"):
        TopPSample().infer(logits, ew.TensorSpec(ew.int32, (2,)))
    with pytest.raises(ew.ShapeError):
        TopPSample().infer(logits, ew.TensorSpec(ew.int64, (3,)))
