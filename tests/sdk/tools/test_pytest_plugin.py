"""The pytest plugin as the author of a plugin uses it: fixtures, subtests, markers, nothing imported early."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.sdk.registry.distributions import SWISH

TESTS = """
import numpy as np
import pytest
import sys
import enginewright as ew

QUIET = ew.BuilderConfig(timing_cache="", threads=1)


def test_nothing_is_imported():
    assert "enginewright.tools.pytest_plugin" in sys.modules
    assert "enginewright.testing" not in sys.modules


def test_lines(ew_plugin_dist, ew_check):
    ew_plugin_dist("acme-plugins", {"acme_plugins": TEXT}, plugins={"acme": "acme_plugins"})
    ew_check("acme::Swish", only=["shapes", "state/saved"])


def test_faulty(ew_plugin_dist, ew_check):
    text = TEXT.replace("return x\\n", "return x.with_dtype(ew.float64)\\n")
    ew_plugin_dist("acme-plugins", {"acme_plugins": text}, plugins={"acme": "acme_plugins"})
    ew_check("acme::Swish", only=["shapes"])


@pytest.mark.needs_cc
def test_compiler():
    pass


@pytest.mark.cuda
def test_gpu():
    pass


def test_registry(ew_registry, ew_plugin_dist, ew_faults):
    assert ew_registry is ew.registry
    net = ew.Network()
    x = net.input("x", ew.float32, (3,))
    with pytest.raises(ew.PluginNotFound):
        net.op("acme::Swish", x)
    ew_plugin_dist("acme-plugins", {"acme_plugins": TEXT}, version="2.0", plugins={"acme": "acme_plugins"})
    net.output("y", net.op("acme::Swish", x))
    plan = ew.build(net, QUIET)
    assert [(use.distribution, use.version) for use in plan.passport.plugins] == [("acme-plugins", "2.0")]
    data = {"x": np.ones(3, np.float32)}
    with ew_faults("acme::Swish", "reference", OSError("injected")), ew.load(plan) as engine:
        with pytest.raises(ew.PluginError, match="reference raised OSError: injected"):
            engine.run(data)
    with ew.load(plan) as engine:
        assert engine.run(data)["y"].shape == (3,)


def test_after_it_nothing_is_left():
    assert "acme_plugins" not in sys.modules
    assert not any("ew_plugin_dist" in entry for entry in sys.path)
    with pytest.raises(ew.PluginNotFound):
        ew.Network().op("acme::Swish")
"""


def run_pytest(folder: Path, *arguments: str, **environment: str) -> str:
    """Run the tests above in a process of their own, without this repository's settings."""
    (folder / "test_swish.py").write_text(f"TEXT = {SWISH!r}\n{TESTS}", encoding="utf-8")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-c", os.devnull, *arguments]
    if "enginewright.tools.pytest_plugin" not in _installed():
        command += ["-p", "enginewright.tools.pytest_plugin"]
    done = subprocess.run(
        [*command, str(folder)], cwd=folder, env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def _installed() -> set[str]:
    from importlib.metadata import entry_points

    return {point.value for point in entry_points(group="pytest11")}


def test_as_an_author_uses_it(tmp_path: Path) -> None:
    out = run_pytest(tmp_path)
    assert "PASSED test_swish.py::test_nothing_is_imported" in out, out
    assert "PASSED test_swish.py::test_lines" in out, out
    assert "shapes/static" in out, out
    assert "infer says float64, the reference gives float32" in out, out
    for name in ("compiler", "registry", "after_it_nothing_is_left"):
        assert f"PASSED test_swish.py::test_{name}" in out, out
    if not Path("/dev/nvidiactl").exists():
        assert "needs an NVIDIA GPU" in out, out


def test_without_a_compiler(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, "-k", "compiler", CC="no_such_compiler")
    assert "needs a C compiler" in out, out
