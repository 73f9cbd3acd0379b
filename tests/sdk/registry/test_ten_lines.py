"""The ten-line plugin: used by hand, built, saved, loaded in a new process through its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from tests.sdk.registry.distributions import C_SOURCE, SWISH, Site

QUIET = ew.BuilderConfig(timing_cache="", threads=1)
X = np.random.default_rng(0).standard_normal((3, 50)).astype(np.float32)
EXPECTED = X / (1 + np.exp(-np.float32(1.5) * X))
LOAD = """
import sys, numpy as np, enginewright as ew
x = np.load(sys.argv[2])
assert "acme_plugins" not in sys.modules
y = ew.load(sys.argv[1]).run({"x": x})["y"]
np.save(sys.argv[3], y)
"""


def network() -> ew.Network:
    """One Swish of any number of rows."""
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 50))
    net.output("y", net.op("acme::Swish", x, beta=1.5))
    return net


@pytest.fixture(params=[SWISH, pytest.param(SWISH + C_SOURCE, marks=pytest.mark.needs_cc)], ids=["level 0", "level 1"])
def plugin(request: Any, site: Site) -> Site:
    """The plugin installed, with a reference only and with a kernel in C."""
    site.install("acme-plugins", {"acme_plugins": request.param}, version="1.3.0", plugins={"acme": "acme_plugins"})
    return site


def test_built_and_run(plugin: Site) -> None:
    with ew.load(ew.build(network(), QUIET)) as engine:
        np.testing.assert_allclose(engine.run({"x": X})["y"], EXPECTED, rtol=1e-5, atol=1e-6)
        assert engine.run({"x": X[:0]})["y"].shape == (0, 50)


def test_saved_and_run_in_a_new_process(plugin: Site, tmp_path: Path) -> None:
    ew.build(network(), QUIET).save(tmp_path / "a.plan")
    np.save(tmp_path / "x.npy", X)
    code = [sys.executable, "-c", LOAD, *(str(tmp_path / name) for name in ("a.plan", "x.npy", "y.npy"))]
    path = os.pathsep.join([str(plugin.folder), *sys.path])
    subprocess.run(code, check=True, env={**os.environ, "PYTHONPATH": path})
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), EXPECTED, rtol=1e-5, atol=1e-6)


def test_the_passport_says_what_is_needed(plugin: Site) -> None:
    (use,) = ew.build(network(), QUIET).passport.plugins
    assert (use.key, use.distribution, use.version, use.needed) == ("acme::Swish@1", "acme-plugins", "1.3.0", True)
    assert (use.level, bool(use.source), use.abi) in {(0, False, ""), (1, True, "0.1")}
    assert use.nodes == ("Swish",)
    assert len(use.schema) == 32


def test_a_build_twice_gives_the_same_bytes(plugin: Site, tmp_path: Path) -> None:
    config = ew.BuilderConfig(timing_cache=str(tmp_path / "t.timing"), threads=1)
    first, second, third = (ew.build(network(), config).to_bytes() for _ in range(3))
    assert second == third
    assert len(first) == len(second)


@pytest.mark.needs_cc
def test_every_level_is_a_timed_tactic(site: Site) -> None:
    site.install("acme-plugins", {"acme_plugins": SWISH + C_SOURCE}, plugins={"acme": "acme_plugins"})
    (layer,) = ew.build(network(), QUIET).report.layers
    assert [timing.tactic for timing in layer.candidates] == ["swish_c", "reference"]
    assert all(timing.nanoseconds for timing in layer.candidates)


def test_fields_of_net_op(plugin: Site) -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (4,))
    with pytest.raises(ew.NetworkError, match='no field "bta"') as caught:
        net.op("acme::Swish", x, bta=1.5)
    assert 'Did you mean "beta"?' in caught.value.hint
    with pytest.raises(ew.NetworkError, match="'high' is no float"):
        net.op("acme::Swish", x, beta="high")
    net.op("acme::Swish", x, beta=2)
    assert net.layers[-1].op.beta == 2.0


def test_an_unknown_operator_names_the_nearest(plugin: Site) -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, (4,))
    with pytest.raises(ew.PluginNotFound, match="did you mean acme::Swish") as caught:
        net.op("acme::Swich", x)
    assert "acme-plugins 1.3.0 declares acme" in str(caught.value)
    with pytest.raises(ew.PluginNotFound, match="known are acme::Swish@1"):
        net.op("acme::Swish@2", x)
