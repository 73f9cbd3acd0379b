"""Marks what leaves the public interface: the decorators for every kind of object, all reading one registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright_compat.deprecation.attributes import DeprecatedMembers, deprecated_attributes, listed, moved_module
from enginewright_compat.deprecation.runtime import (
    UNSET,
    changed_default,
    deprecated_param,
    deprecated_positional,
    hook_warning,
    identity_of,
    renamed_key,
    warn_deprecated,
)

if TYPE_CHECKING:  # type checkers recognise the decorator of PEP 702 and no other
    from typing_extensions import deprecated as deprecated
else:
    from enginewright_compat.deprecation.runtime import deprecated

__all__ = [
    "UNSET",
    "DeprecatedMembers",
    "changed_default",
    "deprecated",
    "deprecated_attributes",
    "deprecated_param",
    "deprecated_positional",
    "hook_warning",
    "identity_of",
    "listed",
    "moved_module",
    "renamed_key",
    "warn_deprecated",
]
