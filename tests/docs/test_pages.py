"""The Python code of the README and of the documentation runs as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from enginewright.registry.registry import registry
from enginewright_compat.deprecation import controls
from tests.repo.sources import ROOT, text, tracked

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [name for name in tracked("README.md", "docs/*.md") if BLOCK.search(text(name))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make what the pages take for granted: a model in the current folder, with one input x of three channels."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 224, 224])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 224, 224])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_code_of_page(page: str, folder: Path) -> None:
    """All blocks of a page, one after the other in one namespace; a traceback shows the line of the page."""
    rng = np.random.default_rng(0)
    names: dict[str, object] = {
        "array": rng.standard_normal((1, 3, 224, 224)).astype(np.float32),
        "weight": rng.standard_normal((8, 3, 7, 7)).astype(np.float32),
        "bias": np.zeros(8, np.float32),
    }
    content = text(page)
    with registry.isolated(), pytest.MonkeyPatch.context() as patch:  # what a page registers, no other test finds
        patch.setattr(controls, "_uses", controls._Uses())  # nor does a page find what other tests used
        for module in [name for name in sys.modules if name.partition(".")[0] == "enginewright_plugins"]:
            patch.delitem(sys.modules, module)  # imported again, its operators are declared in here
        for match in BLOCK.finditer(content):
            line = content.count("\n", 0, match.start()) + 1
            exec(compile("\n" * line + match[1], str(ROOT / page), "exec"), names)
