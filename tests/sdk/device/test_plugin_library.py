"""Plugin libraries: the C and C++ examples run, and libraries of another C interface are refused before any call."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright import _native
from enginewright.device.plugin_library import open_library
from enginewright.registry.registry import registry
from tests.repo.sources import ROOT
from tests.sdk.device.library_build import build_library

pytestmark = pytest.mark.needs_cc
EXAMPLES = ROOT / "docs" / "examples" / "plugins"
QUIET = ew.BuilderConfig(timing_cache="", threads=2, level=1)  # takes the first tactic that agrees
MAJOR, MINOR = _native.ABI


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    with registry.isolated():
        yield


def run(op: Any, x: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], str]:
    """The output of an engine of this operator, and the tactic that was chosen."""
    net = ew.Network()
    tensor = net.input("x", ew.DataType.of(x), ("N", *x.shape[1:]))
    net.output("y", net.add(op, tensor)[0])
    plan = ew.build(net, QUIET)
    (layer,) = plan.report.layers
    assert not layer.rejected, layer.rejected
    with ew.load(plan) as engine:
        return engine.run({"x": x})["y"], layer.tactic


def test_c_example(tmp_path: Path) -> None:
    library = ew.library(build_library(EXAMPLES / "swish.c", tmp_path / "swish.so"))

    @ew.operator("acme::Swish")
    class Swish:
        beta: float = 1.0

        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x / (1 + np.exp(-np.float32(self.beta) * x))

    @ew.tactic(Swish, kernel=library["acme_swish_f32"])
    def swish_library(op: Swish, x: ew.TensorSpec) -> ew.Launch | str:
        return ew.Launch(params=(x.size, op.beta, ew.ceil_div(x.size, 16384)))

    x = np.random.default_rng(0).standard_normal((3, 50_000)).astype(np.float32)
    y, tactic = run(Swish(beta=1.5), x)
    assert tactic == "swish_library"
    np.testing.assert_allclose(y, Swish(beta=1.5).reference(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
def test_cpp_example(tmp_path: Path, dtype: Any) -> None:
    library = ew.library(build_library(EXAMPLES / "cumulative_max.cpp", tmp_path / "cumulative_max.so"))

    @ew.operator("acme::CumulativeMax")
    class CumulativeMax:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return np.maximum.accumulate(x, axis=-1)

    @ew.tactic(CumulativeMax, kernel=library["acme_cumulative_max"])
    def library_rows(op: CumulativeMax, x: ew.TensorSpec) -> ew.Launch | str:
        return ew.Launch(params=(x.size // x.shape[-1], x.shape[-1]), workspace=8)

    x = np.random.default_rng(0).integers(-100, 100, (5, 400)).astype(dtype)
    y, tactic = run(CumulativeMax(), x)
    assert tactic == "library_rows"
    np.testing.assert_array_equal(y, np.maximum.accumulate(x, axis=-1))


def library_of(
    folder: Path, *, major: int = MAJOR, minor: int = MINOR, size: str = "sizeof(ew_plugin)", build_id: str = ""
) -> Path:
    """A library that claims to be of an interface version; its constructor and kernel leave files if they run."""
    source = folder / "made.c"
    text = f"""
        #include <stdio.h>
        #include "enginewright.h"
        static int32_t touch(const ew_call *call) {{
            (void)call;
            FILE *file = fopen("{folder / "called"}", "w");
            if (file) fclose(file);
            return EW_OK;
        }}
        static const ew_kernel kernels[] = {{{{"touch", touch}}}};
        #define ID "made {build_id or folder.name}"
        EW_EXPORT const ew_plugin ew_plugin_v1 = {{{size}, {major}, {minor}, 1, "acme", ID, kernels}};
    """
    source.write_text(text, encoding="utf-8")
    return build_library(source, folder / f"made_{major}_{minor}.so")


@pytest.mark.parametrize("minor", range(MINOR + 1))
def test_the_same_and_older_minors_load(tmp_path: Path, minor: int) -> None:
    found = open_library(library_of(tmp_path, minor=minor))
    assert (found.abi, found.namespace, found.build_id) == ((MAJOR, minor), "acme", f"made {tmp_path.name}")
    assert found.kernels == {"touch": f"lib:acme:made {tmp_path.name}:touch"}
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("major", "minor", "hint"),
    [
        (MAJOR, MINOR + 1, "newer enginewright"),
        (MAJOR + 1, 0, "newer enginewright"),
        *([(MAJOR - 1, 99, "Build the library again")] if MAJOR else []),
    ],
)
def test_other_versions_are_refused_before_any_call(tmp_path: Path, major: int, minor: int, hint: str) -> None:
    path = library_of(tmp_path, major=major, minor=minor)
    with pytest.raises(ew.PluginAbiMismatch) as caught:
        open_library(path)
    assert caught.value.code == "EW-G005"
    assert f"{major}.{minor}" in caught.value.message
    assert f"{MAJOR}.{MINOR}" in caught.value.message
    assert hint in caught.value.hint
    assert not (tmp_path / "called").exists()


def test_a_refused_library_is_a_reason_in_the_report(tmp_path: Path) -> None:
    library = ew.library(library_of(tmp_path, minor=MINOR + 1))

    @ew.operator("acme::Same")
    class Same:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x

    @ew.tactic(Same, kernel=library["touch"])
    def touching(op: Same, x: ew.TensorSpec) -> ew.Launch | str:
        return ew.Launch()

    net = ew.Network()
    net.output("y", net.add(Same(), net.input("x", ew.float32, (4,)))[0])
    (layer,) = ew.build(net, QUIET).report.layers
    assert layer.tactic == "reference"
    assert "[EW-G005]" in layer.rejected[0].reason
    assert not (tmp_path / "called").exists()


def test_a_record_that_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(ew.PluginInvalid, match="struct_size is 8"):
        open_library(library_of(tmp_path, size="8"))
    (tmp_path / "other").mkdir()
    with pytest.raises(ew.PluginInvalid, match="struct_size is 24"):
        open_library(library_of(tmp_path / "other", size="24"))


def test_libraries_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ew.PluginError, match="can't be opened"):
        ew.library(tmp_path / "absent.so")["x"].load()
    (tmp_path / "text.so").write_text("no library", encoding="utf-8")
    with pytest.raises(ew.PluginError, match="can't be opened"):
        ew.library(tmp_path / "text.so")["x"].load()
    source = tmp_path / "plain.c"
    source.write_text("int ew_nothing = 1;\n", encoding="utf-8")
    with pytest.raises(ew.PluginInvalid, match="exports no data ew_plugin_v1"):
        ew.library(build_library(source, tmp_path / "plain.so"))["x"].load()


def test_a_kernel_that_the_library_lacks(tmp_path: Path) -> None:
    path = library_of(tmp_path)
    with pytest.raises(ew.PluginInvalid, match="has no kernel swim") as caught:
        ew.library(path)["swim"].load()
    assert "It has touch" in caught.value.hint


def test_two_libraries_with_one_build_id(tmp_path: Path) -> None:
    """Whoever builds again without a new build id is told so: a plan could not tell the two apart."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = library_of(tmp_path / "a", build_id="twice")
    open_library(first)
    (tmp_path / "copy.so").write_bytes(first.read_bytes())
    assert open_library(tmp_path / "copy.so") is open_library(first)
    with pytest.raises(ew.PluginConflict, match="have the build id 'made twice'"):
        open_library(library_of(tmp_path / "b", build_id="twice"))


def test_a_relative_path_is_seen_from_the_module(tmp_path: Path) -> None:
    build_library(EXAMPLES / "swish.c", tmp_path / "swish.so")
    (tmp_path / "acme_relative.py").write_text(
        "import enginewright as ew\nprint(ew.library('swish.so')['acme_swish_f32'].load())\n", encoding="utf-8"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-c", "import acme_relative"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "lib:acme:swish 1.0:acme_swish_f32"
