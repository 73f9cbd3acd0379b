"""Layers are described alike exactly where they run alike."""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler import timing_key
from enginewright.compiler.timing_key import describe, describe_network
from enginewright.ops.control import If
from enginewright.ops.conv import Conv
from enginewright.plan.timing_entries import TimingDescription
from enginewright.registry.discovery import Source
from enginewright.registry.registry import Key, registry
from enginewright.tensors import TensorSpec

SPEC = TensorSpec(ew.float32, (1, 3, 8, 8))
WEIGHT = TensorSpec(ew.float32, (4, 3, 3, 3), constant=True)
DEVICE = {"model": "some CPU", "threads": "2"}


def layer(**fields: Any) -> ew.Layer:
    return ew.Layer("a", Conv(**fields), [])


def described(specs: list[TensorSpec | None] | None = None, **fields: Any) -> TimingDescription:
    return describe(layer(**fields), specs or [SPEC, WEIGHT, None], DEVICE, "kernels")


def test_it_can_be_read() -> None:
    found = described(padding=(1, 1))
    assert found.operator == "ew::Conv@1"
    assert found.inputs == ["float32[1, 3, 8, 8] linear", "float32[4, 3, 3, 3] linear constant", "-"]
    assert found.fields["padding"] == "(1, 1)"
    assert (found.plugins, found.clock) == ({}, "free")


def test_values_of_weights_do_not_matter_but_scales_and_axes_do() -> None:
    def key(dtype: ew.DataType, *value: float) -> str:
        return described([TensorSpec(dtype, (len(value),), value=value)]).key

    assert key(ew.float32, *range(9)) == key(ew.float32, *range(1, 10))
    assert key(ew.float32, 1.0, 2.0) != key(ew.float32, 1.0, 3.0)
    assert key(ew.int64, *range(9)) != key(ew.int64, *range(1, 10))


@pytest.mark.parametrize(
    "other",
    [
        described(stride=(2, 2)),
        described([TensorSpec(ew.float16, SPEC.shape), WEIGHT, None]),
        described([TensorSpec(ew.float32, (2, 3, 8, 8)), WEIGHT, None]),
        described([SPEC, TensorSpec(ew.float32, WEIGHT.shape), None]),
        described([SPEC, WEIGHT, TensorSpec(ew.float32, (4,))]),
        described([TensorSpec(ew.int64, (2,), value=(1, 2))]),
        describe(layer(), [SPEC, WEIGHT, None], DEVICE | {"threads": "3"}, "kernels"),
        describe(layer(), [SPEC, WEIGHT, None], DEVICE, "other kernels"),
    ],
)
def test_whatever_changes_the_time_changes_the_key(other: TimingDescription) -> None:
    assert other.key != described().key
    assert described().key == described().key


class _Colour(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class _Part:
    KEY = Key("acme", "Part")

    size: float = 0.5


def _inner(scale: float, *, twice: bool = False) -> ew.Network:
    net = ew.Network()
    x = net.input("x", ew.float32, (2,))
    y = net.mul(x, net.constant(np.full(2, scale, np.float32)))
    net.output("y", net.add(y, y) if twice else y)
    return net


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (0.5, "0x1.0000000000000p-1"),
        ("a\nb", '"a\\nb"'),
        (ew.float32, "float32"),
        (ew.Dim("N") * 2, "2*N"),
        (_Colour.RED, "RED"),
        ((1, (2.0,)), "(1, (0x1.0000000000000p+1))"),
        (_Part(), "acme::Part@1(size=0x1.0000000000000p-1)"),
        (object(), "object"),
    ],
)
def test_fields_as_text(value: object, text: str) -> None:
    assert timing_key._text(value) == text


def test_data_is_told_apart_by_its_digest() -> None:
    texts = [timing_key._text(value) for value in (b"a", b"b", np.zeros(2000), np.ones(2000), np.zeros(2000, np.int8))]
    assert len(set(texts)) == 5
    assert timing_key._text(np.zeros(2000)) == texts[2]
    long = timing_key._short("x" * 5000)
    assert len(long) < 2100
    assert timing_key._short("x" * 5001) != long


def test_nested_networks_are_told_apart() -> None:
    text = timing_key._text(_inner(2))
    assert timing_key._text(_inner(2)) == text
    assert timing_key._text(_inner(2, twice=True)) != text


def small(weight: float = 1.0, **fields: Any) -> ew.Network:
    """A convolution by equal weights, more of them than a shape rule sees."""
    net = ew.Network()
    x = net.input("x", ew.float32, (1, 3, 8, 8))
    net.output("y", net.conv(x, net.constant(np.full((4, 3, 3, 3), weight, np.float32)), **fields))
    return net


def test_a_whole_network_is_described_by_its_layers_weights_and_inputs() -> None:
    def described(net: ew.Network, text: str = "float32[1, 3, 8, 8] linear of seed 0") -> TimingDescription:
        return describe_network(net, [text], DEVICE, "kernels")

    first = described(small())
    assert first.title == "network in bfloat16 on float32[1, 3, 8, 8]"
    assert (first.device, first.kernel_library, first.plugins) == (DEVICE, "kernels", {})
    assert described(small()) == first
    others = [described(small(2.0)), described(small(padding=(1, 1))), described(small(), "float32[1] linear")]
    assert len({first.key, *(other.key for other in others)}) == 4


def test_weights_of_nested_networks_are_told_apart() -> None:
    def key(weight: float) -> str:
        net = ew.Network()
        branches = If(small(weight), small())
        net.output("y", net.add(branches, net.input("c", ew.bool_, ()), net.input("x", ew.float32, (1, 3, 8, 8)))[0])
        return describe_network(net, [], DEVICE, "kernels").key

    assert key(1.0) != key(2.0)


def test_operators_of_plugins_bring_their_version(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("enginewright.plugins", "acme", "acme_ops", "acme-ops", "1.2")
    monkeypatch.setattr(registry, "source_of", lambda module: source)
    found = describe(ew.Layer("a", _Part(), []), [SPEC], DEVICE, "kernels")
    assert found.plugins == {"acme": "acme-ops 1.2"}
    monkeypatch.setattr(registry, "source_of", lambda module: None)
    assert describe(ew.Layer("a", _Part(), []), [SPEC], DEVICE, "kernels").plugins == {"acme": ""}


def printed() -> str:
    return f"{described().key} {timing_key._text(_inner(2))}"


def test_keys_are_the_same_in_every_process() -> None:
    code = "from tests.sdk.compiler.test_timing_key import printed; print(printed())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == printed()
