"""Why an artifact is refused or not ideal: one record that commands print and that the SDK turns into an exception."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact: error code ("" if it only costs speed), field at fault, what it holds and should hold, remedy."""

    code: str
    field: str
    found: str
    expected: str
    remedy: str


class Refused(Exception):
    """A check failed; `reason` carries the error code, from which the SDK makes its own exception."""

    def __init__(self, reason: Reason, kind: str = "artifact") -> None:
        super().__init__(f"{reason.code}: {reason.field}: found {reason.found}, expected {reason.expected}")
        self.reason = reason
        self.kind = kind
