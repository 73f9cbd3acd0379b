"""The operators as methods of `Network`; written by ``make methods`` from the operator classes, not by hand."""

from __future__ import annotations


class OperatorMethods:
    """One method an operator."""
