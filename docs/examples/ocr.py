"""Finds and reads the text of an image with the three networks of PP-OCRv4: NumPy before, between and after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

Run = Callable[[str, np.ndarray], np.ndarray]
"""Runs the network of a name ("detect", "turn", "read") on its one input and returns its one output."""

INK, SURE, GROW = 0.3, 0.5, 1.6
"""DB post-processing: ink threshold, mean probability of a box, and how far a box grows (Liao et al., 2020)."""
UPSIDE_DOWN = 0.9
TURN_SIZE, READ_HEIGHT, STEP = (192, 48), 48, 32


@dataclass(frozen=True)
class Line:
    """A line of text: its box (left, top, right, bottom) in pixels, what it says, and how sure that is."""

    box: tuple[int, int, int, int]
    text: str
    confidence: float


def read_page(page: Image.Image, characters: list[str], run: Run) -> list[Line]:
    """All lines of the page, from top to bottom."""
    lines = []
    for box in find_boxes(run("detect", as_input(page))[0, 0]):
        crop = page.crop(box)
        if run("turn", as_input(crop.resize(TURN_SIZE)))[0, 1] > UPSIDE_DOWN:
            crop = crop.transpose(Image.Transpose.ROTATE_180)
        text, confidence = spell(run("read", as_input(fit_height(crop)))[0], characters)
        lines.append(Line(box, text, confidence))
    return join_rows(lines)


def join_rows(lines: list[Line]) -> list[Line]:
    """Lines from top to bottom, pieces that stand side by side joined from left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.box[1] + line.box[3]):
        middle = (line.box[1] + line.box[3]) / 2
        if rows and rows[-1][0].box[1] < middle < rows[-1][0].box[3]:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [join(sorted(row, key=lambda line: line.box[0])) for row in rows]


def join(row: list[Line]) -> Line:
    """One line of several pieces."""
    edges = np.array([line.box for line in row])
    left, top, right, bottom = (*edges[:, :2].min(0).tolist(), *edges[:, 2:].max(0).tolist())
    confidence = min(line.confidence for line in row)
    return Line((left, top, right, bottom), " ".join(line.text for line in row), confidence)


def as_input(image: Image.Image) -> np.ndarray:
    """The image as the networks take it: float32[1, 3, height, width] from -1 to 1, blue first."""
    pixels = np.asarray(image.convert("RGB"), np.float32)[:, :, ::-1]
    return np.ascontiguousarray((pixels / 127.5 - 1).transpose(2, 0, 1)[None])


def fit_height(crop: Image.Image) -> Image.Image:
    """The crop at the height that the reader was trained with; its width in steps of 32 pixels."""
    width = crop.width * READ_HEIGHT / crop.height
    return crop.resize((max(STEP, round(width / STEP) * STEP), READ_HEIGHT), Image.Resampling.BICUBIC)


def find_boxes(probability: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Boxes around the connected regions of ink, grown to hold whole letters (the network finds shrunken lines)."""
    height, width = probability.shape
    for left, top, right, bottom in regions(probability > INK):
        if probability[top:bottom, left:right].mean() < SURE or min(right - left, bottom - top) < 3:
            continue
        grow = round(GROW * (right - left) * (bottom - top) / (2 * (right - left + bottom - top)))
        yield max(0, left - grow), max(0, top - grow), min(width, right + grow), min(height, bottom + grow)


def regions(ink: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """The bounding boxes of 4-connected regions, by joining the runs of ink of neighbouring rows."""
    boxes: list[list[int]] = []
    parent: list[int] = []

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    above: list[tuple[int, int, int]] = []
    for row, line in enumerate(ink):
        edges = np.flatnonzero(np.diff(np.pad(line.astype(np.int8), 1)))
        here = []
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            index = len(parent)
            parent.append(index)
            boxes.append([start, row, end, row + 1])
            for other_start, other_end, other in above:
                if other_start < end and start < other_end:
                    parent[root(other)] = root(index)
            here.append((start, end, index))
        above = here
    merged: dict[int, list[int]] = {}
    for index, (left, top, right, bottom) in enumerate(boxes):
        box = merged.setdefault(root(index), [left, top, right, bottom])
        box[:] = min(box[0], left), min(box[1], top), max(box[2], right), max(box[3], bottom)
    for left, top, right, bottom in merged.values():
        yield left, top, right, bottom


def spell(scores: np.ndarray, characters: list[str]) -> tuple[str, float]:
    """The text of scores [position, character] by CTC: repeats are one character, character 0 is none."""
    best = scores.argmax(1)
    kept = (best != 0) & np.append(True, best[1:] != best[:-1])
    confidence = float(scores.max(1)[kept].mean()) if kept.any() else 0.0
    return "".join(characters[index] for index in best[kept]), confidence
