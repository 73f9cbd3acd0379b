"""CtcGreedyDecode and CtcBeamDecode: the labels that a speech or text recognizer's frames spell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import enginewright as ew
from enginewright_plugins._checks import check_fields, check_float, check_integer, check_rank, needs_float32
from enginewright_plugins._library import KERNELS

Array = np.ndarray[Any, Any]
Label = tuple[int, ...]
PAD = -1


def _check(blank: int, log_probs: ew.TensorSpec, lengths: ew.TensorSpec | None) -> None:
    check_float("log_probs", log_probs)
    check_rank("log_probs", log_probs, 3)
    classes = log_probs.shape[2]
    if isinstance(classes, int) and blank >= classes:
        raise ew.ShapeError(f"blank is {blank}, there are {classes} classes", hint="Correct the field blank.")
    if lengths is not None:
        check_integer("lengths", lengths)
        check_rank("lengths", lengths, 1)
        ew.same(lengths.shape[0], log_probs.shape[0])


def _frames(log_probs: Array, lengths: Array | None) -> Iterator[Array]:
    """The frames of each sequence that count, as float32; what is no number, or infinite, is impossible."""
    values = log_probs.astype(np.float32)
    for index, frames in enumerate(np.where(values < np.inf, values, np.float32(-np.inf))):
        length = len(frames) if lengths is None else int(lengths[index])
        if not 0 <= length <= len(frames):
            raise ew.InputError(f"sequence {index} has {length} of {len(frames)} frames", hint="Correct lengths.")
        yield frames[:length]


@ew.operator("ew_plugins::CtcGreedyDecode", version=1)
class CtcGreedyDecode:
    """The best class of each frame, runs made one (unless `merge_repeated` is off), blanks left out.

    log_probs [B, T, C]; lengths [B] int32 or int64: how many frames of each sequence count, all if left out. Outputs:
    labels int64 [B, longest], -1 behind the last label; counts int64 [B]; scores [B]: the sum of the best classes'
    values. Of equal classes the first. Graves et al., "Connectionist Temporal Classification", best path decoding.
    """

    blank: int = 0
    merge_repeated: bool = True

    def __post_init__(self) -> None:
        """Check the fields."""
        check_fields("CtcGreedyDecode", {f"blank is {self.blank}, negative": self.blank < 0})

    def infer(
        self, log_probs: ew.TensorSpec, lengths: ew.TensorSpec | None = None
    ) -> tuple[ew.TensorSpec, ew.TensorSpec, ew.TensorSpec]:
        """At most as many labels as frames."""
        _check(self.blank, log_probs, lengths)
        batch, frames = log_probs.shape[:2]
        labels = ew.TensorSpec(ew.int64, (batch, ew.Dim.data(upper=frames)))
        return labels, ew.TensorSpec(ew.int64, (batch,)), log_probs.with_shape(batch)

    def reference(self, log_probs: Array, lengths: Array | None = None) -> tuple[Array, Array, Array]:
        """Sequence by sequence."""
        found: list[Label] = []
        scores = np.zeros(len(log_probs), np.float64)
        for index, frames in enumerate(_frames(log_probs, lengths)):
            best = frames.argmax(axis=1) if len(frames) else np.zeros(0, np.int64)
            scores[index] = frames.max(axis=1).sum(dtype=np.float64) if len(frames) else 0
            kept = np.ones(len(best), bool)
            if self.merge_repeated:
                kept[1:] = best[1:] != best[:-1]
            found.append(tuple(best[kept & (best != self.blank)].tolist()))
        return _padded(found), np.array([len(label) for label in found], np.int64), scores.astype(log_probs.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[CtcGreedyDecode, list[Any]]]:
        """Runs and blanks, another blank, lengths, nothing spelled, no frame."""
        rng = np.random.default_rng(13)
        frames = np.log(rng.dirichlet(np.ones(5) / 3, (3, 20))).clip(-40).astype(np.float32)
        blanks = np.log(np.tile(np.array([0.9, 0.05, 0.05], np.float32), (2, 6, 1)))
        yield CtcGreedyDecode(), [frames, None]
        yield CtcGreedyDecode(blank=4, merge_repeated=False), [frames, np.array([20, 0, 7], np.int32)]
        yield CtcGreedyDecode(), [blanks, None]
        yield CtcGreedyDecode(), [frames[:, :0], np.zeros(3, np.int64)]


def _padded(found: list[Label]) -> Array:
    made = np.full((len(found), max(map(len, found), default=0)), PAD, np.int64)
    for row, label in zip(made, found, strict=True):
        row[: len(label)] = label
    return made


@ew.operator("ew_plugins::CtcBeamDecode", version=1)
class CtcBeamDecode:
    """The most probable labels, each over all alignments that spell it, among `beam_width` that are followed.

    log_probs [B, T, C]: natural logarithms of probabilities; lengths [B] int32 or int64, all frames if left out.
    Outputs: labels int64 [B, top_paths, longest], -1 behind the last label; counts int64 [B, top_paths]; scores [B,
    top_paths]: the logarithm of a label's probability; best first. Where fewer labels are possible, counts are 0 and
    scores -infinity. Prefix beam search of Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition",
    without a language model.
    """

    blank: int = 0
    beam_width: int = 16
    top_paths: int = 1

    def __post_init__(self) -> None:
        """Check the fields."""
        limits = {
            f"blank is {self.blank}, negative": self.blank < 0,
            f"beam_width is {self.beam_width}, not positive": self.beam_width <= 0,
            f"top_paths is {self.top_paths}, not from 1 to beam_width": not 0 < self.top_paths <= self.beam_width,
        }
        check_fields("CtcBeamDecode", limits)

    def infer(
        self, log_probs: ew.TensorSpec, lengths: ew.TensorSpec | None = None
    ) -> tuple[ew.TensorSpec, ew.TensorSpec, ew.TensorSpec]:
        """At most as many labels as frames."""
        _check(self.blank, log_probs, lengths)
        batch, frames = log_probs.shape[:2]
        paths = batch, self.top_paths
        labels = ew.TensorSpec(ew.int64, (*paths, ew.Dim.data(upper=frames)))
        return labels, ew.TensorSpec(ew.int64, paths), log_probs.with_shape(*paths)

    def reference(self, log_probs: Array, lengths: Array | None = None) -> tuple[Array, Array, Array]:
        """Sequence by sequence, frame by frame."""
        if self.blank >= log_probs.shape[2]:
            raise ew.InputError(f"blank is {self.blank}, there are {log_probs.shape[2]} classes", hint="Correct blank.")
        found: list[Label] = []
        scores = np.full((len(log_probs), self.top_paths), -math.inf)
        for index, frames in enumerate(_frames(log_probs, lengths)):
            best = self._search(frames)[: self.top_paths]
            scores[index, : len(best)] = [score for _, score in best]
            found.extend([label for label, _ in best] + [()] * (self.top_paths - len(best)))
        counts = np.array([len(label) for label in found], np.int64).reshape(scores.shape)
        labels = _padded(found)
        return labels.reshape(*scores.shape, labels.shape[1]), counts, scores.astype(log_probs.dtype)

    def _search(self, frames: Array) -> list[tuple[Label, float]]:
        """Labels with their scores, best first."""
        beams: dict[Label, tuple[float, float]] = {(): (0.0, -math.inf)}  # ending in a blank, or in the last label
        for frame in frames.tolist():
            grown: dict[Label, tuple[float, float]] = {}
            for label, (blank, other) in beams.items():
                again = other + frame[label[-1]] if label else -math.inf
                grown[label] = log_add(blank, other) + frame[self.blank], again
            for label, (blank, other) in beams.items():
                for symbol, value in enumerate(frame):
                    if symbol != self.blank:
                        start = blank if label[-1:] == (symbol,) else log_add(blank, other)
                        kept, known = grown.get((*label, symbol), (-math.inf, -math.inf))
                        grown[*label, symbol] = kept, log_add(known, start + value)
            best = sorted(grown.items(), key=lambda item: -log_add(*item[1]))
            beams = {label: pair for label, pair in best[: self.beam_width] if log_add(*pair) > -math.inf}
        return [(label, log_add(*pair)) for label, pair in beams.items()]

    @staticmethod
    def examples() -> Iterator[tuple[CtcBeamDecode, list[Any]]]:
        """Narrow and wide beams, several paths, more than there are, lengths, impossible classes, no frame."""
        rng = np.random.default_rng(17)
        frames = np.log(rng.dirichlet(np.ones(6) / 2, (3, 15))).clip(-60).astype(np.float32)
        certain = frames.copy()
        certain[:, :, 2:] = -np.inf
        yield CtcBeamDecode(), [frames, None]
        yield CtcBeamDecode(blank=5, beam_width=3, top_paths=2), [frames, np.array([15, 0, 4])]
        yield CtcBeamDecode(beam_width=40, top_paths=20), [frames[:, :2], None]
        yield CtcBeamDecode(top_paths=4), [certain, None]
        yield CtcBeamDecode(), [frames[:, :0], np.zeros(3, np.int32)]


def log_add(a: float, b: float) -> float:
    """The logarithm of e^a + e^b."""
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


@ew.tactic(CtcGreedyDecode, kernel=KERNELS["ctc_greedy_f32"])
def ctc_greedy(op: CtcGreedyDecode, log_probs: ew.TensorSpec, lengths: ew.TensorSpec | None = None) -> ew.Launch | str:
    """Sequences side by side."""
    if reason := needs_float32(log_probs):
        return reason
    batch, frames = log_probs.shape[:2]
    return ew.Launch(params=(op.blank, int(op.merge_repeated)), workspace=batch * frames * 8)


NODE, BEAM, CANDIDATE = 16, 24, 40
"""Bytes of the kernel's records."""


@ew.tactic(CtcBeamDecode, kernel=KERNELS["ctc_beam_f32"])
def ctc_beam(op: CtcBeamDecode, log_probs: ew.TensorSpec, lengths: ew.TensorSpec | None = None) -> ew.Launch | str:
    """Sequences side by side; labels share a tree of their beginnings."""
    if reason := needs_float32(log_probs):
        return reason
    batch, frames = log_probs.shape[:2]
    tree, labels = (frames * op.beam_width + 1) * NODE, op.top_paths * frames * 8
    each = tree + op.beam_width * (BEAM + CANDIDATE) + labels
    return ew.Launch(params=(op.blank, op.beam_width, op.top_paths), workspace=batch * each)
