"""A refusal raises what it was given, and says nothing of the sizes of an If."""

from __future__ import annotations

import pytest

from enginewright.dims import Dim
from enginewright.errors import ShapeError
from enginewright.graph.network import Network
from enginewright.ops.refusal import Refusal
from enginewright.tensors import bool_, float32

REFUSAL = Refusal("sizes 2 and 3 must be equal", "Give others.", 'layer "a" (Add)', (float32,), (2,))


def test_it_raises_what_it_was_given() -> None:
    with pytest.raises(ShapeError, match="sizes 2 and 3 must be equal") as caught:
        REFUSAL.reference()
    assert (caught.value.where, caught.value.hint) == ('layer "a" (Add)', "Give others.")


@pytest.mark.parametrize("refusing", ["then_branch", "else_branch"])
def test_an_if_has_the_sizes_of_the_branch_that_can_run(refusing: str) -> None:
    net = Network()
    cond, x = net.input("c", bool_, ()), net.input("x", float32, ("n", 3))
    branches = {}
    for name in ("then_branch", "else_branch"):
        branches[name] = inner = Network(name, parent=net)
        inside = inner.input("x", x.dtype, x.shape)
        inner.output("y", inner.add(REFUSAL)[0] if name == refusing else inner.concat(inside, inside, axis=0))
    (y,) = net.if_(cond, x, then_branch=branches["then_branch"], else_branch=branches["else_branch"])
    assert y.shape == (Dim("n") * 2, 3)
