"""Plans that carry the compiled kernels of plugins: they load without these, in a new process, if they are trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import enginewright as ew
from enginewright.cli._group import group
from enginewright.cli._running import run
from enginewright.registry.registry import registry

pytestmark = pytest.mark.needs_cc
CONFIG = ew.BuilderConfig(timing_cache="", threads=1, level=1, embed_code=True)
SOURCE = """
#include "enginewright.h"
#ifndef PLAIN
static
#endif
int32_t triple(const ew_call *call) {
    for (int64_t i = 0; i < call->params[0].i; ++i)
        ((float *)call->outputs[0].data)[i] = 3 * ((const float *)call->inputs[0].data)[i];
    return EW_OK;
}
#ifndef PLAIN
EW_PLUGIN("acme", "embedded 1", EW_ENTRY(triple))
#endif
"""
SCRIPT = """
import sys
import numpy as np
import enginewright as ew
with ew.load(sys.argv[1], trust="any") as engine:
    assert engine.run({"x": np.arange(5, dtype=np.float32)})["y"].tolist() == [0, 3, 6, 9, 12]
assert not any(name.partition(".")[0] in ("acme", "tests") for name in sys.modules)
"""


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    with registry.isolated():
        yield


def plan_of(kernel: Any = None, config: ew.BuilderConfig = CONFIG) -> ew.Plan:
    """A plan of one layer that triples, with this kernel or by its reference."""

    @ew.operator("acme::Triple", version=1)
    class Triple:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x * np.float32(3)

    if kernel is not None:

        @ew.tactic(Triple, kernel=kernel)
        def way(op: Any, x: ew.TensorSpec) -> ew.Launch:
            return ew.Launch(params=(x.size,))

    net = ew.Network()
    net.output("y", *net.add(Triple(), net.input("x", ew.float32, ("N",))))
    return ew.build(net, config)


def c_kernel() -> Any:
    return ew.c_source("#define PLAIN\n" + SOURCE, "triple")


def library_kernel(folder: Path) -> Any:
    path = folder / "libtriple.so"
    command = ["cc", "-shared", "-fPIC", f"-I{ew.header_folder()}", "-x", "c", "-", "-o", str(path)]
    subprocess.run(command, input=SOURCE, text=True, check=True)
    return ew.library(path)["triple"]


def test_the_command_runs_it_when_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "triple.plan")
    plan_of(c_kernel()).save(path)
    assert run(group, ["run", path, "--random", "1", "--shape", "x=5"]) == 4
    assert "--trust any (in Python trust=)" in capsys.readouterr().err
    assert run(group, ["run", path, "--random", "1", "--shape", "x=5", "--trust", "any"]) == 0


@pytest.mark.parametrize("level", [1, 3])
def test_loads_without_the_plugin(tmp_path: Path, level: int) -> None:
    plan = plan_of(c_kernel() if level == 1 else library_kernel(tmp_path))
    (use,) = plan.passport.plugins
    assert (use.level, use.needed) == (level, False)
    plan.save(tmp_path / "a.plan")
    for made in tmp_path.glob("*.so"):
        made.unlink()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CC": "no-compiler-anywhere"}
    environment["ENGINEWRIGHT_CACHE_DIR"] = str(tmp_path / "cache")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "a.plan")]
    for _ in range(2):  # unpacked, then found
        subprocess.run(command, check=True, env=environment)
    (made,) = (tmp_path / "cache" / "kernels").iterdir()
    assert made.name.startswith("embedded-")


def test_only_if_it_is_trusted(tmp_path: Path) -> None:
    plan = plan_of(c_kernel())
    plan.save(tmp_path / "a.plan")
    for source in (tmp_path / "a.plan", plan.to_bytes()):
        with pytest.raises(ew.PlanUntrusted):
            ew.load(source)
    info = ew.plan_info(tmp_path / "a.plan")
    assert info.has_code
    again = ew.Plan.load(tmp_path / "a.plan", trust="any")
    assert again.to_bytes() == plan.to_bytes()


def test_needs_all_that_the_cpu_has() -> None:
    target = plan_of(c_kernel()).passport.target
    assert target is not None
    assert target.needs == target.features


def test_what_runs_in_python_still_needs_the_plugin(tmp_path: Path) -> None:
    plan = plan_of()
    assert plan.passport.plugins[0].needed
    assert plan.meta.code == []
    plan.save(tmp_path / "a.plan")
    ew.load(tmp_path / "a.plan").close()  # there is no code, so nobody has to trust it


def test_without_the_option_nothing_is_embedded() -> None:
    plan = plan_of(c_kernel(), ew.BuilderConfig(timing_cache="", threads=1, level=1))
    assert plan.passport.plugins[0].needed
    assert plan.code == b""


@pytest.mark.parametrize("fault", ["short", "long", "kind", "empty", "name"])
def test_records_that_do_not_fit_the_code(fault: str) -> None:
    plan = plan_of(c_kernel())
    (record,) = plan.meta.code
    changed: dict[str, Any] = {
        "short": {"length": record.length - 1},
        "long": {"length": record.length + 1},
        "kind": {"kind": "exe"},
        "empty": {"length": 0},
        "name": {"kernels": [("a\n", "b")]},
    }[fault]
    meta = msgspec.structs.replace(plan.meta, code=[msgspec.structs.replace(record, **changed)])
    with pytest.raises(ew.PlanInvalid):
        ew.Plan.load(replace(plan, meta=meta).to_bytes(), trust="any")


def test_safe_plans_carry_no_code() -> None:
    with pytest.raises(ew.ConfigError, match="carry no code"):
        ew.BuilderConfig(runtime="safety", embed_code=True)
