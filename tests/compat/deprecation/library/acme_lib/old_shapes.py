"""The old place of acme_lib.shapes."""

from __future__ import annotations

from enginewright_compat.deprecation import moved_module

__getattr__ = moved_module("EW-D9015: use acme_lib.shapes", __name__, "acme_lib.shapes")
