"""Recurrent layers: LSTM, GRU and the plain RNN, in one or both directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enginewright.dims import Size, same
from enginewright.errors import NetworkError, ShapeError
from enginewright.ops.element_types import FLOATS, check_same_type, check_type, widen
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import Shape, TensorSpec, float32, int32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]
Step = Callable[[Array, tuple[Array, ...]], tuple[Array, ...]]
DIRECTIONS = ("forward", "reverse", "bidirectional")


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1), x.dtype)


# Each activation by ONNX name: its function of (x, alpha, beta), and the defaults of those that it uses.
ACTIVATIONS: dict[str, tuple[Callable[[Array, float, float], Array], tuple[float, ...]]] = {
    "Relu": (lambda x, a, b: np.maximum(x, 0), ()),
    "Tanh": (lambda x, a, b: np.tanh(x), ()),
    "Sigmoid": (lambda x, a, b: sigmoid(x), ()),
    "Softsign": (lambda x, a, b: x / (1 + np.abs(x)), ()),
    "Softplus": (lambda x, a, b: np.logaddexp(x, 0), ()),
    "LeakyRelu": (lambda x, a, b: np.where(x < 0, a * x, x), (0.01,)),
    "ThresholdedRelu": (lambda x, a, b: np.where(x > a, x, 0), (1.0,)),
    "Elu": (lambda x, a, b: np.where(x < 0, a * np.expm1(x), x), (1.0,)),
    "Affine": (lambda x, a, b: a * x + b, (1.0, 0.0)),
    "ScaledTanh": (lambda x, a, b: a * np.tanh(b * x), (1.0, 1.0)),
    "HardSigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), (0.2, 0.5)),
}


@dataclass(frozen=True)
class Activation:
    """One activation function with its two constants (not all use them)."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    def __call__(self, x: Array) -> Array:
        """Apply it, in the type of x."""
        return np.asarray(ACTIVATIONS[self.name][0](x, self.alpha, self.beta), x.dtype)


