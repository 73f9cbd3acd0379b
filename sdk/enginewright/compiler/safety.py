"""Refuses to write a safe plan of a network that the safety runtime cannot run, naming the layers behind it."""

from __future__ import annotations

from collections.abc import Sequence

from enginewright.errors import UnsafeDetails, UnsafeFeature, UnsafeNetwork
from enginewright.plan.features import find_features
from enginewright.plan.meta import Meta
from enginewright_compat.features import FEATURES, judge_features
from enginewright_compat.passport import PluginUse


def refuse_unsafe(meta: Meta, plugins: Sequence[PluginUse]) -> None:
    """Raise `UnsafeNetwork`, which names the first layer or input for each feature that the safety runtime lacks."""
    places = find_features(meta, plugins)
    unsafe = tuple(UnsafeFeature(reason.found, places[reason.found]) for reason in judge_features(tuple(places)))
    if unsafe:
        raise UnsafeNetwork(
            "the safety runtime cannot run " + "; ".join(f"{item.place}: {FEATURES[item.feature]}" for item in unsafe),
            hint="Change these layers, give a profile of one fixed shape, or build with runtime='standard'.",
            details=UnsafeDetails(unsafe),
        )
