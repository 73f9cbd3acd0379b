"""Tells which release accepts which of a user's files and plugins, and what changes when."""

from __future__ import annotations

import os
from collections.abc import Sequence

from enginewright.verdict import as_error
from enginewright_compat.matrix import Matrix, make_matrix, requirements_of
from enginewright_compat.plugins import installed_plugins
from enginewright_compat.reason import Refused


def compat_matrix(paths: Sequence[str | os.PathLike[str]] = ()) -> Matrix:
    """Judge files (folders are searched) and installed plugins by the rules of every known release and the next major.

    Nothing is loaded, imported or downloaded. Raises PlanNotRecognized for a file that is neither artifact nor plugin
    library; one that is damaged is a row whose cells are unknown.
    """
    plugins = installed_plugins()
    try:
        return make_matrix([os.fspath(path) for path in paths], plugins, requirements_of(plugins))
    except Refused as refusal:
        raise as_error(refusal.reason, refusal.kind, "compat matrix") from refusal
