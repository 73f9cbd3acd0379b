"""The listed peer cases: ours gives what the sentence says, and the peer does not, so that none stays for nothing."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import enginewright as ew
from tests.conformance.peer_cases import PeerCase, culprits, excused, load_peer_cases
from tests.conformance.random_graphs import Array, RandomModel
from tests.conformance.random_models import PEERS

MOST = 10


def test_there_are_few() -> None:
    names = [case.name for case in load_peer_cases()]
    assert 0 < len(set(names)) == len(names) <= MOST


@pytest.mark.parametrize("case", load_peer_cases(), ids=lambda case: case.name)
def test_the_sentence_is_in_the_text_of_onnx(case: PeerCase) -> None:
    schema = onnx.defs.get_schema(case.operator)
    parts = [schema.doc, *(item.description for item in (*schema.inputs, *schema.outputs))]
    text = "\n".join([*parts, *(item.description for item in schema.attributes.values())])
    assert " ".join(case.sentence.split()) in " ".join(text.split())


@pytest.mark.parametrize("case", load_peer_cases(), ids=lambda case: case.name)
def test_ours_follows_it_and_the_peer_does_not(case: PeerCase) -> None:
    inputs = case.arrays()
    for level in (0, 1):
        found = ew.load(ew.build(case.proto(), ew.BuilderConfig(level=level, timing_cache=""))).run(inputs)
        for name, expected in case.expected.items():
            np.testing.assert_array_equal(found[name], np.array(expected, found[name].dtype))
    theirs = PEERS[case.peer](case.proto(), inputs)
    assert theirs is not None
    assert not all(np.array_equal(theirs[name], np.array(expected)) for name, expected in case.expected.items())


def test_only_listed_operators_are_excused() -> None:
    assert excused("onnx.reference", {"Identity", "Loop"})
    assert not excused("onnxruntime", {"Identity", "Loop"})
    assert not excused("onnx.reference", {"Identity"})
    assert not excused("onnx.reference", set())


CHAIN = """<ir_version: 10, opset_import: ["" : 21]>
chain (float[3] x) => (float[3] c) <float small = {0.001}> {
   a = Mul (x, small)
   b = Relu (a)
   c = Exp (b)
}"""


def test_the_operator_behind_a_difference_is_found() -> None:
    """Also a difference that is small beside the largest number of the graph; what follows from it is no cause."""
    model, x = onnx.parser.parse_model(CHAIN), {"x": np.array([-1, 2, 3], np.float32)}
    case = RandomModel(model, model, x, x, {"c": False}, scale=1e4)

    def wrong(longer: onnx.ModelProto, inputs: dict[str, Array]) -> dict[str, Array] | None:
        changed = onnx.ModelProto()
        changed.CopyFrom(longer)
        changed.graph.node[1].op_type = "Abs"
        return PEERS["onnx.reference"](changed, inputs)

    assert culprits(case, x, wrong) == {"Relu"}
    assert culprits(case, x, PEERS["onnx.reference"]) == set()
    assert culprits(case, x, lambda longer, inputs: None) == set()
