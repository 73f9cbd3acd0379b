"""The runtimes behind one face: same inputs, same outputs, bound without a copy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.tools.peers import OnnxRuntime, Ours, Peer, Reference, check_peers
from tests.sdk.tools.small_models import chain, save

MAKERS: list[Callable[[Any], Peer]] = [
    lambda model: Ours(ew.load(ew.build(model))),
    lambda model: Reference(ew.parse(model)),
    lambda model: OnnxRuntime(model, 1),
]


@pytest.mark.parametrize("make", MAKERS)
def test_inputs_may_be_rewritten_in_place_and_bound_again(make: Callable[[Any], Peer]) -> None:
    peer = make(chain())
    array = np.zeros((2, 8), np.float32)
    peer.bind({"x": array})
    peer.run()
    assert np.allclose(peer.outputs()["y"], 0.5)
    array[:] = 1
    peer.run()
    assert not np.allclose(peer.outputs()["y"], 0.5)
    peer.bind({"x": np.zeros((3, 8), np.float32)})
    peer.run()
    assert peer.outputs()["y"].shape == (3, 3)


def test_models_by_path_bytes_and_proto(tmp_path: Path) -> None:
    path = save(chain(), tmp_path)
    for source in (path, str(path), path.read_bytes(), chain()):
        peer = OnnxRuntime(source, 1)
        peer.bind({"x": np.zeros((1, 8), np.float32)})
        peer.run()
        assert peer.outputs()["y"].shape == (1, 3)


def test_dynamic_axes_of_onnx_runtime_may_be_fixed() -> None:
    x = np.ones((2, 8), np.float32)
    free = OnnxRuntime(chain(), 1)
    sizes = free.sizes_of({"x": x})
    assert list(sizes.values()) == [2]
    fixed = OnnxRuntime(chain(), 1, sizes)
    assert fixed.sizes_of({"x": x}) == {}
    for peer in (free, fixed):
        peer.bind({"x": x})
        peer.run()
    assert np.array_equal(free.outputs()["y"], fixed.outputs()["y"])


def test_a_name_that_stands_for_two_sizes_stays_free() -> None:
    model = chain()
    for axis in model.graph.input[0].type.tensor_type.shape.dim:
        axis.Clear()
        axis.dim_param = "any"
    assert OnnxRuntime(model, 1).sizes_of({"x": np.ones((2, 8), np.float32)}) == {}


def test_what_a_peer_refuses() -> None:
    with pytest.raises(ew.UsageError, match="ONNX Runtime refuses the model"):
        OnnxRuntime(b"no model", 1)


def test_missing_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ew.UsageError, match="onnxruntime is not installed"):
        OnnxRuntime(chain(), 1)


def test_openvino() -> None:
    pytest.importorskip("openvino")
    from enginewright.tools.peers import PEERS

    for name in ("openvino", "openvino-default"):
        peer = PEERS[name](chain(), 1)
        peer.bind({"x": np.zeros((2, 8), np.float32)})
        peer.run()
        assert np.allclose(peer.outputs()["y"], 0.5, atol=1e-2)
        with pytest.raises(ew.UsageError, match="OpenVINO refuses"):
            peer.bind({"x": np.zeros((2, 9), np.float32)})
    with pytest.raises(ew.UsageError, match="OpenVINO refuses"):
        PEERS["openvino"](b"no model", 1)


def test_names() -> None:
    assert check_peers(["onnxruntime"]) == ("onnxruntime",)
    with pytest.raises(ew.ConfigError, match="onnxruntime, openvino"):
        check_peers(["onnx"])
