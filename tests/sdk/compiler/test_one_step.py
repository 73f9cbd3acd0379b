"""What is timed is what is chosen: each variant of a tactic is run by itself."""

from __future__ import annotations

from enginewright.compiler import one_step
from enginewright.compiler.candidates import candidates
from tests.sdk.compiler.test_chains import chain


def test_variants_are_run_with_their_own_params() -> None:
    layer = chain()[1]
    specs = [None if tensor is None else tensor.spec for tensor in layer.inputs]
    made = one_step._one_layer(layer, specs, "cpu")
    assert made is not None
    for every_isa in (False, True):
        found = candidates(layer, every_isa=every_isa).choices
        assert len({choice.launch.params for choice in found}) > 1
        for choice in found:
            again = made._at_these_sizes(choice)
            assert again is not None
            assert (again.kernel, again.launch.params) == (choice.kernel, choice.launch.params)
