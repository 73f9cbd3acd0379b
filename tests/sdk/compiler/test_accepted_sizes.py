"""Sizes of dynamic axes that a model accepts, found from the checks that its layers leave for run time."""

from __future__ import annotations

import numpy as np

import enginewright as ew
from enginewright.compiler.accepted_sizes import accepted_sizes, usual_size
from tests.sdk.tools.small_models import chain


def test_defaults_where_nothing_is_checked() -> None:
    assert accepted_sizes(ew.parse(chain()), {}) == {"n": 1}
    assert accepted_sizes(ew.parse(chain()), {"n": 7}) == {"n": 7}


def test_a_size_that_must_be_48() -> None:
    """x[n, h] is reshaped to [n, 6, 8]: that is possible for h = 48 only."""
    net = ew.Network()
    x = net.input("x", ew.float32, ("n", "h"))
    shape = net.constant(np.array([0, 6, 8], np.int64))
    net.output("y", net.reshape(x, shape))
    assert accepted_sizes(net, {}) == {"n": 1, "h": 48}


def test_sizes_that_must_agree() -> None:
    """State and input have dimensions of different names, but are concatenated: both batches must be the same."""
    net = ew.Network()
    x = net.input("x", ew.float32, ("batch", 4))
    state = net.input("state", ew.float32, (2, "other", 4))
    net.output("y", net.add(net.unsqueeze(x, net.constant(np.array([0]))), state))
    found = accepted_sizes(net, {"batch": 2})
    assert found["other"] in {1, 2}
    net.output(
        "z", net.concat(net.unsqueeze(x, net.constant(np.array([2]))), net.transpose(state, perm=(1, 2, 0)), axis=2)
    )
    assert accepted_sizes(net, {"batch": 16}) == {"batch": 16, "other": 16}


def test_where_nothing_fits_the_first_trial_is_taken() -> None:
    net = ew.Network()
    x = net.input("x", ew.float32, ("n", "h"))
    net.output("y", net.reshape(x, net.constant(np.array([0, 7, 11], np.int64))))
    assert accepted_sizes(net, {}) == {"n": 1, "h": 128}


def test_many_free_sizes_are_not_searched() -> None:
    net = ew.Network()
    net.output("y", net.relu(net.input("x", ew.float32, tuple("abcdefg"))))
    assert accepted_sizes(net, {"g": 3}) == {**dict.fromkeys("bcdef", 8), "a": 1, "g": 3}


def test_an_input_with_many_dynamic_axes_stays_small() -> None:
    """128 on each of seven axes would be 2 PiB; a model whose inputs fit keeps 128."""
    net = ew.Network()
    net.output("y", net.relu(net.input("x", ew.float32, tuple("abcdefgh"))))
    assert accepted_sizes(net, {}) == {**dict.fromkeys("bcdefgh", 8), "a": 1}
    assert usual_size(ew.parse(chain())) == 128
