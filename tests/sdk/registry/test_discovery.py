"""Discovery: metadata only until a key is asked for; broken plugins are set aside with their traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright.registry.discovery import EXTENSIONS
from enginewright.registry.registry import registry
from tests.sdk.registry.distributions import SWISH, Site

QUIET = ew.BuilderConfig(timing_cache="", threads=1)
EXTENSION = """
import enginewright as ew
from enginewright.ops.softmax import Softmax


@ew.tactic(Softmax, kernel="cpu_copy")
def never(op, x):
    return "only a test"
"""


def relu() -> ew.Network:
    """A network without plugins."""
    net = ew.Network()
    net.output("y", net.softmax(net.input("x", ew.float32, (4, 4))))
    return net


def use(key: str) -> ew.Network:
    """A network with one operator."""
    net = ew.Network()
    net.output("y", net.op(key, net.input("x", ew.float32, (4,))))
    return net


def test_nothing_is_imported_before_it_is_asked_for(site: Site) -> None:
    site.install(
        "acme-plugins",
        {"acme_plugins": SWISH, "acme_rules": EXTENSION},
        plugins={"acme": "acme_plugins"},
        extensions={"acme": "acme_rules"},
    )
    plan = ew.build(relu(), QUIET)
    assert "acme_plugins" not in sys.modules
    assert "acme_rules" in sys.modules
    (layer,) = plan.report.layers
    assert [str(rejected) for rejected in layer.rejected] == ["never: only a test"]
    use("acme::Swish")
    assert "acme_plugins" in sys.modules


def test_extensions_are_not_imported_to_load_or_run(site: Site, tmp_path: Path) -> None:
    ew.build(relu(), QUIET).save(tmp_path / "a.plan")
    site.install("acme-plugins", {"acme_rules": EXTENSION}, extensions={"acme": "acme_rules"})
    ew.load(tmp_path / "a.plan").run({"x": np.zeros((4, 4), np.float32)})
    assert "acme_rules" not in sys.modules


@pytest.mark.parametrize(
    "fault", ["raise RuntimeError('no luck')", "import sys; sys.exit(3)", "import not_there_at_all"]
)
def test_a_broken_module_is_quarantined(site: Site, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    site.install("broken-plugins", {"broken_plugins": f"{SWISH}\n{fault}\n"}, plugins={"acme": "broken_plugins"})
    text = SWISH.replace("acme::Swish", "acme::Gate")
    site.install("acme-plugins", {"acme_plugins": text}, plugins={"acme": "acme_plugins"})
    use("acme::Gate")
    with pytest.raises(ew.PluginNotFound, match="broken-plugins 1.0 declares acme, but can't be imported"):
        use("acme::Swish")
    ((source, traceback),) = registry.discovery.broken.items()
    assert source.distribution == "broken-plugins"
    assert fault in traceback
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_mended_module_is_found_after_refresh(site: Site) -> None:
    site.install("broken-plugins", {"broken_plugins": "1 / 0"}, plugins={"acme": "broken_plugins"})
    with pytest.raises(ew.PluginNotFound):
        use("acme::Swish")
    (site.folder / "broken_plugins.py").write_text(SWISH + "# mended\n", encoding="utf-8")
    ew.registry.refresh()
    use("acme::Swish")


def test_a_name_that_is_no_namespace_is_quarantined(site: Site) -> None:
    site.install("acme-plugins", {"acme_plugins": SWISH}, plugins={"Acme-X": "acme_plugins"})
    registry.discovery.load_everything()
    (traceback,) = [text for source, text in registry.discovery.broken.items() if source.namespace == "Acme-X"]
    assert "no namespace" in traceback


@pytest.mark.parametrize(("value", "found"), [("none", False), ("other", False), ("other, acme", True), ("", True)])
def test_the_variable_restricts(site: Site, monkeypatch: pytest.MonkeyPatch, value: str, found: bool) -> None:
    monkeypatch.setenv("ENGINEWRIGHT_PLUGINS", value)
    site.install("acme-plugins", {"acme_plugins": SWISH}, plugins={"acme": "acme_plugins"})
    assert (registry.newest("acme", "Swish") is not None) is found


def test_the_owner_of_a_module(site: Site) -> None:
    site.install("acme-a", {"acme_ns.a": SWISH}, plugins={"acme": "acme_ns.a"})
    site.install("acme-b", {"acme_ns.b": ""}, plugins={"acme": "acme_ns.b"})
    for module, owner in (("acme_ns.a", "acme-a"), ("acme_ns.a.deep", "acme-a"), ("acme_ns.b", "acme-b")):
        source = registry.source_of(module)
        assert source is not None
        assert source.distribution == owner
    assert registry.source_of("acme_nsx") is None
    assert registry.source_of("enginewright.ops.softmax") is None


def test_bundled_plugins_are_found_like_any(site: Site) -> None:
    assert all(source.group in {"enginewright.plugins", EXTENSIONS} for source in registry.discovery.every_source())


def test_import_enginewright_imports_no_plugin(site: Site) -> None:
    site.install("acme-plugins", {"acme_plugins": SWISH}, plugins={"acme": "acme_plugins"})
    code = "import sys, enginewright as ew; ew.Network; ew.load; print(*({'acme_plugins', 'pluggy'} & {*sys.modules}))"
    path = ":".join([str(site.folder), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
