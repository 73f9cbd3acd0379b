"""Lifecycle hooks: called with any subset of arguments, each plugin by itself; they can't change or break anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.registry.registry import registry
from tests.sdk.registry.distributions import SWISH, Site

QUIET = ew.BuilderConfig(timing_cache="", threads=1)
EVENTS = """
seen = []

@ew.hookimpl
def enginewright_register(registry):
    seen.append("register")
    for name in ("A", "B"):
        ew.operator(f"acme::Swish{name}")(type(f"Swish{name}", (), {
            "infer": lambda self, x: x, "reference": lambda self, x: x, "__module__": __name__}))

@ew.hookimpl
def enginewright_build_started(network):
    seen.append("started")

@ew.hookimpl
def enginewright_build_finished(plan, report):
    seen.append("finished")

@ew.hookimpl
def enginewright_plan_loaded(info):
    seen.append("loaded " + info.kind)

@ew.hookimpl
def enginewright_engine_closed():
    seen.append("closed")

@ew.hookimpl
def enginewright_doctor():
    return ["all is well"]
"""
NAMES = [
    "enginewright_build_started", "enginewright_tactic_timed", "enginewright_build_finished",
    "enginewright_plan_loaded", "enginewright_engine_closed", "enginewright_doctor",
]  # fmt: skip


def build() -> ew.Plan:
    """A plan for which something is timed: every instruction set is a candidate."""
    net = ew.Network()
    net.output("y", net.matmul(net.input("x", ew.float32, (4, 64)), net.constant(np.ones((64, 64), np.float32))))
    return ew.build(net, ew.BuilderConfig(timing_cache="", threads=1, level=4))


def test_events_of_an_installed_plugin(site: Site) -> None:
    site.install("acme-plugins", {"acme_plugins": SWISH + EVENTS}, plugins={"acme": "acme_plugins"})
    net = ew.Network()
    net.output("y", net.op("acme::SwishA", net.input("x", ew.float32, (4,))))
    ew.load(ew.build(net, QUIET)).close()
    (module,) = registry.discovery.loaded.values()
    assert module.seen == ["register", "started", "finished", "loaded plan", "closed"]
    ((name, lines),) = registry.hooks.call("enginewright_doctor")
    assert name == "acme (acme-plugins, acme_plugins)"
    assert lines == ["all is well"]


def test_each_measurement_is_told() -> None:
    seen: list[tuple[str, str, int]] = []

    class Watcher:
        @ew.hookimpl
        def enginewright_tactic_timed(self, layer: str, tactic: str, nanoseconds: int) -> None:
            seen.append((layer, tactic, nanoseconds))

    ew.registry.add_hooks(Watcher())
    plan = build()
    timed = [(item.layer, t.tactic) for item in plan.report.layers for t in item.candidates if t.nanoseconds]
    assert sorted(found[:2] for found in seen) == sorted(timed) != []
    assert all(found[2] > 0 for found in seen)


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3)])
def test_what_a_hook_raises_is_attributed_and_the_others_go_on(error: BaseException, caplog: Any) -> None:
    def fails(self: Any) -> None:
        raise error

    members = {name: ew.hookimpl(lambda self: fails(self)) for name in NAMES}
    ew.registry.add_hooks(type("Faulty", (), members)(), "faulty")
    called: list[str] = []
    watcher = {name: ew.hookimpl(lambda self, name=name: called.append(name)) for name in NAMES}  # type: ignore[misc]
    ew.registry.add_hooks(type("Watcher", (), watcher)(), "watcher")
    ew.load(build()).close()
    registry.hooks.call("enginewright_doctor")
    assert set(called) == set(NAMES)
    failures = list(registry.hooks.failures)
    assert {(failure.details.plugin, failure.details.method) for failure in failures} == {  # type: ignore[union-attr]
        ("faulty", name) for name in NAMES
    }
    assert all(failure.code == "EW-G002" and failure.__cause__ is error for failure in failures)
    assert any("faulty: enginewright_doctor raised" in record.message for record in caplog.records)


def test_ctrl_c_passes() -> None:
    class Slow:
        @ew.hookimpl
        def enginewright_plan_loaded(self) -> None:
            raise KeyboardInterrupt

    ew.registry.add_hooks(Slow())
    with pytest.raises(KeyboardInterrupt):
        ew.load(build())


def test_a_plan_does_not_depend_on_hooks(tmp_path: Any) -> None:
    config = ew.BuilderConfig(timing_cache=str(tmp_path / "t"), threads=1, level=1)
    net = ew.Network()
    net.output("y", net.relu(net.input("x", ew.float32, (4,))))
    plain = ew.build(net, config).to_bytes()

    class Watcher:
        @ew.hookimpl
        def enginewright_build_started(self, network: ew.Network, config: ew.BuilderConfig) -> str:
            return "ignored"

    ew.registry.add_hooks(Watcher())
    assert ew.build(net, config).to_bytes() == plain


def test_a_plugin_whose_registration_fails_is_quarantined(site: Site) -> None:
    text = SWISH + "\n@ew.hookimpl\ndef enginewright_register(registry):\n    raise ValueError('late')\n"
    site.install("acme-plugins", {"acme_plugins": text}, plugins={"acme": "acme_plugins"})
    assert registry.newest("acme", "Swish") is None
    (traceback,) = registry.discovery.broken.values()
    assert "acme-plugins" in traceback
    assert "enginewright_register raised ValueError: late" in traceback


def test_an_unknown_hook_is_refused(site: Site) -> None:
    text = SWISH + "\n@ew.hookimpl\ndef enginewright_nothing():\n    pass\n"
    site.install("acme-plugins", {"acme_plugins": text}, plugins={"acme": "acme_plugins"})
    assert registry.newest("acme", "Swish") is None
    (traceback,) = registry.discovery.broken.values()
    assert "enginewright_nothing" in traceback
