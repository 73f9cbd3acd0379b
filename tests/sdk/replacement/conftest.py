"""Each test has a registry without plugins."""

from tests.sdk.registry.conftest import empty_registry, site

__all__ = ["empty_registry", "site"]
