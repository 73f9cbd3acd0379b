"""What the commands on plan files share: options about trust, and how a verdict is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from enginewright.verdict import PlanInfo

Function = TypeVar("Function", bound=Callable[..., Any])
CORRUPT = 6


def trust_options(function: Function) -> Function:
    """Add --keys and --trust; the command gets them as `keys` and `trust`, to be read with `given_trust`."""
    keys = click.option("--keys", metavar="FILE", help="PEM file of the public keys to trust.")
    trust = click.option("--trust", type=click.Choice(["any"]), help="Trust code from anywhere, as a program you run.")
    return keys(trust(function))


def given_trust(keys: str | None, trust: str | None) -> str | Sequence[bytes] | None:
    """Return what --keys or --trust says, as `ew.load` takes it."""
    if keys is None:
        return trust
    if trust is not None:
        raise click.UsageError("give --keys or --trust, not both")
    from enginewright.trust import read_public_keys

    return read_public_keys(keys)


def signer(info: PlanInfo) -> str:
    """Return who signed a file, as far as it says so itself."""
    return f"says it is signed by key {info.key_id[:16]}" if info.signed else "not signed"


def verdict_lines(info: PlanInfo) -> list[str]:
    """Return the verdict with every reason, and what to do."""
    rows = [("release", f"{info.kind} {info.version}", f"loads in {info.running}", "ok")]
    if info.passport is not None and info.passport.target is not None:
        target = info.passport.target
        rows.append(("target", target.compute_capability or target.arch, f"this device {info.device}", "ok"))
    broken = {"EW-P003": "release", "EW-P004": "release", "EW-P006": "target"}
    wrong = {broken.get(reason.code, "") for reason in info.reasons}
    rows = [row for row in rows if row[0] not in wrong]
    rows += [(r.field, r.found, f"expected {r.expected}", r.code or "slower or deprecated") for r in info.reasons]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    lines = [f"{info.path}: {info.verdict.name}"]
    lines += [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)) for row in rows
    ]
    remedies = dict.fromkeys(reason.remedy for reason in info.reasons)
    lines += [f"  hint: {remedy}" for remedy in remedies]
    if info.reasons:
        lines.append(f"  rebuild: {info.rebuild}")
    return lines


def facts(info: PlanInfo) -> dict[str, Any]:
    """Return what --json prints of a file."""
    from enginewright.cli._output import plain

    content: dict[str, Any] = plain(info)
    shown = {"version": str(info.version), "running": str(info.running), "verdict": info.verdict.name.lower()}
    return content | shown | {"rebuild": info.rebuild}
