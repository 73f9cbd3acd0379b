"""What tests of plugins use: `check_plugin` examines an operator and its tactics, line by line.

In pytest, the fixtures `ew_check`, `ew_registry`, `ew_plugin_dist` and `ew_faults` come with the installed package.
"""

from enginewright.testing.checking import check_plugin
from enginewright.testing.checks import line_names
from enginewright.testing.injection import injected
from enginewright.testing.lock import write_lock
from enginewright.testing.report import Line, Report

__all__ = ["Line", "Report", "check_plugin", "injected", "line_names", "write_lock"]
