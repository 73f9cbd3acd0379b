"""The artifacts that every release leaves behind: a file of each kind that it can write, and a plan with its plugin."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import enginewright as ew
from tests.golden.calibrations import GRAPH, RANGES
from tests.golden.plans import NETWORKS, QUICK, golden, golden_safe

PLUGIN = Path(__file__).with_name("golden_plugin.py")


def artifacts() -> Iterator[tuple[str, bytes]]:
    """Yield file name and bytes of each."""
    for name in NETWORKS:
        yield f"{name}.plan", golden(name)
    yield "mlp.safe.plan", golden_safe()
    yield "conv_plugin.plan", _with_plugin()
    yield PLUGIN.name, PLUGIN.read_bytes()
    yield "mlp.timing", _timings()
    yield "mlp.calib", ew.CalibrationCache(GRAPH, RANGES).to_bytes()


def _with_plugin() -> bytes:
    """A convolution, and behind it the operator of the plugin."""
    import_module("tests.golden.golden_plugin")
    net = ew.Network("conv_plugin")
    x = net.input("x", ew.float32, (1, 2, 5, 5))
    weights = (np.arange(54, dtype=np.float32) % 7 - 3).reshape(3, 2, 3, 3) / 4
    made = net.op("golden::Halve", net.conv(x, net.constant(weights)))
    net.output("y", made)
    return ew.build(net, QUICK).to_bytes()


def _timings() -> bytes:
    """A timing cache of the perceptron."""
    net = ew.Network("mlp")
    NETWORKS["mlp"](net)
    with TemporaryDirectory() as folder:
        path = Path(folder, "mlp.timing")
        ew.build(net, ew.BuilderConfig(threads=1, level=5, timing_cache=str(path)))
        return path.read_bytes()