@dataclass(frozen=True)
class Recurrent:
    """The attributes that recurrent layers share.

    `direction`: forward, reverse or bidirectional. `layout` 1 puts the batch first in x, y and the states.
    `activations`: names, for each direction all of them; `activation_alpha` and `activation_beta` are used up in order
    by those that have such a constant. `clip`: gates are cut to [-clip, clip] before activation; 0: not.
    """

    direction: str = "forward"
    layout: int = 0
    activations: tuple[str, ...] = ()
    activation_alpha: tuple[float, ...] = ()
    activation_beta: tuple[float, ...] = ()
    clip: float = 0.0

    GATES: ClassVar[int] = 1
    DEFAULTS: ClassVar[tuple[str, ...]] = ("Tanh",)

    @property
    def directions(self) -> int:
        """2 where bidirectional, else 1."""
        if self.direction not in DIRECTIONS:
            raise NetworkError(f'direction is "{self.direction}"', hint=f"Use one of {', '.join(DIRECTIONS)}.")
        return 2 if self.direction == "bidirectional" else 1

    def functions(self) -> tuple[tuple[Activation, ...], ...]:
        """The activation functions of each direction, constants filled in."""
        names = self.activations or self.DEFAULTS * self.directions
        count = len(self.DEFAULTS)
        canonical = {name.lower(): name for name in ACTIVATIONS}
        if len(names) != count * self.directions or any(name.lower() not in canonical for name in names):
            raise NetworkError(
                f"activations are {', '.join(names)}",
                hint=f"Give {count} for each direction, from {', '.join(ACTIVATIONS)}.",
            )
        alphas, betas = iter(self.activation_alpha), iter(self.activation_beta)
        found = []
        for name in (canonical[name.lower()] for name in names):
            defaults = ACTIVATIONS[name][1]
            alpha = next(alphas, defaults[0]) if defaults else 0.0
            found.append(Activation(name, alpha, next(betas, defaults[1]) if len(defaults) > 1 else 0.0))
        return tuple(tuple(found[at : at + count]) for at in range(0, len(found), count))

    def shapes(self, x: TensorSpec, w: TensorSpec, r: TensorSpec) -> tuple[Shape, Shape, Size]:
        """Shapes of y and of a state, and the hidden size; checks the weights."""
        for spec, what, axes in ((x, "x", 3), (w, "w", 3), (r, "r", 3)):
            if spec.rank != axes:
                raise ShapeError(f"input {what} has {spec.rank} axes", hint=f"It has {axes} axes.")
        hidden, directions = r.shape[2], self.directions
        time, batch = (x.shape[1], x.shape[0]) if self.layout else (x.shape[0], x.shape[1])
        for spec in (w, r):
            same(spec.shape[0], directions)
            same(spec.shape[1], hidden * self.GATES)
        same(w.shape[2], x.shape[2])
        if self.layout:
            return (batch, time, directions, hidden), (batch, directions, hidden), hidden
        return (time, directions, batch, hidden), (directions, batch, hidden), hidden

    def check(self, x: TensorSpec, *others: TensorSpec | None, lengths: TensorSpec | None) -> None:
        """Check the element types."""
        check_same_type(x, *others)
        check_type(x, FLOATS, "input x")
        if lengths is not None:
            check_type(lengths, (int32,), "sequence_lens")
        self.functions()

    def clipped(self, gate: Array) -> Array:
        """A gate cut to the range that `clip` allows."""
        return np.clip(gate, -self.clip, self.clip) if self.clip else gate

    def run(
        self, x: Array, lengths: Array | None, states: list[Array], steps: list[Step]
    ) -> tuple[Array, tuple[Array, ...]]:
        """Run one step function for each direction over time; gives y and the final states, in this layout."""
        data = np.swapaxes(x, 0, 1) if self.layout else x
        begin = [np.swapaxes(state, 0, 1) if self.layout else state for state in states]
        many = np.full(data.shape[1], data.shape[0]) if lengths is None else lengths
        ys, ends = [], []
        for number, step in enumerate(steps):
            backward = self.direction == "reverse" or number == 1
            y, end = _unroll(step, data, many, tuple(state[number] for state in begin), backward=backward)
            ys.append(y)
            ends.append(end)
        y = np.stack(ys, axis=1)
        finals = tuple(np.stack(parts) for parts in zip(*ends, strict=True))
        if self.layout:
            return y.transpose(2, 0, 1, 3), tuple(np.swapaxes(final, 0, 1) for final in finals)
        return y, finals


def _unroll(
    step: Step, x: Array, lengths: Array, states: tuple[Array, ...], *, backward: bool
) -> tuple[Array, tuple[Array, ...]]:
    """One direction: y [time, batch, hidden] (zeros past the end of a sequence) and the states where each ended."""
    y = np.zeros((*x.shape[:2], states[0].shape[-1]), x.dtype)
    for time in reversed(range(x.shape[0])) if backward else range(x.shape[0]):
        active = (time < lengths)[:, None]
        states = tuple(np.where(active, new, old) for new, old in zip(step(x[time], states), states, strict=True))
        y[time] = np.where(active, states[0], 0)
    return y, states


