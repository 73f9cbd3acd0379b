"""The pytest plugin: fixtures and markers for tests of plugins, and an option for deprecated uses.

With `--enginewright-deprecations=error` deprecated uses fail a test run; with `error:2.0` those that 2.0 removes.
The SDK is imported by the fixtures that need it, when a test uses them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from enginewright_compat.deprecation import controls

if TYPE_CHECKING:
    from enginewright.testing import Report
    from enginewright.testing.fixtures import Distributions, Faults

MARKERS = {"cuda": "needs an NVIDIA GPU", "needs_cc": "needs a C compiler"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("enginewright").addoption(
        "--enginewright-deprecations",
        metavar="CONTROLS",
        help="what a deprecated use does in this run: ignore, warn, error, error:2.0, error:EW-D0012, json:PATH",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; set what the option says for this process and those that tests start."""
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    value = config.getoption("--enginewright-deprecations")
    if value is None:
        return
    try:
        controls.parse_settings(value)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ["ENGINEWRIGHT_DEPRECATIONS"] = value
    controls.settings.cache_clear()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need what is not here."""
    for name, text in MARKERS.items():
        if item.get_closest_marker(name) is not None and not _has(name):
            pytest.skip(text)


def _has(name: str) -> bool:
    if name == "cuda":
        return Path("/dev/nvidiactl").exists()
    from enginewright.device.c_compiler import compiler

    return compiler() is not None


@pytest.fixture
def ew_registry() -> Iterator[ModuleType]:
    """`ew.registry` without any plugin, installed ones included; what the test declares is forgotten after it."""
    from enginewright.testing.fixtures import empty_registry

    with empty_registry() as found:
        yield found


@pytest.fixture
def ew_plugin_dist(ew_registry: ModuleType, tmp_path: Path) -> Iterator[Distributions]:
    """Install a distribution for this test: ``ew_plugin_dist(name, {module: text}, plugins={namespace: module})``."""
    from enginewright.testing.fixtures import Distributions

    made = Distributions(tmp_path / "ew_plugin_dist")
    yield made
    made.close()


@pytest.fixture
def ew_faults() -> Iterator[Faults]:
    """Let a method raise: ``ew_faults("acme::Swish", "reference", ValueError("no"))``, perhaps for a ``with`` block."""
    from enginewright.testing.fixtures import Faults

    made = Faults()
    yield made
    made.close()


@pytest.fixture
def ew_check(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """`check_plugin` as a test: each line is a subtest, where pytest has them, else all of them are one test."""
    from enginewright.testing import check_plugin

    try:
        subtests: Any = request.getfixturevalue("subtests")
    except pytest.FixtureLookupError:
        subtests = None

    def check(*args: Any, **kwargs: Any) -> Report:
        report = check_plugin(*args, **kwargs)
        if subtests is None:
            report.raise_for_failures()
            return report
        for line in report.lines:
            with subtests.test(msg=line.name):
                if line.outcome == "skipped":
                    pytest.skip("; ".join(line.problems))
                if line.outcome == "failed":
                    pytest.fail(str(line), pytrace=False)
        return report

    return check
