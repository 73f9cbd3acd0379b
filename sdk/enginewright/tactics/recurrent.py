"""Recurrent layers on the CPU: one matrix product for all inputs, then step by step on the matrix core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from enginewright.ops.recurrent import ACTIVATIONS, DIRECTIONS, GRU, LSTM, RNN, Recurrent
from enginewright.ops.rounded import Rounded
from enginewright.registry.registry import Launch, Pack, tactic
from enginewright.tactics.matmul import PACKED_INSTEAD, panel_bytes
from enginewright.tensors import TensorSpec, bfloat16, float32

KINDS = {name: number for number, name in enumerate(ACTIVATIONS)}
"""The numbers of activations, as in native/cpu/recurrent.cpp."""

VECTOR = 16
"""Units are padded to whole vectors, of the instruction set with the longest."""

TOGETHER = "the gates of each vector of units are better computed together"


def recurrent_params(op: Recurrent, option: bool, packed: bool) -> tuple[int | float, ...]:
    """Direction, layout, clip, option, packed, then number, alpha and beta of each activation."""
    found: list[int | float] = [DIRECTIONS.index(op.direction), op.layout, float(op.clip), int(option), int(packed)]
    for functions in op.functions():
        for function in functions:
            found += [KINDS[function.name], float(function.alpha), float(function.beta)]
    return tuple(found)


def _pack(w: TensorSpec, parted: bool) -> Pack | None:
    directions, rows, k = w.shape
    if not isinstance(directions, int) or not isinstance(rows, int) or not isinstance(k, int):
        return None
    first = rows // 3 * 2 if parted else rows
    size = directions * (panel_bytes(k, first) + panel_bytes(k, rows - first))
    return Pack("cpu_pack_recurrent_f32", size, (int(parted),))


def _launch(op: Recurrent, specs: tuple[TensorSpec | None, ...], option: bool, packed: bool) -> Launch | str:
    x, w, r = specs[0], specs[1], specs[2]
    assert x is not None
    assert w is not None
    assert r is not None
    if x.dtype is not float32:
        return "needs float32"
    params = recurrent_params(op, option, packed)
    if not packed:
        return PACKED_INSTEAD if w.constant and r.constant else Launch(params)
    packs = (_pack(w, False), _pack(r, isinstance(op, GRU)))
    if packs[0] is None or packs[1] is None:
        return "the weights have sizes that are not known when building"
    return Launch(params, pack={1: packs[0], 2: packs[1]})


def _units(op: Recurrent, specs: tuple[TensorSpec | None, ...], gates: int) -> Launch | str:
    """With float32 weights, packed when building."""
    x, w, r = specs[0], specs[1], specs[2]
    assert x is not None
    assert w is not None
    assert r is not None
    if x.dtype is not float32 or (len(specs) > 4 and specs[4] is not None):
        return "needs float32, and sequences of one length"
    usual = all(f.name == name for fs in op.functions() for f, name in zip(fs, op.DEFAULTS, strict=True))
    if not usual or op.clip:
        return "needs the usual activations, and no clipping"
    packs = []
    for spec in (w, r):
        directions, rows, k = spec.shape
        if not isinstance(directions, int) or not isinstance(rows, int) or not isinstance(k, int):
            return "the weights have sizes that are not known when building"
        size = 4 * directions * gates * -(-(rows // gates) // VECTOR) * VECTOR * k
        packs.append(Pack("cpu_pack_recurrent_units_f32", size, (gates,)))
    return Launch(recurrent_params(op, False, True), pack={1: packs[0], 2: packs[1]})


def _takes_units(units: Launch | str, specs: tuple[TensorSpec | None, ...]) -> bool:
    """Whether the tactic by units can run: then no other one need be timed, perhaps at sizes that do not tell."""
    return isinstance(units, Launch) and all(spec is not None and spec.constant for spec in specs[1:3])


@tactic(LSTM, kernel="cpu_lstm_units_f32")
def lstm_units_f32(op: LSTM, *specs: TensorSpec | None) -> Launch | str:
    """The gates of a vector of units together, in registers; two threads share a long sequence."""
    if op.input_forget or (len(specs) > 7 and specs[7] is not None):
        return "needs a forget gate, and no peepholes"
    return _units(op, specs, LSTM.GATES)


@tactic(GRU, kernel="cpu_gru_units_f32")
def gru_units_f32(op: GRU, *specs: TensorSpec | None) -> Launch | str:
    """The gates of a vector of units together, in registers; two threads share a long sequence."""
    if not op.linear_before_reset:
        return "needs the reset gate behind the product"
    return _units(op, specs, GRU.GATES)


def _words(op: Rounded, specs: tuple[TensorSpec | None, ...], units: Callable[..., Launch | str]) -> Launch | str:
    """What the tactic for float32 answers, with half the memory for weights."""
    launch = units(op.anchor, *specs)
    if isinstance(launch, str) or op.dtype is not bfloat16:
        return launch if isinstance(launch, str) else "needs a recurrent layer in bfloat16"
    packs = {}
    for index, pack in launch.pack.items():
        spec = specs[index]
        if spec is None or spec.dtype is not float32:
            return "needs weights of float32, which it rounds"
        k = spec.shape[2]
        assert isinstance(k, int)  # or there would be no launch
        packs[index] = Pack("cpu_pack_recurrent_units_bf16", pack.size // max(1, k) * -(-k // 2), pack.params)
    return replace(launch, pack=packs)


@tactic(Rounded, kernel="cpu_lstm_units_bf16")
def lstm_units_bf16(op: Rounded, *specs: TensorSpec | None) -> Launch | str:
    """As in float32, by weights of half the memory, which is what each step waits for."""
    if not isinstance(op.anchor, LSTM):
        return "needs an LSTM in bfloat16"
    return _words(op, specs, lstm_units_f32)


@tactic(Rounded, kernel="cpu_gru_units_bf16")
def gru_units_bf16(op: Rounded, *specs: TensorSpec | None) -> Launch | str:
    """As in float32, by weights of half the memory, which is what each step waits for."""
    if not isinstance(op.anchor, GRU):
        return "needs a GRU in bfloat16"
    return _words(op, specs, gru_units_f32)


@tactic(LSTM, kernel="cpu_lstm_f32")
def lstm_packed_f32(op: LSTM, *specs: TensorSpec | None) -> Launch | str:
    """Constant weights, packed when building."""
    return TOGETHER if _takes_units(lstm_units_f32(op, *specs), specs) else _launch(op, specs, op.input_forget, True)


@tactic(LSTM, kernel="cpu_lstm_f32")
def lstm_f32(op: LSTM, *specs: TensorSpec | None) -> Launch | str:
    """Weights that come at run time are packed at each call."""
    return _launch(op, specs, op.input_forget, False)


@tactic(GRU, kernel="cpu_gru_f32")
def gru_packed_f32(op: GRU, *specs: TensorSpec | None) -> Launch | str:
    """Constant weights, packed when building."""
    units = gru_units_f32(op, *specs)
    return TOGETHER if _takes_units(units, specs) else _launch(op, specs, op.linear_before_reset, True)


@tactic(GRU, kernel="cpu_gru_f32")
def gru_f32(op: GRU, *specs: TensorSpec | None) -> Launch | str:
    """Weights that come at run time are packed at each call."""
    return _launch(op, specs, op.linear_before_reset, False)


@tactic(RNN, kernel="cpu_rnn_f32")
def rnn_packed_f32(op: RNN, *specs: TensorSpec | None) -> Launch | str:
    """Constant weights, packed when building."""
    return _launch(op, specs, False, True)


@tactic(RNN, kernel="cpu_rnn_f32")
def rnn_f32(op: RNN, *specs: TensorSpec | None) -> Launch | str:
    """Weights that come at run time are packed at each call."""
    return _launch(op, specs, False, False)
