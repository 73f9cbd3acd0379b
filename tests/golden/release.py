"""The artifacts that every release leaves behind: a file of each kind that it can write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import enginewright as ew
from tests.golden.calibrations import GRAPH, RANGES
from tests.golden.plans import NETWORKS, golden


def artifacts() -> Iterator[tuple[str, bytes]]:
    """Yield file name and bytes of each."""
    for name in NETWORKS:
        yield f"{name}.plan", golden(name)
    yield "mlp.timing", _timings()
    yield "mlp.calib", ew.CalibrationCache(GRAPH, RANGES).to_bytes()


def _timings() -> bytes:
    """A timing cache of the perceptron."""
    net = ew.Network("mlp")
    NETWORKS["mlp"](net)
    with TemporaryDirectory() as folder:
        path = Path(folder, "mlp.timing")
        ew.build(net, ew.BuilderConfig(threads=1, level=5, timing_cache=str(path)))
        return path.read_bytes()
