"""Messages of kernels, delivered to Python's logging outside of any run."""

from __future__ import annotations

import logging

from enginewright._native.library import ffi, lib

_SIZE = 2000
_logger = logging.getLogger("enginewright.native")


def drain_log() -> int:
    """Hand the messages that kernels left (levels as in `logging`) to the logger; return how many there were."""
    level, text = ffi.new("int32_t *"), ffi.new("char[]", _SIZE)
    count = 0
    while lib.ew_log_take(level, text, _SIZE) >= 0:
        _logger.log(level[0], "%s", ffi.string(text).decode(errors="replace"))
        count += 1
    return count
