"""Control flow: If and Loop, whose branches and bodies are nested networks; Scan is imported as a Loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enginewright.dims import Atom, Dim, Size, collect_checks, dim_max, substitute
from enginewright.errors import DataTypeError, NetworkError, ShapeError
from enginewright.ops.element_types import check_type
from enginewright.ops.refusal import Refusal
from enginewright.registry.registry import operator
from enginewright.tensors import ItemSpec, Shape, TensorSpec, Value, bool_, int32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network

Array = np.ndarray[Any, Any]


def outward(network: Network, first: int, captures: Sequence[TensorSpec | None]) -> Callable[[Size], Size | None]:
    """How sizes of a nested network are said outside: a function that gives None for those that have no meaning there.

    Inputs from `first` on are the captures; reads of their contents become reads of the captured tensors. Reads of
    other tensors inside, and named dimensions that formal inputs introduce, can't leave.
    """
    inner = {tensor.spec.uid for tensor in network.inputs}
    inner |= {tensor.spec.uid for layer in network.layers for tensor in layer.outputs}
    pairs = zip(network.inputs[first:], captures, strict=True)
    known = {inside.spec.uid: outside.uid for inside, outside in pairs if outside is not None}
    hidden = {atom for tensor in network.inputs[:first] for size in tensor.shape for atom in _local_symbols(size)}

    def leave(size: Size) -> Size | None:
        stuck: list[Atom] = []

        def lookup(atom: Atom) -> Size | None:
            if atom.kind in ("value", "data"):
                if atom.args[0] in known:
                    return Dim.from_terms({(replace(atom, args=(known[atom.args[0]], *atom.args[1:])),): 1})
                if atom.args[0] in inner:
                    stuck.append(atom)
            elif atom in hidden:
                stuck.append(atom)
            return None

        with collect_checks():  # broadcast sizes are checked inside already
            found = substitute(size, lookup)
        return None if stuck else found

    return leave


def _local_symbols(size: Size) -> Iterator[Atom]:
    """The named dimensions that `loop_size` made."""
    for atom in size.atoms if isinstance(size, Dim) else ():
        if atom.kind == "symbol" and str(atom.args[0]).startswith(LOCAL):
            yield atom


LOCAL = "loop "


def loop_size(loop: str, carried: int, axis: int) -> Dim:
    """The name of a size that changes from iteration to iteration."""
    return Dim(f"{LOCAL}{loop}.carried{carried}.axis{axis}")


def _run(network: Network, arrays: Sequence[Array | None]) -> tuple[Array, ...]:
    pairs = zip(network.inputs, arrays, strict=True)
    return tuple(network.evaluate({t.name: array for t, array in pairs if array is not None}).values())


@operator("ew::If")
class If:
    """The outputs of `then_branch` where cond (one bool) is true, else those of `else_branch`.

    Both networks have the captured tensors as inputs, in the same order, and as many outputs, of the same types and
    numbers of axes.
    """

    CONTAINERS: ClassVar[bool] = True

    then_branch: Network
    else_branch: Network

    def infer(self, cond: TensorSpec, *captures: TensorSpec | None) -> tuple[TensorSpec, ...]:
        """Sizes on which the branches agree are kept; the others are known after the branch has run."""
        check_type(cond, (bool_,), "the condition")
        for branch in (self.then_branch, self.else_branch):
            if len(branch.inputs) != len(captures):
                raise NetworkError(
                    f"a branch has {len(branch.inputs)} inputs, {len(captures)} tensors are captured",
                    hint="Both branches take all captured tensors, in the same order.",
                )
        if len(self.then_branch.outputs) != len(self.else_branch.outputs):
            raise NetworkError("the branches have different numbers of outputs", hint="They must have the same.")
        # A branch that refuses gives nothing, so what the other one gives is all that can come.
        then_branch = self.else_branch if _refuses(self.then_branch) else self.then_branch
        else_branch = self.then_branch if _refuses(self.else_branch) else self.else_branch
        ways = (outward(then_branch, 0, captures), outward(else_branch, 0, captures))
        pairs = zip(then_branch.outputs, else_branch.outputs, strict=True)
        with collect_checks():  # what must agree in a branch is checked there, if it runs
            return tuple(_merge(a.spec, b.spec, ways) for (_, a), (_, b) in pairs)

    def reference(self, cond: Array, *captures: Array | None) -> tuple[Array, ...]:
        """Runs the references of one branch."""
        branch = self.then_branch if bool(np.asarray(cond).reshape(())) else self.else_branch
        return _run(branch, captures)

    @staticmethod
    def examples() -> Iterator[tuple[If, list[TensorSpec | Array | None]]]:
        """None: the operator needs networks, which tests/sdk/ops/test_control.py builds."""
        return iter(())


def _refuses(branch: Network) -> bool:
    return any(isinstance(layer.op, Refusal) for layer in branch.layers)


def _merge(a: TensorSpec, b: TensorSpec, ways: tuple[Callable[[Size], Size | None], ...]) -> TensorSpec:
    if a.dtype != b.dtype:
        raise DataTypeError(f"the branches give {a.dtype} and {b.dtype}", hint="They must give the same type.")
    if a.rank != b.rank:
        raise ShapeError(
            f"the branches give {a.rank} and {b.rank} axes", hint="Make the condition a constant, or the ranks equal."
        )
    pairs = [(ways[0](left), ways[1](right)) for left, right in zip(a.shape, b.shape, strict=True)]
    value = _leaving(a.value, ways[0])
    return TensorSpec(
        a.dtype,
        tuple(_merge_sizes(left, right) for left, right in pairs),
        value if value is not None and value == _leaving(b.value, ways[1]) else None,
        items=join_items(a.items, b.items),
    )


def join_items(a: ItemSpec | None, b: ItemSpec | None) -> ItemSpec | None:
    """What a sequence holds that is one or the other; None of tensors."""
    return None if a is None or b is None else a.join(b)


def _merge_sizes(a: Size | None, b: Size | None) -> Size:
    if a is None or b is None:
        return Dim.data()
    return a if a == b else Dim.data(dim_max(a, b))


def _leaving(value: Value | None, leave: Callable[[Size], Size | None]) -> Value | None:
    if value is None:
        return None
    found = tuple(leave(item) if isinstance(item, Dim) else item for item in value)
    kept = tuple(item for item in found if item is not None)
    return kept if len(kept) == len(found) else None


@operator("ew::Loop")
class Loop:
    """Runs `body` up to trip_count times, as long as its condition holds; both may be left out.

    Inputs: trip_count (one int64), cond (one bool), `n_carried` initial values, captured tensors. Inputs of the body:
    iteration (int64), condition (bool), carried values, captured tensors; its outputs: condition, carried values,
    `n_scan` values that are stacked over all iterations. Outputs: last carried values, stacked values.
    """

    CONTAINERS: ClassVar[bool] = True

    body: Network
    n_carried: int
    n_scan: int = 0

    def infer(
        self, trip_count: TensorSpec | None = None, cond: TensorSpec | None = None, *values: TensorSpec | None
    ) -> tuple[TensorSpec, ...]:
        """Carried sizes that the body keeps are kept; the number of iterations is known if nothing can end it early."""
        if trip_count is not None:
            check_type(trip_count, (int64, int32), "trip_count")
        if cond is not None:
            check_type(cond, (bool_,), "the condition")
        self._check(values)
        leave = outward(self.body, 2 + self.n_carried, values[self.n_carried :])
        outputs = [tensor.spec for _, tensor in self.body.outputs[1:]]
        carried = [
            self._carried(initial, self.body.inputs[2 + index].spec, outputs[index])
            for index, initial in enumerate(values[: self.n_carried])
        ]
        count = self._count(trip_count, cond)
        with collect_checks():  # what must agree in an iteration is checked there
            return (*carried, *(_stacked(spec, count, leave) for spec in outputs[self.n_carried :]))

    def _check(self, values: Sequence[TensorSpec | None]) -> None:
        expected = 2 + len(values), 1 + self.n_carried + self.n_scan
        if (len(self.body.inputs), len(self.body.outputs)) != expected:
            raise NetworkError(
                f"the body has {len(self.body.inputs)} inputs and {len(self.body.outputs)} outputs",
                hint=f"These inputs need a body with {expected[0]} inputs and {expected[1]} outputs.",
            )

    def _carried(self, initial: TensorSpec | None, inside: TensorSpec, after: TensorSpec) -> TensorSpec:
        if initial is None or not initial.dtype == inside.dtype == after.dtype:
            raise DataTypeError("a carried value changes its type in the body", hint="Cast it back in the body.")
        if not initial.rank == inside.rank == after.rank:
            raise ShapeError("a carried value changes its number of axes in the body", hint="Reshape it in the body.")
        sizes = zip(initial.shape, inside.shape, after.shape, strict=True)
        open_sizes = tuple(a if a == b == c else Dim.data() for a, b, c in sizes)
        return TensorSpec(initial.dtype, open_sizes, items=join_items(inside.items, after.items))

    def _count(self, trip_count: TensorSpec | None, cond: TensorSpec | None) -> Size | None:
        """The number of iterations, None if it is known only after the loop has run."""
        if trip_count is None or trip_count.value is None or not self.runs_to_the_end(cond):
            return None
        elements = trip_count.elements()
        return dim_max(elements[0], 0) if elements else None

    def runs_to_the_end(self, cond: TensorSpec | None) -> bool:
        """Whether no condition can end the loop before trip_count is reached."""
        if cond is not None and cond.constants() != (1,):
            return False
        after = self.body.outputs[0][1]
        while after.producer is not None and after.producer.kind == "Identity" and after.producer.inputs[0]:
            after = after.producer.inputs[0]
        return after is self.body.inputs[1] or after.spec.constants() == (1,)

    def reference(
        self, trip_count: Array | None = None, cond: Array | None = None, *values: Array | None
    ) -> tuple[Array, ...]:
        """Runs the references of the body; stacked outputs of no iteration have the body's sizes, 0 where unknown."""
        state: list[Array | None] = list(values[: self.n_carried])
        captures = values[self.n_carried :]
        going = np.asarray(True if cond is None else bool(cond.reshape(())))
        limit = None if trip_count is None else int(trip_count.reshape(()))
        rows: list[tuple[Array, ...]] = []
        iteration = 0
        while bool(going) and (limit is None or iteration < limit):
            found = _run(self.body, (np.asarray(iteration, np.int64), going, *state, *captures))
            going, state = found[0].reshape(()), list(found[1 : 1 + self.n_carried])
            rows.append(found[1 + self.n_carried :])
            iteration += 1
        final = [item for item in state if item is not None]
        return (*final, *(self._stack(rows, index) for index in range(self.n_scan)))

    def _stack(self, rows: list[tuple[Array, ...]], index: int) -> Array:
        if rows:
            return np.stack([row[index] for row in rows])
        spec = self.body.outputs[1 + self.n_carried + index][1].spec
        return np.zeros((0, *(size if isinstance(size, int) else 0 for size in spec.shape)), spec.dtype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[Loop, list[TensorSpec | Array | None]]]:
        """None: the operator needs a network, which tests/sdk/ops/test_control.py builds."""
        return iter(())


def _stacked(spec: TensorSpec, count: Size | None, leave: Callable[[Size], Size | None]) -> TensorSpec:
    sizes = [leave(size) for size in spec.shape]
    rest: Shape = tuple(Dim.data() if size is None else size for size in sizes)
    return TensorSpec(spec.dtype, (Dim.data() if count is None else count, *rest))
