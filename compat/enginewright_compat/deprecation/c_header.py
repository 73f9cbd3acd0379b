"""Writes enginewright_deprecated.h from the registry: one macro for each C symbol that is on its way out.

As a script: ``python -m enginewright_compat.deprecation.c_header native/include/enginewright_deprecated.h``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from enginewright_compat.deprecation.registry import Deprecation, known_deprecations, numbers

HEAD = """\
/* Deprecations of the C interface, written from deprecations.toml; not edited by hand.
 *
 * EW_NO_DEPRECATION_WARNINGS silences them. EW_DISABLE_BEFORE, for example 0x020000 for 2.0, hides whatever that
 * release removes: what still compiles then is ready for it.
 */
#ifndef ENGINEWRIGHT_DEPRECATED_H
#define ENGINEWRIGHT_DEPRECATED_H

#if defined(EW_NO_DEPRECATION_WARNINGS)
#define EW_DEPRECATED(text)
#define EW_DEPRECATED_ENUM(text)
#elif defined(__cplusplus) && __cplusplus >= 201703L
#define EW_DEPRECATED(text) [[deprecated(text)]]
#define EW_DEPRECATED_ENUM(text) [[deprecated(text)]]
#elif defined(__GNUC__)
#define EW_DEPRECATED(text) __attribute__((deprecated(text)))
#define EW_DEPRECATED_ENUM(text) __attribute__((deprecated(text)))
#elif defined(_MSC_VER)
#define EW_DEPRECATED(text) __declspec(deprecated(text))
#define EW_DEPRECATED_ENUM(text)
#else
#define EW_DEPRECATED(text)
#define EW_DEPRECATED_ENUM(text)
#endif

#ifndef EW_DISABLE_BEFORE
#define EW_DISABLE_BEFORE 0
#endif
"""


def header(entries: Iterable[Deprecation]) -> str:
    """Return the whole header: for every C symbol a macro for declarations, one for enumerators, one to hide it."""
    return HEAD + "".join(_macros(entry) for entry in entries if entry.kind == "c") + "\n#endif\n"


def _macros(entry: Deprecation) -> str:
    number = entry.id.removeprefix("EW-")
    text = entry.text.replace("\n", " ").replace("\\", "\\\\").replace('"', '\\"')
    major, minor, patch = numbers(entry.removal_in)
    hidden = "1" if entry.stage == "removed" else f"(EW_DISABLE_BEFORE >= 0x{major:02x}{minor:02x}{patch:02x})"
    soft = entry.stage == "soft"
    return (
        f"\n/* {entry.target.partition(':')[2]} */\n"
        f"#define EW_HIDDEN_{number} {hidden}\n"
        f"#define EW_DEPRECATED_{number}" + ("" if soft else f' EW_DEPRECATED("{text}")') + "\n"
        f"#define EW_DEPRECATED_ENUM_{number}" + ("" if soft else f' EW_DEPRECATED_ENUM("{text}")') + "\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(header(known_deprecations().values()), encoding="utf-8")
