"""What a network needs of the runtime is found, named with its place, and written into the passport."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import UnsafeNetwork
from enginewright.plan.features import find_features
from enginewright_compat.features import FEATURES, SAFETY_FEATURES
from enginewright_compat.passport import PluginUse
from tests.golden.plans import MORE, NETWORKS, QUICK

SAFE = ew.BuilderConfig(threads=1, level=0, timing_cache="", runtime="safety")


def _boxes(net: ew.Network) -> None:
    boxes, images = net.input("boxes", ew.float32, (2, 4)), net.input("images", ew.int64, (2,))
    net.output("y", net.roi_align(net.input("x", ew.float32, (1, 1, 4, 4)), boxes, images))


def _nonzero(net: ew.Network) -> None:
    net.output("y", net.nonzero(net.input("x", ew.float32, (3,))))


def _bits(net: ew.Network) -> None:
    net.output("y", net.cast(net.input("x", ew.float32, (4,)), to=ew.int4))


CASES: dict[str, tuple[Callable[[ew.Network], None], set[str], str]] = {
    "static": (NETWORKS["mlp"], set(), ""),
    "python step": (NETWORKS["conv"], {"python-steps"}, 'layer "Det"'),
    "dynamic": (NETWORKS["dynamic"], {"data-dependent-sizes", "dynamic-shapes"}, 'input "x", axis 0'),
    "branches": (MORE["branches"], {"control-flow"}, 'layer "If"'),
    "boxes": (_boxes, {"data-dependent-memory"}, 'layer "RoiAlign"'),
    "nonzero": (_nonzero, {"data-dependent-sizes"}, 'layer "NonZero"'),
    "4 bits": (_bits, {"python-values"}, '"y"'),
}


@pytest.mark.parametrize("name", CASES)
def test_features_and_places(name: str) -> None:
    make, wanted, place = CASES[name]
    net = ew.Network(name)
    make(net)
    plan = ew.build(net, QUICK)
    found = find_features(plan.meta)
    assert wanted <= found.keys() <= wanted | {"python-steps"}, found
    assert plan.passport.features == tuple(sorted(found))
    if not wanted:
        assert ew.build(net, SAFE).passport.features == ()
        return
    assert place in found.values()
    with pytest.raises(UnsafeNetwork) as caught:
        ew.build(net, SAFE)
    assert {item.feature: item.place for item in caught.value.unsafe} == found
    assert place in caught.value.message


def test_operators_of_plugins_are_named() -> None:
    net = ew.Network("plain")
    NETWORKS["mlp"](net)
    use = PluginUse("acme::Swish@1", "acme-ops", "1.0", "", "t", 1, "", "0.1", needed=True)
    assert find_features(ew.build(net, QUICK).meta, [use]) == {"plugins": "operator acme::Swish@1"}


def test_every_feature_has_a_meaning() -> None:
    assert set(SAFETY_FEATURES) <= FEATURES.keys()
    assert np.all([len(meaning) > 10 for meaning in FEATURES.values()])
