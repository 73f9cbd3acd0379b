"""The commands: what they print where, JSON, files, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from enginewright.cli._group import group
from enginewright.cli._running import run
from tests.sdk.tools.small_models import branches, chain, lookup, save, unsupported

COMMANDS = ["bench", "build", "doctor", "inspect", "run", "verify"]


class Result(NamedTuple):
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Result]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: object) -> Result:
        code = run(group, [str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return called


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save(chain(), folder, "chain.onnx")
    save(lookup(), folder, "lookup.onnx")
    save(unsupported(), folder, "unsupported.onnx")
    assert run(group, ["build", str(folder / "chain.onnx"), "-o", str(folder / "chain.plan"), "-q"]) == 0
    return folder


def test_every_command_is_listed_with_its_help(call: Call) -> None:
    found = call("--help")
    assert found.code == 0
    assert [name for name in COMMANDS if f"\n  {name} " in found.out] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_two_examples(call: Call, name: str) -> None:
    lines = call(name, "--help").out.rstrip().splitlines()
    assert lines[-3].strip() == "Examples:"
    assert all(line.strip().startswith(f"enginewright {name}") for line in lines[-2:])


def test_version(call: Call) -> None:
    assert call("--version").out.startswith("enginewright 0.")


def test_build_prints_a_summary_and_phases(call: Call, folder: Path, tmp_path: Path) -> None:
    plan, report = tmp_path / "a.plan", tmp_path / "report.json"
    found = call("build", folder / "chain.onnx", "-o", plan, "--report", report, "--threads", 1)
    assert found.code == 0
    assert f"{plan}: " in found.out
    assert "optimizer" in found.out
    assert [line.partition(" (")[0].partition(":")[0] for line in found.err.splitlines()] == [
        "parse",
        "optimize",
        "time tactics",
        "write",
        "probe",
        "build",
    ]
    content = json.loads(report.read_text())
    assert content["schema_version"] == 1
    assert {layer["layer"] for layer in content["layers"]}


def test_build_json(call: Call, folder: Path, tmp_path: Path) -> None:
    found = call("build", folder / "chain.onnx", "-o", tmp_path / "a.plan", "--json", "-q", "--shape", "x=1x8:2x8:4x8")
    assert found.err == ""
    assert (found.json["schema_version"], found.json["command"]) == (1, "build")
    assert found.json["bytes"] == (tmp_path / "a.plan").stat().st_size
    assert found.json["reference_steps"] == []
    assert call("run", tmp_path / "a.plan", "--random", 0, "--shape", "x=5x8").code == 1


def test_run_writes_outputs(call: Call, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 8), np.float32))
    found = call("run", folder / "chain.plan", "--input", f"x={tmp_path / 'x.npy'}", "--outputs", tmp_path / "out")
    assert found.code == 0
    assert "2 x 3" in found.out
    assert np.allclose(np.load(tmp_path / "out" / "y.npy"), 0.5)
    facts = call("run", folder / "chain.plan", "--random", 1, "--json").json["outputs"][0]
    assert facts["shape"] == [1, 3]
    assert facts["min"] <= facts["mean"] <= facts["max"]


def test_run_on_a_model(call: Call, folder: Path) -> None:
    assert call("run", folder / "lookup.onnx", "--random", 0, "--level", 0).code == 0


def test_run_needs_its_inputs(call: Call, folder: Path) -> None:
    found = call("run", folder / "chain.plan")
    assert found.code == 1
    assert found.err.startswith("InputError [EW-R002]: ")
    assert "  hint        " in found.err
    assert found.err.rstrip().endswith("/errors/EW-R002")
    assert "Traceback" not in found.err
    assert "Traceback" in call("run", folder / "chain.plan", "-v").err


def test_verify(call: Call, folder: Path) -> None:
    found = call("verify", folder / "chain.onnx", "--cases", 2, "--layers", "-v")
    assert found.code == 0
    assert "passed against onnxruntime" in found.out
    assert "none of 4 tensors differs" in found.out
    assert "middle (Relu)" in found.out


def test_verify_exit_code_3_when_numbers_differ(call: Call, folder: Path, tmp_path: Path) -> None:
    other = save(chain(scale=2.0), tmp_path)
    found = call("verify", other, "--against", folder / "chain.plan")
    assert found.code == 3
    assert "DIFFERS" in found.out
    assert "FAILED" in found.out
    content = call("verify", other, "--against", folder / "chain.plan", "--json", "-q").json
    assert content["passed"] is False
    assert content["outputs"][0]["passed"] is False
    assert call("verify", other, "--against", folder / "chain.plan", "--rtol", 10).code == 0
    assert call("verify", other, "--against", folder / "chain.plan", "--atol", 10).code == 0


def test_verify_shows_infinities_as_text(call: Call, folder: Path, tmp_path: Path) -> None:
    found = call("verify", folder / "lookup.onnx", "--against", folder / "chain.plan", "--json", "-q")
    assert found.code == 2
    assert found.json["error"]["class"] == "UsageError"


def test_bench_with_peer_and_profile(call: Call, folder: Path) -> None:
    options = ["--duration", 0.01, "--warmup", 1, "--iterations", 5]
    found = call("bench", folder / "chain.onnx", "--peers", "onnxruntime", "--profile", *options)
    assert found.code == 0
    for word in ("Throughput: ", "Latency: min = ", "percentile(99%)", "Total Host Walltime", "onnxruntime", "kernel"):
        assert word in found.out
    assert "steps " in found.out
    assert ", call " in found.out
    content = call("bench", folder / "chain.plan", "--json", "-q", "--streams", 2, *options).json
    assert content["streams"] == 2
    assert content["latency"]["median"] > 0


def test_bench_names_a_peer_that_cannot(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    found = call("bench", folder / "chain.onnx", "--peers", "openvino", "--duration", 0.01, "--warmup", 1)
    assert "openvino is not installed" in found.out
    assert call("bench", folder / "chain.onnx", "--peers", "tvm").code == 2


def test_inspect(call: Call, folder: Path) -> None:
    found = call("inspect", folder / "chain.onnx")
    assert "x float32[n, 8]" in found.out
    assert "memory: " in found.out
    passes = call("inspect", folder / "chain.onnx", "--passes")
    assert "fold_constants" in passes.out
    assert "layers are left" in passes.out
    assert "stays in float32" not in passes.out
    halves = call("inspect", folder / "chain.onnx", "--passes", "--target", "cuda", "--precision", "fp16")
    assert "stays in float32" in halves.out
    assert "turns the last sums into probabilities" in halves.out
    one = call("inspect", folder / "chain.onnx", "--layer", "second", "--show", "attributes")
    assert "tactics of second" in one.out
    assert "chosen" in one.out
    assert "reads" in one.out
    assert "tactics of first" not in one.out
    assert call("inspect", folder / "chain.plan", "--json").json["steps"]


def test_inspect_shows_what_is_in_branches(call: Call, tmp_path: Path) -> None:
    found = call("inspect", save(branches(), tmp_path))
    lines = [line.split("  cpu_")[0].rstrip() for line in found.out.splitlines()]
    at = lines.index("in outer.then:")
    assert lines[at - 1].split()[:2] == ["outer", "if"]
    assert lines[at + 1].split()[:2] == ["inner", "if"]
    assert lines[at + 2 : at + 8] == [
        "  in inner.then:",
        "    Relu",
        "  in inner.else:",
        "    Tanh",
        "in outer.else:",
        "  Sigmoid",
    ]


def test_coverage_exit_code_7_with_all_nodes(call: Call, folder: Path) -> None:
    found = call("inspect", folder / "unsupported.onnx", "--coverage")
    assert found.code == 7
    assert "frob" in found.out
    assert "nicate" in found.out
    assert call("inspect", folder / "chain.onnx", "--coverage").code == 0
    assert call("build", folder / "unsupported.onnx", "-o", folder / "no.plan").code == 7
    assert not (folder / "no.plan").exists()


def test_doctor(call: Call) -> None:
    found = call("doctor")
    assert found.code == 0
    assert "instruction sets" in found.out
    assert "no problems" in found.out
    assert call("doctor", "--json").json["problems"] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["build", "missing.onnx", "-o", "a.plan"], 7),
        (["build", "missing.onnx"], 2),
        (["build", "missing.onnx", "-o", "a.plan", "--target", "tpu"], 2),
        (["build", "missing.onnx", "-o", "a.plan", "--shape", "x=axb"], 2),
        (["build", "missing.onnx", "-o", "a.plan", "--shape", "x=1:2"], 2),
        (["nothing"], 2),
        (["run", "missing.plan"], 7),
    ],
)
def test_exit_codes(call: Call, arguments: list[str], code: int) -> None:
    assert call(*arguments).code == code


def test_damaged_plan_exits_with_6(call: Call, folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "chain.plan").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.plan").write_bytes(data)
    assert call("run", tmp_path / "bad.plan", "--random", 0).code == 6


def test_log_file_and_verbosity(call: Call, folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    quiet = call("verify", folder / "chain.onnx", "-q", "--log-file", log)
    assert quiet.err == ""
    assert "enginewright.verify: compared one set of inputs" in log.read_text()
    assert "compared one set of inputs" in call("verify", folder / "chain.onnx", "-v").err
    assert "compared one set" not in call("verify", folder / "chain.onnx").err