def zeros_or(state: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An initial state: what is given, else zeros."""
    return np.zeros(shape, dtype) if state is None else widen(state)


def halves(b: Array | None, direction: int, size: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """The biases of the input and of the recurrence for one direction; zeros where there are none."""
    if b is None:
        return np.zeros(size, dtype), np.zeros(size, dtype)
    return widen(b)[direction, :size], widen(b)[direction, size:]


def _check_bias(b: TensorSpec | None, directions: int, size: Size) -> None:
    if b is not None:
        check_shape(b, (directions, size), "b")


def check_shape(spec: TensorSpec | None, shape: Shape, what: str) -> None:
    """Check the shape of an optional input, which messages call `what`."""
    if spec is None:
        return
    if spec.rank != len(shape):
        raise ShapeError(f"input {what} has {spec.rank} axes", hint=f"It has {len(shape)} axes.")
    for size, wanted in zip(spec.shape, shape, strict=True):
        same(size, wanted)


@operator("ew::LSTM")
class LSTM(Recurrent):
    """Long short-term memory: y [time, directions, batch, hidden], and last y_h and y_c [directions, batch, hidden].

    x [time, batch, inputs], w [directions, 4 hidden, inputs], r [directions, 4 hidden, hidden], b [directions, 8
    hidden], gates in the order input, output, forget, cell; p [directions, 3 hidden]: peepholes input, output, forget.
    """

    input_forget: bool = False

    GATES = 4
    DEFAULTS = ("Sigmoid", "Tanh", "Tanh")

    def infer(
        self,
        x: TensorSpec,
        w: TensorSpec,
        r: TensorSpec,
        b: TensorSpec | None = None,
        sequence_lens: TensorSpec | None = None,
        initial_h: TensorSpec | None = None,
        initial_c: TensorSpec | None = None,
        p: TensorSpec | None = None,
    ) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
        """All outputs have the type of x."""
        self.check(x, w, r, b, initial_h, initial_c, p, lengths=sequence_lens)
        y, state, hidden = self.shapes(x, w, r)
        _check_bias(b, self.directions, hidden * 8)
        check_shape(p, (self.directions, hidden * 3), "p")
        check_shape(initial_h, state, "initial_h")
        check_shape(initial_c, state, "initial_c")
        check_shape(sequence_lens, (x.shape[1 - self.layout],), "sequence_lens")
        return TensorSpec(x.dtype, y), TensorSpec(x.dtype, state), TensorSpec(x.dtype, state)

    def reference(
        self,
        x: Array,
        w: Array,
        r: Array,
        b: Array | None = None,
        sequence_lens: Array | None = None,
        initial_h: Array | None = None,
        initial_c: Array | None = None,
        p: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        """Step by step; 16-bit floats in float32."""
        state = (x.shape[0], w.shape[0], r.shape[2]) if self.layout else (w.shape[0], x.shape[1], r.shape[2])
        wide = widen(x)
        begin = [zeros_or(initial_h, state, wide.dtype), zeros_or(initial_c, state, wide.dtype)]
        steps = [
            self._step(
                d, widen(w)[d], widen(r)[d], halves(b, d, w.shape[1], wide.dtype), None if p is None else widen(p)[d]
            )
            for d in range(self.directions)
        ]
        y, (h, c) = self.run(wide, sequence_lens, begin, steps)
        return y.astype(x.dtype), h.astype(x.dtype), c.astype(x.dtype)

    def _step(self, direction: int, w: Array, r: Array, bias: tuple[Array, Array], p: Array | None) -> Step:
        f, g, h = self.functions()[direction]
        peep_i, peep_o, peep_f = np.split(np.zeros(3 * r.shape[1], w.dtype) if p is None else p, 3)

        def step(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
            hidden, cell = states
            i, o, forget, c = np.split(x @ w.T + hidden @ r.T + bias[0] + bias[1], 4, axis=-1)
            i = f(self.clipped(i + peep_i * cell))
            forget = 1 - i if self.input_forget else f(self.clipped(forget + peep_f * cell))
            cell = forget * cell + i * g(self.clipped(c))
            return f(self.clipped(o + peep_o * cell)) * h(cell), cell

        return step

    @staticmethod
    def examples() -> Iterator[tuple[LSTM, list[TensorSpec | Array | None]]]:
        """Each direction and layout, lengths, states, peepholes, activations."""
        for op, sizes in recurrent_examples(LSTM):
            x, w, r, b, lengths, state = sizes
            yield op, [x, w, r, b, lengths, state, state, None]
            yield op, [x, w, r, None, None, None, None, None]
            yield op, [x, w, r, b, None, state, state, None]
        x, w, r, b, lengths, state = next(iter(recurrent_examples(LSTM)))[1]
        yield LSTM(), [x, w, r, b, None, state, state, TensorSpec(float32, (1, 3 * _last(r)))]
        yield LSTM(input_forget=True, clip=0.5), [x, w, r, b, None, None, None, None]
        relu = LSTM(activations=("HardSigmoid", "Relu", "Affine"), activation_alpha=(0.3, 0.5), activation_beta=(0.4,))
        yield relu, [x, w, r, b, None, None, None, None]


class _OneState(Recurrent, ABC):
    """GRU and RNN: what they carry from step to step is what they give; `_step` says how it changes."""

    def infer(
        self,
        x: TensorSpec,
        w: TensorSpec,
        r: TensorSpec,
        b: TensorSpec | None = None,
        sequence_lens: TensorSpec | None = None,
        initial_h: TensorSpec | None = None,
    ) -> tuple[TensorSpec, TensorSpec]:
        """All outputs have the type of x."""
        self.check(x, w, r, b, initial_h, lengths=sequence_lens)
        y, state, hidden = self.shapes(x, w, r)
        _check_bias(b, self.directions, hidden * 2 * self.GATES)
        check_shape(initial_h, state, "initial_h")
        check_shape(sequence_lens, (x.shape[1 - self.layout],), "sequence_lens")
        return TensorSpec(x.dtype, y), TensorSpec(x.dtype, state)

    def reference(
        self,
        x: Array,
        w: Array,
        r: Array,
        b: Array | None = None,
        sequence_lens: Array | None = None,
        initial_h: Array | None = None,
    ) -> tuple[Array, Array]:
        """Step by step; 16-bit floats in float32."""
        state = (x.shape[0], w.shape[0], r.shape[2]) if self.layout else (w.shape[0], x.shape[1], r.shape[2])
        wide = widen(x)
        steps = [
            self._step(d, widen(w)[d], widen(r)[d], halves(b, d, w.shape[1], wide.dtype))
            for d in range(self.directions)
        ]
        y, (h,) = self.run(wide, sequence_lens, [zeros_or(initial_h, state, wide.dtype)], steps)
        return y.astype(x.dtype), h.astype(x.dtype)

    @abstractmethod
    def _step(self, direction: int, w: Array, r: Array, bias: tuple[Array, Array]) -> Step:
        """The step function of one direction, from its weights and the biases of input and recurrence."""


@operator("ew::GRU")
class GRU(_OneState):
    """Gated recurrent unit: y [time, directions, batch, hidden] and the last y_h [directions, batch, hidden].

    x [time, batch, inputs], w [directions, 3 hidden, inputs], r [directions, 3 hidden, hidden], b [directions, 6
    hidden], gates in the order update, reset, hidden. `linear_before_reset` multiplies by the reset gate after r.
    """

    linear_before_reset: bool = False

    GATES = 3
    DEFAULTS = ("Sigmoid", "Tanh")

    def _step(self, direction: int, w: Array, r: Array, bias: tuple[Array, Array]) -> Step:
        f, g = self.functions()[direction]
        n = r.shape[1]

        def step(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
            (hidden,) = states
            given = x @ w.T + bias[0]
            gates = given[:, : 2 * n] + hidden @ r[: 2 * n].T + bias[1][: 2 * n]
            update, reset = f(self.clipped(gates[:, :n])), f(self.clipped(gates[:, n:]))
            if self.linear_before_reset:
                back = reset * (hidden @ r[2 * n :].T + bias[1][2 * n :])
            else:
                back = (reset * hidden) @ r[2 * n :].T + bias[1][2 * n :]
            return ((1 - update) * g(self.clipped(given[:, 2 * n :] + back)) + update * hidden,)

        return step

    @staticmethod
    def examples() -> Iterator[tuple[GRU, list[TensorSpec | Array | None]]]:
        """Each direction and layout, lengths, states, both reset forms."""
        for op, sizes in recurrent_examples(GRU):
            yield op, sizes
            after = GRU(direction=op.direction, layout=op.layout, linear_before_reset=True)
            yield after, sizes
            yield after, [*sizes[:4], None, sizes[5]]
            yield op, [*sizes[:3], None, None, None]


@operator("ew::RNN")
class RNN(_OneState):
    """Plain recurrence h = tanh(x w' + h r' + b): y [time, directions, batch, hidden] and the last y_h.

    x [time, batch, inputs], w [directions, hidden, inputs], r [directions, hidden, hidden], b [directions, 2 hidden].
    """

    def _step(self, direction: int, w: Array, r: Array, bias: tuple[Array, Array]) -> Step:
        (f,) = self.functions()[direction]

        def step(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
            return (f(self.clipped(x @ w.T + states[0] @ r.T + bias[0] + bias[1])),)

        return step

    @staticmethod
    def examples() -> Iterator[tuple[RNN, list[TensorSpec | Array | None]]]:
        """Each direction and layout, lengths, states."""
        for op, sizes in recurrent_examples(RNN):
            yield op, sizes
            yield op, [*sizes[:3], None, None, None]


def _last(spec: TensorSpec | Array | None) -> Size:
    assert isinstance(spec, TensorSpec)
    return spec.shape[-1]


def recurrent_examples(cls: type[Any]) -> Iterator[tuple[Any, list[TensorSpec | Array | None]]]:
    """Operators with x, w, r, b, sequence_lens and a state, for small odd sizes.

    Few steps where the state is large: with random weights the recurrence is chaotic, so that errors of one ulp grow.
    """
    for direction in DIRECTIONS:
        for layout in (0, 1):
            for time, batch, inputs, hidden in (
                (3, 2, 5, 7),
                (1, 1, 1, 1),
                (2, 1, 33, 32),
                (5, 3, 16, 19),
                (4, 19, 6, 5),
            ):
                count = 2 if direction == "bidirectional" else 1
                gates = cls.GATES * hidden
                shapes: list[Shape] = [
                    (batch, time, inputs) if layout else (time, batch, inputs),
                    (count, gates, inputs),
                    (count, gates, hidden),
                    (count, 2 * gates),
                    (batch, count, hidden) if layout else (count, batch, hidden),
                ]
                x, w, r, b, state = (TensorSpec(float32, shape) for shape in shapes)
                lengths = np.maximum(time - np.arange(batch), 1).astype(np.int32)
                yield cls(direction=direction, layout=layout), [x, w, r, b, lengths, state]


def recurrent_attributes(node: OnnxNode) -> dict[str, Any]:
    """The attributes that all recurrent nodes share; the hidden size is that of the weights."""
    return {
        "direction": node.text("direction", "forward"),
        "layout": node.integer("layout", 0),
        "activations": node.texts("activations", ()),
        "activation_alpha": node.numbers("activation_alpha", ()),
        "activation_beta": node.numbers("activation_beta", ()),
        "clip": node.number("clip", 0.0),
    }


@onnx_rule("ai.onnx::LSTM", since=7)
def lstm(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """layout since 14."""
    required = [node.input(index) for index in range(3)]
    optional = [node.optional(index) for index in range(3, 8)]
    coupled = bool(node.integer("input_forget", 0))
    return net.lstm(*required, *optional, input_forget=coupled, **recurrent_attributes(node))


@onnx_rule("ai.onnx::GRU", since=7)
def gru(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """layout since 14."""
    required = [node.input(index) for index in range(3)]
    optional = [node.optional(index) for index in range(3, 6)]
    linear = bool(node.integer("linear_before_reset", 0))
    return net.gru(*required, *optional, linear_before_reset=linear, **recurrent_attributes(node))


@onnx_rule("ai.onnx::RNN", since=7)
def rnn(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """layout since 14."""
    required = [node.input(index) for index in range(3)]
    optional = [node.optional(index) for index in range(3, 6)]
    return net.rnn(*required, *optional, **recurrent_attributes(node))
