"""Which inputs hold indices, and how large they may be."""

from __future__ import annotations

import numpy as np

import enginewright as ew
from enginewright.compiler.ranges import index_limits
from tests.sdk.tools.small_models import chain, lookup


def test_indices_are_found_behind_a_cast() -> None:
    assert index_limits(ew.parse(lookup())) == {"ids": 5}


def test_no_indices() -> None:
    assert index_limits(ew.parse(chain())) == {}


def test_the_smallest_table_counts() -> None:
    net = ew.Network()
    ids = net.input("ids", ew.int64, (3,))
    small, large = net.constant(np.ones((4, 2), np.float32)), net.constant(np.ones((9, 2), np.float32))
    net.output("a", net.gather(large, ids))
    net.output("b", net.gather(small, ids))
    assert index_limits(net) == {"ids": 4}
