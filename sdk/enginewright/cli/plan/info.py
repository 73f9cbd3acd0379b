"""`enginewright plan info`: what a file is, from its header and passport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from enginewright.cli._state import common, current, json_option
from enginewright.cli.plan._showing import facts, signer

if TYPE_CHECKING:
    from enginewright.verdict import PlanInfo
    from enginewright_compat.passport import Passport, TensorInfo

EPILOG = """\b
Examples:
  enginewright plan info det.plan
  enginewright plan info det.plan --json
"""
LARGEST = 2**31 - 1


@click.command("info", epilog=EPILOG, short_help="Say what a file is.")
@click.argument("file", type=click.Path())
@json_option
@common
def command(file: str) -> None:
    """Say what a plan or cache of any release is; its weights are not read."""
    from enginewright.cli._output import print_json, print_text
    from enginewright.verdict import plan_info

    info = plan_info(file)
    if current().json:
        print_json("plan info", facts(info))
        return
    for label, text in _lines(info):
        print_text(f"  {label:<10} {text}" if label else text)


def _lines(info: PlanInfo) -> list[tuple[str, str]]:
    """Return (label, text) lines; what comes from the file is its own claim."""
    lines = [
        ("", f"{info.path}: {info.kind}, {info.file_size:,} bytes; the file says:"),
        ("release", str(info.version)),
        ("signature", signer(info)),
        ("code", "executable code inside" if info.has_code else "none"),
        ("verdict", f"{info.verdict.name} here; enginewright plan check says why"),
    ]
    if info.passport is None:
        return [*lines, ("passport", "cannot be read by this release")]
    sections = ", ".join(f"{section.name} {section.size:,}" for section in info.sections)
    return [*lines, *_passport_lines(info.passport), ("sections", sections)]


def _passport_lines(passport: Passport) -> list[tuple[str, str]]:
    lines = [("name", passport.name)] if passport.name else []
    lines += [("input", _tensor(tensor)) for tensor in passport.inputs]
    lines += [("output", _tensor(tensor)) for tensor in passport.outputs]
    if passport.model is not None:
        model = passport.model
        lines.append(("model", " ".join(filter(None, (model.format, model.file, model.sha256[:16])))))
    if passport.target is not None:
        target = passport.target
        lines.append(("target", ", ".join(filter(None, (target.arch, target.compute_capability, target.device)))))
        lines.append(("needs", " ".join(target.needs) or "no special CPU features"))
    lines += [("timings", passport.timings)] if passport.timings else []
    lines += [("features", " ".join(passport.features))] if passport.features else []
    lines += [("plugin", f"{use.key} of {use.distribution} {use.version}") for use in passport.plugins]
    return lines


def _tensor(tensor: TensorInfo) -> str:
    sizes = [
        str(low) if low == high else f"{low}..{'' if high == LARGEST else high}"
        for low, high in zip(tensor.min, tensor.max, strict=True)
    ]
    return f"{tensor.name}: {tensor.dtype} [{', '.join(sizes)}]"
