"""Makes distributions for tests: packages with metadata and entry points, found through sys.path."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from enginewright.registry.registry import registry
from enginewright.testing.distributions import write_distribution

SWISH = '''
"""A plugin for tests."""
import numpy as np
import enginewright as ew


@ew.operator("acme::Swish", version=1)
class Swish:
    """x * sigmoid(beta x)."""

    beta: float = 1.0

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        return x

    def reference(self, x):
        return x / (1 + np.exp(-np.float32(self.beta) * x))
'''

C_SOURCE = r'''
SOURCE = r"""
#include <math.h>
#include "enginewright.h"
int32_t swish_f32(const ew_call *call) {
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    const float beta = (float)call->params[1].f;
    for (int64_t i = 0; i < call->params[0].i; ++i) y[i] = x[i] / (1.0f + expf(-beta * x[i]));
    return EW_OK;
}
"""


@ew.tactic(Swish, kernel=ew.c_source(SOURCE, "swish_f32"))
def swish_c(op, x):
    """One pass, float32."""
    return ew.Launch(params=(x.size, op.beta)) if x.dtype is ew.float32 else "needs float32"
'''


class Site:
    """A folder on sys.path in which a test installs distributions."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, monkeypatch
        monkeypatch.syspath_prepend(str(folder))

    def install(self, name: str, modules: Mapping[str, str], **options: object) -> None:
        """Install a distribution; modules of these names that were imported before are forgotten."""
        write_distribution(self.folder, name, modules, **options)  # type: ignore[arg-type]
        for module in modules:
            self._patch.delitem(sys.modules, module, raising=False)
        registry.discovery.refresh()


def forget(names: set[str]) -> None:
    """Drop modules from sys.modules, so that the next test imports its own."""
    for name in set(sys.modules) - names:
        if name.split(".")[0].startswith(("acme", "other", "broken", "late")):
            del sys.modules[name]
