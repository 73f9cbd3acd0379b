"""`--runtime safety`: build writes a safe plan or says what forbids it, run needs the key that signed it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onnx import TensorProto, helper

from enginewright.cli._group import group
from enginewright.cli._running import run
from enginewright.plan.plan import Plan
from enginewright_compat.layout import Kind
from tests.sdk.plan.test_signing import PUBLIC
from tests.sdk.runtime.safe_plans import convolutions, safe_plan, signed

Text = pytest.CaptureFixture[str]


def model(folder: Path, size: int | str) -> str:
    """Write an ONNX model of one Relu."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    path = folder / "relu.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return str(path)


def test_build_writes_a_safe_plan(tmp_path: Path, capsys: Text) -> None:
    output = str(tmp_path / "relu.plan")
    assert run(group, ["build", model(tmp_path, 2), "-o", output, "--runtime", "safety"]) == 0
    assert Plan.load(output).kind is Kind.SAFE_PLAN
    assert run(group, ["plan", "info", output]) == 0
    assert "safe plan" in capsys.readouterr().out


def test_build_says_what_forbids_it(tmp_path: Path, capsys: Text) -> None:
    output = tmp_path / "relu.plan"
    assert run(group, ["build", model(tmp_path, "N"), "-o", str(output), "--runtime", "safety"]) == 1
    assert 'input "x", axis 0' in capsys.readouterr().err
    assert not output.exists()


def test_a_profile_of_one_shape_makes_it_safe(tmp_path: Path) -> None:
    output = str(tmp_path / "relu.plan")
    words = ["build", model(tmp_path, "N"), "-o", output, "--runtime", "safety", "--shape", "x=4x3"]
    assert run(group, words) == 0
    assert Plan.load(output).passport.features == ()


def test_run(tmp_path: Path, capsys: Text) -> None:
    path = str(signed(tmp_path, safe_plan(convolutions())))
    keys = tmp_path / "keys.pem"
    public = Ed25519PublicKey.from_public_bytes(PUBLIC["a"])
    keys.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    words = ["run", path, "--runtime", "safety", "--random", "1", "--json"]
    assert run(group, [*words, "--keys", str(keys), "--outputs", str(tmp_path / "out")]) == 0
    (output,) = json.loads(capsys.readouterr().out)["outputs"]
    assert output["shape"] == [1, 10]
    assert np.load(tmp_path / "out" / "y.npy").shape == (1, 10)
    assert run(group, words) == 2
    assert "only what a given key signed" in capsys.readouterr().err
