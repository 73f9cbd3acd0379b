"""LSTM with 8-bit weights whose inputs are quantized at run time (com.microsoft's DynamicQuantizeLSTM)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import NetworkError
from enginewright.ops.element_types import BYTES, check_same_type, check_type
from enginewright.ops.quantize import DynamicQuantizeLinear
from enginewright.ops.recurrent import (
    DIRECTIONS,
    LSTM,
    Recurrent,
    Step,
    halves,
    recurrent_attributes,
    zeros_or,
)
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32, int8, uint8

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::DynamicQuantizeLSTM")
class DynamicQuantizeLSTM(Recurrent):
    """LSTM with quantized weights: as lstm, but w [directions, inputs, 4 hidden], r [directions, hidden, 4 hidden].

    Scales and zero points have one number for each direction, or [directions, 4 hidden]. x is quantized as a whole to
    uint8 by its range, the hidden state of each sequence likewise at each step; products are summed in int32.
    """

    input_forget: bool = False

    GATES = 4
    DEFAULTS = ("Sigmoid", "Tanh", "Tanh")

    def infer(
        self,
        x: TensorSpec,
        w: TensorSpec,
        r: TensorSpec,
        w_scale: TensorSpec,
        w_zero_point: TensorSpec,
        r_scale: TensorSpec,
        r_zero_point: TensorSpec,
        b: TensorSpec | None = None,
        sequence_lens: TensorSpec | None = None,
        initial_h: TensorSpec | None = None,
        initial_c: TensorSpec | None = None,
        p: TensorSpec | None = None,
    ) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
        """y [time, directions, batch, hidden], y_h and y_c [directions, batch, hidden], float32."""
        if self.layout:
            raise NetworkError("layout 1 does not exist for quantized weights", hint="Transpose x.")
        check_type(x, (float32,), "input x")
        for weight, zero, scale, what in ((w, w_zero_point, w_scale, "w"), (r, r_zero_point, r_scale, "r")):
            check_type(weight, BYTES, f"input {what}")
            check_same_type(weight, zero)
            for vector in (zero, scale):
                same(vector.shape[0], weight.shape[0])
                if vector.rank == 2:
                    same(vector.shape[1], weight.shape[2])
        w_plain, r_plain = (TensorSpec(float32, (s.shape[0], s.shape[2], s.shape[1])) for s in (w, r))
        plain = LSTM(**{item.name: getattr(self, item.name) for item in fields(Recurrent)})
        return plain.infer(x, w_plain, r_plain, b, sequence_lens, initial_h, initial_c, p)

    def reference(
        self,
        x: Array,
        w: Array,
        r: Array,
        w_scale: Array,
        w_zero_point: Array,
        r_scale: Array,
        r_zero_point: Array,
        b: Array | None = None,
        sequence_lens: Array | None = None,
        initial_h: Array | None = None,
        initial_c: Array | None = None,
        p: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        """Integer products exactly, everything else in float32."""
        state = (w.shape[0], x.shape[1], r.shape[1])
        quantized, scale, zero = DynamicQuantizeLinear().reference(x)
        data = quantized.astype(np.float32) - np.float32(zero)
        begin = [zeros_or(initial_h, state, x.dtype), zeros_or(initial_c, state, x.dtype)]
        steps = []
        for d in range(self.directions):
            inputs = _centered(w[d], w_zero_point[d]), scale * w_scale[d]
            hidden = _centered(r[d], r_zero_point[d]), r_scale[d]
            peepholes = np.zeros(3 * r.shape[1], x.dtype) if p is None else p[d]
            steps.append(self._step(d, (inputs, hidden), sum(halves(b, d, w.shape[2], x.dtype)), peepholes))
        y, (h, c) = self.run(data, sequence_lens, begin, steps)
        return y, h, c

    def _step(
        self, direction: int, weights: tuple[tuple[Array, Array], tuple[Array, Array]], bias: Any, peepholes: Array
    ) -> Step:
        f, g, h = self.functions()[direction]
        peep_i, peep_o, peep_f = np.split(peepholes, 3)
        (w, w_scale), (r, r_scale) = weights

        def step(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
            hidden, cell = states
            rows = [DynamicQuantizeLinear().reference(row) for row in hidden]
            small = np.stack([row.astype(np.float64) - float(zero) for row, _, zero in rows])
            scales = np.array([[scale] for _, scale, _ in rows], np.float32)
            total = (x.astype(np.float64) @ w).astype(np.float32) * w_scale
            total = total + (small @ r).astype(np.float32) * (scales * r_scale)
            i, o, forget, c = np.split(total + bias, 4, axis=-1)
            i = f(self.clipped(i + peep_i * cell))
            forget = 1 - i if self.input_forget else f(self.clipped(forget + peep_f * cell))
            cell = forget * cell + i * g(self.clipped(c))
            return f(self.clipped(o + peep_o * cell)) * h(cell), cell

        return step

    @staticmethod
    def examples() -> Iterator[tuple[DynamicQuantizeLSTM, list[TensorSpec | Array | None]]]:
        """Each direction, both weight types, scales for all or for each column."""
        for direction in DIRECTIONS:
            count = 2 if direction == "bidirectional" else 1
            for time, batch, inputs, hidden in ((3, 2, 5, 7), (1, 1, 1, 1), (6, 1, 33, 32)):
                op = DynamicQuantizeLSTM(direction=direction)
                x, state = TensorSpec(float32, (time, batch, inputs)), TensorSpec(float32, (count, batch, hidden))
                b = TensorSpec(float32, (count, 8 * hidden))
                for kind, wide in ((int8, False), (uint8, False), (int8, True)):
                    shape = (count, 4 * hidden) if wide else (count,)
                    zero, scale = np.full(shape, 3).astype(kind.numpy), np.full(shape, 0.02, np.float32)
                    w, r = TensorSpec(kind, (count, inputs, 4 * hidden)), TensorSpec(kind, (count, hidden, 4 * hidden))
                    yield op, [x, w, r, scale, zero, scale, zero, b, None, state, state, None]
                lengths = np.maximum(time - np.arange(batch), 1).astype(np.int32)
                yield op, [x, w, r, scale, zero, scale, zero, None, lengths, None, None, None]


def _centered(weight: Array, zero: Array) -> Array:
    return weight.astype(np.float64) - zero.astype(np.float64)


@onnx_rule("com.microsoft::DynamicQuantizeLSTM", since=1)
def dynamic_quantize_lstm(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """Scales and zero points stand behind the inputs that are left out."""
    x, w, r = (node.input(index) for index in range(3))
    w_scale, w_zero, r_scale, r_zero = (node.input(index) for index in range(8, 12))
    optional = (node.optional(index) for index in range(3, 8))
    attributes = recurrent_attributes(node) | {"input_forget": bool(node.integer("input_forget", 0))}
    return net.dynamic_quantize_lstm(x, w, r, w_scale, w_zero, r_scale, r_zero, *optional, **attributes)
