"""Says whether two networks are the same: layers, wiring, fields, names, sizes and constants, nested ones included."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from enginewright.dims import Atom, Dim
from enginewright.graph.network import Network, Tensor
from enginewright.tensors import TensorSpec


class Comparison:
    """Compares two networks; sizes that read tensors are the same if these are."""

    def __init__(self) -> None:
        self.uids: dict[int, int] = {}

    def networks(self, a: Network, b: Network) -> None:
        """Fail with the first difference."""
        assert a.name == b.name
        assert [name for name, _ in a.outputs] == [name for name, _ in b.outputs]
        assert [layer.name for layer in a.layers] == [layer.name for layer in b.layers]
        known: dict[Tensor, Tensor] = {}
        self.tensors(a.inputs, b.inputs, known)
        for left, right in zip(a.layers, b.layers, strict=True):
            assert left.key == right.key
            assert left.sources == right.sources
            self.tensors(left.inputs, right.inputs, known)
            for item in fields(left.op):
                self.values(getattr(left.op, item.name), getattr(right.op, item.name))
            self.tensors(left.outputs, right.outputs, known)
            checks = [[(c.kind, c.a, c.b) for c in layer.checks] for layer in (left, right)]
            self.values(tuple(checks[0]), tuple(checks[1]))
        self.tensors([tensor for _, tensor in a.outputs], [tensor for _, tensor in b.outputs], known)

    def tensors(self, a: list[Any], b: list[Any], known: dict[Tensor, Tensor]) -> None:
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            if left is None or left in known:
                assert (None if left is None else known[left]) is right
                continue
            known[left] = right
            self.uids[left.spec.uid] = right.spec.uid
            assert left.name == right.name
            self.specs(left.spec, right.spec)
            assert (left.const is None) == (right.const is None)
            if left.const is not None:
                assert np.asarray(left.const).dtype == right.const.dtype
                assert np.asarray(left.const).shape == right.const.shape
                assert np.asarray(left.const).tolist() == right.const.tolist() or np.isnan(left.const).any()

    def specs(self, a: TensorSpec, b: TensorSpec) -> None:
        assert (a.dtype, a.constant) == (b.dtype, b.constant)
        self.values(a.shape, b.shape)
        self.values(a.value, b.value)

    def values(self, a: Any, b: Any) -> None:
        """Compare values and their types."""
        assert type(a) is type(b), (a, b)
        if isinstance(a, Network):
            self.networks(a, b)
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
        elif isinstance(a, Dim):
            self.values(self.terms(a), self.terms(b))
        elif isinstance(a, Atom):
            args = (self.uids.get(a.args[0], -1), *a.args[1:]) if a.kind in ("value", "data") else a.args  # type: ignore[call-overload]
            self.values((a.kind, args), (b.kind, b.args))
        elif is_dataclass(a):
            for item in fields(a):
                self.values(getattr(a, item.name), getattr(b, item.name))
        elif isinstance(a, tuple | list):
            assert len(a) == len(b)
            for left, right in zip(a, b, strict=True):
                self.values(left, right)
        else:
            assert a == b or (a != a and b != b), (a, b)

    @staticmethod
    def terms(size: Dim) -> tuple[Any, ...]:
        return tuple((factor, monomial) for monomial, factor in size.terms)


def assert_same(a: Network, b: Network) -> None:
    """Fail with the first difference between two networks."""
    Comparison().networks(a, b)
