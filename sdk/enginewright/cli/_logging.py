"""Sends the log to stderr and to a file, as -q, -v and --log-file say."""

from __future__ import annotations

import logging
import sys

from enginewright.cli._state import State

LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
FORMAT = "%(levelname)s %(name)s: %(message)s"


def start_logging(state: State) -> None:
    """Attach handlers for this command; they are removed when it ends."""
    logger = logging.getLogger("enginewright")
    shown = logging.StreamHandler(sys.stderr)
    shown.setLevel(LEVELS.get(state.verbosity, logging.DEBUG))
    _attach(logger, shown, state)
    if state.log_file:
        _attach(logger, logging.FileHandler(state.log_file, encoding="utf-8"), state)
    logger.setLevel(min(handler.level or logging.DEBUG for handler in logger.handlers))


def _attach(logger: logging.Logger, handler: logging.Handler, state: State) -> None:
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)

    def detach() -> None:
        logger.removeHandler(handler)
        handler.close()

    state.cleanup.append(detach)
