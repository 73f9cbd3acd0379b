"""Answers the plain forms of `plan check` and `plan info` at once: reading click alone takes a quarter of the 0.1 s."""

from __future__ import annotations

from collections.abc import Sequence

FLAGS = {"check": {"--json", "--strict"}, "info": {"--json"}}


def answer(words: Sequence[str]) -> int | None:
    """Return the exit code of "check FILE... [--json] [--strict]" or "info FILE [--json]"; None for all other words.

    Then nothing was printed, and click reads the words, explains what is wrong with them, and shows errors.
    """
    command, *rest = [*words, ""]
    flags = {word for word in rest if word.startswith("-")}
    files = [word for word in rest if word and not word.startswith("-")]
    if command not in FLAGS or not flags <= FLAGS[command] or not files or (command == "info" and len(files) > 1):
        return None
    from enginewright.cli._output import print_text
    from enginewright.cli._plan_text import check_text, info_text

    try:
        text, code = info_text(files[0], as_json="--json" in flags) if command == "info" else "", 0
        if command == "check":
            text, code = check_text(files, as_json="--json" in flags, strict="--strict" in flags)
        print_text(text)
    except Exception:  # noqa: BLE001 - asked again, the command itself fails in the same way and explains it
        return None
    return code
