"""Tests of ONNX Runtime's grouped and quantized attention, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import enginewright as ew
from tests.sdk.ops.microsoft import RNG, Array, bytes_, check, floats, model_of, scalar

HEADS, GROUPS, WIDTH = 4, 2, 16
SINK = floats(HEADS)


def grouped(
    batch: int, steps: int, past: int | None, lengths: list[int], *, packed: bool = False
) -> list[Array | None]:
    """Inputs 0 to 6: queries, keys, values, the cache, the length of each sequence less 1, the longest length."""
    sizes = [HEADS + 2 * GROUPS] if packed else [HEADS, GROUPS, GROUPS]
    parts: list[Array | None] = [floats(batch, steps, size * WIDTH) for size in sizes] + [None] * (2 * packed)
    cache = [None if past is None else floats(batch, GROUPS, past, WIDTH) for _ in range(2)]
    return [*parts, *cache, np.array(lengths, np.int32) - 1, np.array(max(lengths), np.int32)]


def check_grouped(inputs: list[Array | None], **attributes: Any) -> None:
    check("GroupQueryAttention", inputs, outputs=3, num_heads=HEADS, kv_num_heads=GROUPS, **attributes)


@pytest.mark.parametrize(
    ("batch", "steps", "past", "lengths"),
    [(1, 3, 5, [8]), (2, 1, 5, [6, 6]), (2, 1, 8, [6, 4]), (2, 4, 0, [4, 4]), (2, 4, None, [4, 4]), (1, 1, 12, [6])],
)
def test_caches_that_grow_or_have_room(batch: int, steps: int, past: int | None, lengths: list[int]) -> None:
    check_grouped(grouped(batch, steps, past, lengths))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotated_positions(packed: bool, interleaved: int) -> None:
    tables = [np.cos(floats(32, WIDTH // 2)), np.sin(floats(32, WIDTH // 2))]
    for inputs in (grouped(1, 3, 5, [8], packed=packed), grouped(2, 1, 8, [6, 4], packed=packed)):
        check_grouped([*inputs, *tables], do_rotary=1, rotary_interleaved=interleaved)
    given = [*grouped(1, 3, 5, [8], packed=packed), *tables, np.array([[5, 6, 7]])]
    check_grouped(given, do_rotary=1, rotary_interleaved=interleaved)


@pytest.mark.parametrize("past", [5, 12])
@pytest.mark.parametrize(
    ("bias", "sink", "attributes"),
    [
        (False, None, {"local_window_size": 2}),
        (False, None, {"softcap": 3.0, "scale": 0.3}),
        (True, None, {}),
        (False, None, {"smooth_softmax": 1}),
        (False, SINK, {}),
        (False, SINK, {"local_window_size": 3, "softcap": 2.0}),
        (True, SINK, {}),
    ],
)
def test_scores(past: int, bias: bool, sink: Array | None, attributes: dict[str, Any]) -> None:
    more = [None, None, None, floats(1, HEADS, 3, 8) if bias else None, sink]
    check_grouped([*grouped(1, 3, past, [8]), *more], **attributes)


def test_a_decoder_runs_natively_step_by_step() -> None:
    """Prompt, then tokens with a growing cache, in one engine: as all tokens at once."""
    inputs = grouped(1, 4, 0, [4])
    model = model_of("GroupQueryAttention", inputs, 3, (), num_heads=HEADS, kv_num_heads=GROUPS)
    for info in model.graph.input:
        for axis, size in enumerate(info.type.tensor_type.shape.dim):
            if (
                axis in (1, 2)
                and info.name in {"x0": 1, "x1": 1, "x2": 1, "x3": 2, "x4": 2}
                and axis == AXES[info.name]
            ):
                size.dim_param = "P" if info.name in ("x3", "x4") else "S"
    plan = ew.build(model, ew.BuilderConfig(timing_cache="", level=1))
    assert not [layer.name for layer in plan.report.layers if layer.tactic == "reference"]
    engine = ew.load(plan)
    feeds = {f"x{index}": array for index, array in enumerate(inputs) if array is not None}
    whole = engine.run(feeds)
    cache, rows = (feeds["x3"], feeds["x4"]), []
    for start, end in ((0, 2), (2, 3), (3, 4)):
        part = {name: feeds[name][:, start:end] for name in ("x0", "x1", "x2")}
        lengths = {"x5": np.array([end - 1], np.int32), "x6": np.array(end, np.int32)}
        found = engine.run({**part, "x3": cache[0], "x4": cache[1], **lengths})
        cache = found["y1"], found["y2"]
        rows.append(found["y0"])
    np.testing.assert_allclose(np.concatenate(rows, axis=1), whole["y0"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(cache[0], whole["y1"])


AXES = {"x0": 1, "x1": 1, "x2": 1, "x3": 2, "x4": 2}
QUANTIZED = [bytes_(2, 3, 12), bytes_(12, 48), floats(48), scalar(0.05), scalar(0.02)]
ZEROS = [scalar(128, np.uint8), scalar(120, np.uint8)]


def test_quantized_attention() -> None:
    check("QAttention", [*QUANTIZED, None, *ZEROS], constants=(1,), num_heads=2)
    check("QAttention", [*QUANTIZED, None, *ZEROS], constants=(1,), num_heads=2, unidirectional=1)
    check("QAttention", [*QUANTIZED, np.array([3, 2], np.int32), *ZEROS], constants=(1,), num_heads=2)
    past = floats(2, 2, 2, 4, 8)
    check("QAttention", [*QUANTIZED, None, *ZEROS, past], outputs=2, constants=(1,), num_heads=2, unidirectional=1)


def test_quantized_attention_with_a_scale_for_each_column() -> None:
    weight, scales = RNG.integers(-127, 127, (12, 48)).astype(np.int8), np.abs(floats(48)) * np.float32(0.01)
    inputs = [QUANTIZED[0], weight, *QUANTIZED[2:4], scales, None, ZEROS[0], np.zeros(48, np.int8)]
    check("QAttention", inputs, constants=(1,), num_heads=2)


@pytest.mark.parametrize("mask", [None, np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32)])
def test_quantized_embedding(mask: Array | None) -> None:
    words, segments = (RNG.integers(0, limit, (2, 5)).astype(np.int32) for limit in (9, 2))
    tables = [bytes_(9, 16), bytes_(7, 16), bytes_(2, 16), bytes_(16), bytes_(16)]
    scales = [scalar(number) for number in (0.1, 0.05, 0.07, 0.02, 0.03)]
    inputs = [words, segments, *tables, mask, *scales, *[scalar(120, np.uint8)] * 5]
    check("QEmbedLayerNormalization", inputs, outputs=2, constants=(2, 3, 4, 5, 6))
