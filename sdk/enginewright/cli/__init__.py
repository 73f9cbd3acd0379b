"""The command line: `enginewright COMMAND`; each command is a file of this folder, imported when it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with a documented code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["plan"]:
        from enginewright.cli._quick import answer

        code = answer(words[1:])
        if code is not None:
            sys.exit(code)
    from enginewright.cli._group import group
    from enginewright.cli._running import run

    sys.exit(run(group, words))
