"""Tests of ONNX Runtime's tables and weights of few bits, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from enginewright.errors import UnsupportedModel
from enginewright.onnx_io.parser import parse
from tests.sdk.ops.microsoft import RNG, Array, bytes_, check, floats, model_of

PLACES = np.array([[1, 0], [9, 3]])
SMALL = RNG.integers(-8, 8, (10, 64)).astype(ml_dtypes.int4)


@pytest.mark.parametrize(
    ("table", "zeros", "attributes"),
    [
        (SMALL, None, {}),
        (SMALL, RNG.integers(-8, 8, (10, 4)).astype(ml_dtypes.int4), {}),
        (bytes_(10, 32), None, {"bits": 4}),
        (bytes_(10, 32), bytes_(10, 2), {"bits": 4}),
        (bytes_(10, 64), bytes_(10, 4), {"bits": 8}),
    ],
)
def test_rows_of_a_table(table: Array, zeros: Array | None, attributes: dict[str, Any]) -> None:
    inputs = [table, PLACES, np.abs(floats(10, 4)), zeros]
    check("GatherBlockQuantized", inputs, constants=(0, 2, 3), block_size=16, **attributes)


def test_columns_of_a_table() -> None:
    inputs = [np.ascontiguousarray(SMALL.T), PLACES, np.abs(floats(4, 10))]
    check("GatherBlockQuantized", inputs, constants=(0, 2), block_size=16, gather_axis=1, quantize_axis=0)


def test_rows_along_the_quantized_axis_are_not_supported() -> None:
    inputs = [SMALL, PLACES, floats(10, 4)]
    model = model_of("GatherBlockQuantized", inputs, 1, (0, 2), block_size=16, gather_axis=1, quantize_axis=1)
    with pytest.raises(UnsupportedModel, match="along the quantized axis"):
        parse(model)


@pytest.mark.parametrize("zeros", [None, bytes_(6, 1), floats(6, 2)])
def test_weights_of_two_bits(zeros: Array | None) -> None:
    inputs = [floats(3, 64), bytes_(6, 2, 8), np.abs(floats(12)), zeros]
    check("MatMulNBits", inputs, constants=(1, 2, 3), K=64, N=6, bits=2, block_size=32)


@pytest.mark.parametrize("kind", [0, 1])
def test_weights_that_are_places_in_a_table(kind: int) -> None:
    inputs = [floats(3, 20), bytes_(60), np.abs(floats(8))]
    check("MatMulBnb4", inputs, constants=(1, 2), K=20, N=6, block_size=16, quant_type=kind)
