"""pytest: with `--enginewright-deprecations=error` deprecated uses fail a test run; `error:2.0`: those 2.0 removes."""

from __future__ import annotations

import os

import pytest

from enginewright_compat.deprecation import controls


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("enginewright").addoption(
        "--enginewright-deprecations",
        metavar="CONTROLS",
        help="what a deprecated use does in this run: ignore, warn, error, error:2.0, error:EW-D0012, json:PATH",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set what the option says for this process and those that tests start."""
    value = config.getoption("--enginewright-deprecations")
    if value is None:
        return
    try:
        controls.parse_settings(value)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ["ENGINEWRIGHT_DEPRECATIONS"] = value
    controls.settings.cache_clear()
