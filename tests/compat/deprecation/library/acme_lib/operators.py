"""An operator of which the first version is leaving."""

from __future__ import annotations

from typing import Any

import enginewright as ew


@ew.operator("acme.lib::Swish", version=1, deprecated="EW-D9029: use acme.lib::Swish@2")
class Swish1:
    """The old version."""

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        """Same shape."""
        return ew.TensorSpec(x.dtype, x.shape)

    def reference(self, x: Any) -> Any:
        """As it is."""
        return x


@ew.operator("acme.lib::Swish", version=2)
class Swish2:
    """The new version."""

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        """Same shape."""
        return ew.TensorSpec(x.dtype, x.shape)

    def reference(self, x: Any) -> Any:
        """As it is."""
        return x


CONFIG = ew.BuilderConfig(threads=1, level=0, timing_cache="")


def network(op: type) -> ew.Network:
    """Return a network with one layer."""
    net = ew.Network("swish")
    net.output("y", net.add(op(), net.input("x", ew.float32, (2,)))[0])
    return net
