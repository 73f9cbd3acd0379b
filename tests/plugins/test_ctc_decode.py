"""CTC decoding against a naive best path, and against the probability of every label summed over every alignment."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright_plugins.ctc_decode import CtcBeamDecode, CtcGreedyDecode
from tests.plugins.operators import QUIET, check_native, check_shapes, run_saved
from tests.plugins.optional_torch import torch

Array = np.ndarray[Any, Any]
EXAMPLES = [*CtcGreedyDecode.examples(), *CtcBeamDecode.examples()]
RNG = np.random.default_rng(19)


def frames_of(batch: int, frames: int, classes: int) -> Array:
    return np.log(RNG.dirichlet(np.ones(classes), (batch, frames))).astype(np.float32)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Any, inputs: list[Any]) -> None:
    check_shapes(op, inputs)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_native(op: Any, inputs: list[Any]) -> None:
    check_native(op, inputs)


def spelled(alignment: Any, blank: int) -> tuple[int, ...]:
    """The label of an alignment: runs made one, blanks left out."""
    return tuple(symbol for symbol, _ in itertools.groupby(alignment) if symbol != blank)


def test_greedy_is_the_best_path(tmp_path: Path) -> None:
    frames = frames_of(4, 30, 6)
    found = run_saved(CtcGreedyDecode(blank=2), [frames, None], tmp_path)
    wanted = [spelled(sequence.argmax(axis=1).tolist(), 2) for sequence in frames]
    assert found[0].shape == (4, max(map(len, wanted)))
    assert [tuple(row[row >= 0]) for row in found[0]] == wanted
    np.testing.assert_array_equal(found[1], [len(label) for label in wanted])
    np.testing.assert_allclose(found[2], frames.max(axis=2).sum(axis=1), rtol=1e-5)


def every_label(frames: Array, blank: int) -> list[tuple[tuple[int, ...], float]]:
    """All labels with their probabilities, most probable first: each alignment adds its own."""
    total: dict[tuple[int, ...], float] = defaultdict(float)
    probabilities = np.exp(frames.astype(np.float64))
    for alignment in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        total[spelled(alignment, blank)] += float(np.prod(probabilities[np.arange(len(frames)), alignment]))
    return sorted(total.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("blank", [0, 3])
def test_a_wide_beam_finds_the_most_probable_labels(blank: int, tmp_path: Path) -> None:
    frames = frames_of(3, 6, 4)
    op = CtcBeamDecode(blank=blank, beam_width=1100, top_paths=5)
    for made in (op.reference(frames), run_saved(op, [frames, None], tmp_path)):
        for sequence, labels, counts, scores in zip(frames, *made, strict=True):
            wanted = every_label(sequence, blank)[:5]
            assert [tuple(row[:n]) for row, n in zip(labels, counts, strict=True)] == [label for label, _ in wanted]
            np.testing.assert_allclose(np.exp(scores), [probability for _, probability in wanted], rtol=1e-5)


def test_scores_are_those_of_the_ctc_loss() -> None:
    """Where nothing was cut off, PyTorch's loss of the found label is its score."""
    frames = frames_of(2, 7, 3)
    labels, counts, scores = CtcBeamDecode(beam_width=400).reference(frames)
    losses = torch.nn.functional.ctc_loss(
        torch.from_numpy(frames).transpose(0, 1), torch.from_numpy(labels[:, 0].clip(0)), torch.tensor([7, 7]),
        torch.from_numpy(counts[:, 0]), reduction="none",
    )  # fmt: skip
    np.testing.assert_allclose(scores[:, 0], -np.asarray(losses), rtol=1e-4)


def test_frames_behind_the_end_do_not_matter() -> None:
    frames = frames_of(1, 12, 5)
    for op in (CtcGreedyDecode(), CtcBeamDecode()):
        whole, part = op.reference(frames[:, :5]), op.reference(frames, np.array([5]))
        for a, b in zip(whole, part, strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_is_no_number_is_impossible() -> None:
    frames = frames_of(2, 8, 4)
    frames[0, 3, 1], frames[0, 4, 2], frames[1, 2] = np.nan, np.inf, np.nan
    check_native(CtcGreedyDecode(), [frames, None])
    check_native(CtcBeamDecode(top_paths=3), [frames, None])
    assert np.isinf(CtcBeamDecode().reference(frames)[2][1]).all()


@pytest.mark.parametrize("op", [CtcGreedyDecode(), CtcBeamDecode()])
def test_wrong_lengths_are_refused(op: Any) -> None:
    frames, lengths = frames_of(2, 8, 4), np.array([8, 9])
    net = ew.Network()
    made = net.add(op, net.input("x", ew.float32, frames.shape), net.input("n", ew.int64, (2,)))
    net.output("y", made[0])
    engine = ew.load(ew.build(net, QUIET))
    with pytest.raises(ew.InputError, match="sequence 1 has 9 of 8"):
        op.reference(frames, lengths)
    with pytest.raises(ew.RunError, match="sequence 1 has 9 of 8"):
        engine.run({"x": frames, "n": lengths})


def test_wrong_fields_are_named() -> None:
    with pytest.raises(ew.NetworkError, match="top_paths is 20"):
        CtcBeamDecode(top_paths=20)
    with pytest.raises(ew.NetworkError, match="beam_width is 0"):
        CtcBeamDecode(beam_width=0)
    with pytest.raises(ew.NetworkError, match="blank is -1"):
        CtcGreedyDecode(blank=-1)
    with pytest.raises(ew.ShapeError, match="blank is 4, there are 4"):
        CtcBeamDecode(blank=4).infer(ew.TensorSpec(ew.float32, (1, 2, 4)))
    with pytest.raises(ew.InputError, match="blank is 4"):
        CtcBeamDecode(blank=4).reference(frames_of(1, 2, 4))
