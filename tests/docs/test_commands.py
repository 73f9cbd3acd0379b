"""The commands of the documentation run as they stand there, on a small model."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx.parser import parse_model

from enginewright_compat.version import running_version
from tests.repo.sources import ROOT, text, tracked

BLOCK = re.compile(r"^```(?:bash|console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INSTALLING = ("make ", "pip ")  # they change more than a folder
KEYS = ["openssl genpkey -algorithm ed25519 -out key.pem", "openssl pkey -in key.pem -pubout -out keys.pem"]
BEFORE = {
    "docs/rebuilding.md": ["enginewright build detector.onnx -o det.plan"],
    "docs/signing.md": ["enginewright build model.onnx -o model.plan"],
    "docs/safety.md": KEYS,
}
"""What a page takes for granted."""

MODEL = """<ir_version: 10, opset_import: ["" : 21]>
    small (float[1, 3, 32, 32] x) => (float[1, 4, 16, 16] y) {
        sizes = Constant<value_ints = [4, 3, 3, 3]>()
        w = ConstantOfShape<value: tensor = float[1] {0.1}>(sizes)
        z = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w)
        y = Relu(z)
    }"""


def commands_of(page: str) -> Iterator[str]:
    """Every line of the page's blocks of commands, without its prompt."""
    for block in BLOCK.findall(text(page)):
        yield from (line.removeprefix("$ ") for line in block.splitlines() if line.strip())


def quickly(command: str) -> str:
    """The command as it stands, but that it measures for no longer than it must."""
    return command.replace("enginewright bench", "enginewright bench --warmup 0 --duration 0")


def exit_code(command: str) -> int:
    """What the command ends with: safe plans of a development build are refused, as incompatible."""
    safe = command.startswith("enginewright run") and "--runtime safety" in command
    return 4 if safe and running_version().is_development else 0


PAGES = [page for page in tracked("README.md", "docs/*.md") if any(commands_of(page))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the pages speak of: a model by two names; and `enginewright`, in a folder of its own."""
    model = parse_model(MODEL)
    for name in ("model.onnx", "detector.onnx"):
        onnx.save(model, tmp_path / name)
    script = tmp_path / "bin" / "enginewright"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom enginewright.cli import main\n\nmain()\n", encoding="utf-8")
    script.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_page(page: str, folder: Path) -> None:
    wanted = [line for line in commands_of(page) if not line.startswith(INSTALLING)]
    if "--peers" in "".join(wanted) and not all(map(importlib.util.find_spec, ("onnxruntime", "openvino"))):
        pytest.skip("the page compares with onnxruntime and openvino")
    paths = os.pathsep.join(str(ROOT / part) for part in ("sdk", "compat", "plugins"))
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": paths, "ENGINEWRIGHT_CACHE_DIR": str(folder),
    }  # fmt: skip
    for line in [*BEFORE.get(page, ()), *wanted]:
        run = ["bash", "-c", quickly(line)]
        done = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == exit_code(line), f"{line}\n{done.stdout}{done.stderr}"
