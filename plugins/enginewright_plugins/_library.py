"""The library with the kernels of the bundled plugins; native/ beside this file holds their sources."""

from __future__ import annotations

import enginewright as ew

KERNELS = ew.library("libenginewright_plugins.so")
