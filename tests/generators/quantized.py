"""Quantizes a generated model as ONNX Runtime does: 8-bit numbers around every layer, scales from random inputs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

if TYPE_CHECKING:
    from tests.models import Arrays, Entry

SAMPLES = 4


class RandomInputs(CalibrationDataReader):
    """Inputs as the manifest makes them, with seeds of their own."""

    def __init__(self, entry: Entry) -> None:
        """Some sets of them."""
        self.left: Iterator[Arrays] = iter([entry.make_inputs(seed) for seed in range(SAMPLES)])

    def get_next(self) -> Arrays | None:
        """The next set, None behind the last."""
        return next(self.left, None)


def quantize_model(entry: Entry, source: Path, path: Path) -> None:
    """Write the model at `source`, quantized: uint8 between layers, int8 weights with a scale for each channel."""
    logging.disable(logging.WARNING)  # it advises to optimize the model before; the exporter has done so
    try:
        quantize_static(
            source,
            path,
            RandomInputs(entry),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    finally:
        logging.disable(logging.NOTSET)
