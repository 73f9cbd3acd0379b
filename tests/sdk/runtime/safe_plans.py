"""Safe plans as a release would write them: this tree is a development build, whose plans rule S1 refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import enginewright as ew
from enginewright.plan.plan import Plan
from enginewright_compat.version import Version, running_version
from tests.sdk.plan.test_signing import PUBLIC, key_file

RELEASE = running_version()._replace(build=7)
CONFIG = ew.BuilderConfig(threads=2, level=0, timing_cache="", runtime="safety")
KEYS = [PUBLIC["a"]]


def values(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return numbers that are the same everywhere."""
    return np.sin(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape)


def convolutions() -> ew.Network:
    """Return a network whose kernels need scratch memory of each thread: convolutions and a product."""
    net = ew.Network("convolutions")
    x = net.input("x", ew.float32, (1, 8, 24, 24))
    hidden = net.relu(net.conv(x, net.constant(values(32, 8, 3, 3)), net.constant(values(32)), padding=1))
    hidden = net.conv(hidden, net.constant(values(16, 32, 3, 3) / 16), stride=2, padding=1)
    flat = net.reshape(hidden, net.constant(np.array([1, -1], np.int64)))
    net.output("y", net.softmax(net.matmul(flat, net.constant(values(16 * 12 * 12, 10) / 64))))
    return net


def safe_plan(net: ew.Network, version: Version = RELEASE, config: ew.BuilderConfig = CONFIG) -> Plan:
    """Build a safe plan and give it the numbers of a release."""
    plan = ew.build(net, config)
    return replace(plan, passport=replace(plan.passport, enginewright=str(version)))


def signed(folder: Path, plan: Plan, key: str = "a") -> Path:
    """Save and sign a plan."""
    path = folder / f"{plan.name}.plan"
    plan.save(path)
    ew.sign(path, key_file(folder, key))
    return path
