"""Tests of what ONNX Runtime's optimizer writes for diffusion models, against definitions: it has no CPU kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.errors import UnsupportedModel
from enginewright.onnx_io.parser import parse
from tests.sdk.ops.microsoft import Array, floats, model_of


def run(op_type: str, inputs: list[Array], outputs: int = 1, **attributes: Any) -> list[Array]:
    feeds = {f"x{index}": array for index, array in enumerate(inputs)}
    found = parse(model_of(op_type, inputs, outputs, (), **attributes)).evaluate(feeds)
    return [found[f"y{index}"] for index in range(outputs)]


def normalized(x: Array, scale: Array, shift: Array, groups: int) -> Array:
    """x [N, H, W, C] over each group of channels, in float64."""
    apart = x.astype(np.float64).reshape(x.shape[0], -1, groups, x.shape[3] // groups)
    mean, variance = (f(apart, axis=(1, 3), keepdims=True) for f in (np.mean, np.var))
    return np.asarray(((apart - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * scale + shift)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("activation", [0, 1])
def test_group_norm(last: int, activation: int) -> None:
    x, scale, shift = floats(2, 5, 3, 8), floats(8), floats(8)
    expected = normalized(x, scale, shift, 4)
    expected = expected / (1 + np.exp(-expected)) if activation else expected
    given = x if last else x.transpose(0, 3, 1, 2).copy()
    (found,) = run("GroupNorm", [given, scale, shift], groups=4, activation=activation, channels_last=last)
    np.testing.assert_allclose(found if last else found.transpose(0, 2, 3, 1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 5, 3, 8), (2, 1, 1, 8), (2, 8)])
def test_skip_group_norm(shape: tuple[int, ...]) -> None:
    x, scale, shift, skip, bias = floats(2, 5, 3, 8), floats(8), floats(8), floats(*shape), floats(8)
    found, total = run("SkipGroupNorm", [x, scale, shift, skip, bias], 2, groups=4, activation=0)
    np.testing.assert_allclose(total, x + skip.reshape(2, *shape[1:-1] or (1, 1), 8) + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found, normalized(total, scale, shift, 4), rtol=1e-4, atol=1e-5)


def test_bias_split_gelu() -> None:
    x, bias = floats(2, 3, 8), floats(8)
    left, right = np.split(x + bias, 2, axis=-1)
    (gelu,) = run_gelu(right)
    np.testing.assert_allclose(run("BiasSplitGelu", [x, bias])[0], left * gelu, rtol=1e-5, atol=1e-6)


def run_gelu(x: Array) -> list[Array]:
    return run("Gelu", [x])


def test_bias_add() -> None:
    x, bias, skip = floats(2, 3, 8), floats(8), floats(2, 3, 8)
    np.testing.assert_allclose(run("BiasAdd", [x, bias, skip])[0], x + bias + skip, rtol=1e-6)


def test_an_activation_that_is_not_known() -> None:
    with pytest.raises(UnsupportedModel, match="activation 2"):
        run("GroupNorm", [floats(1, 2, 2, 4), floats(4), floats(4)], groups=2, activation=2)
