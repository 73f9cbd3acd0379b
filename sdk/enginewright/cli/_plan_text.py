"""What `plan check` and `plan info` print; without click, so that the plain questions need not wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enginewright.cli._output import json_text, plain

if TYPE_CHECKING:
    from enginewright.trust import Trust
    from enginewright.verdict import PlanInfo
    from enginewright_compat.passport import Passport, PluginUse, TensorInfo
    from enginewright_compat.reason import Reason

LARGEST = 2**31 - 1


def check_text(
    files: Sequence[str],
    *,
    as_json: bool,
    strict: bool,
    against: str | None = None,
    device: str | None = None,
    trust: Trust = None,
) -> tuple[str, int]:
    """Return the verdicts on files, and the largest exit code."""
    from enginewright.verdict import plan_info

    found, lines, worst = [], [], 0
    for file in files:
        try:
            info = plan_info(file, against=against, device=device, trust=trust)
        except Exception as error:
            from enginewright.errors import PlanError  # 8 ms, and most files are none

            if not isinstance(error, PlanError):
                raise
            worst = max(worst, error.exit_code)
            found.append({"path": file, "error": {"code": error.code, "message": error.message, "hint": error.hint}})
            lines.append(f"{file}: {type(error).__name__}\n  {error.message}  {error.code}\n  hint: {error.hint}")
            continue
        worst = max(worst, info.exit_code(strict=strict))
        found.append(facts(info))
        lines += verdict_lines(info)
    return json_text("plan check", {"files": found}) if as_json else "\n".join(lines), worst


def info_text(file: str, *, as_json: bool) -> str:
    """Return what a file is."""
    from enginewright.verdict import plan_info

    info = plan_info(file)
    if as_json:
        return json_text("plan info", facts(info))
    return "\n".join(f"  {label:<10} {text}" if label else text for label, text in _info_lines(info))


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
    if info.reasons and all(map(_cured_by_building, info.reasons)):
        lines.append(f"  rebuild: {info.rebuild}")
    return lines


def _cured_by_building(reason: Reason) -> bool:
    """Neither trust nor an operator that no installed package has comes from building again."""
    return reason.code != "EW-P007" and (reason.code, reason.found) != ("EW-G001", "not installed")


def facts(info: PlanInfo) -> dict[str, Any]:
    """Return what --json prints of a file."""
    content: dict[str, Any] = plain(info)
    shown = {"version": str(info.version), "running": str(info.running), "verdict": info.verdict.name.lower()}
    return content | shown | {"rebuild": info.rebuild}


def _info_lines(info: PlanInfo) -> list[tuple[str, str]]:
    """Return (label, text) lines; what comes from the file is its own claim."""
    lines = [
        ("", f"{info.path}: {info.kind}, {info.file_size:,} bytes; the file says:"),
        ("release", str(info.version)),
        ("root", info.root or "cannot be read by this release"),
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
    lines += [("plugin", f"{use.key} of {_owner(use)}") for use in passport.plugins]
    return lines


def _owner(use: PluginUse) -> str:
    return f"{use.distribution} {use.version}" if use.distribution else "a module of no distribution"


def _tensor(tensor: TensorInfo) -> str:
    sizes = [
        str(low) if low == high else f"{low}..{'' if high == LARGEST else high}"
        for low, high in zip(tensor.min, tensor.max, strict=True)
    ]
    return f"{tensor.name}: {tensor.dtype} [{', '.join(sizes)}]"
