"""`enginewright plan`: each command's answer, as text and as JSON, its exit code, and how little it imports."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import enginewright as ew
from enginewright.cli._group import group
from enginewright.cli._running import run
from enginewright.plan.artifact import artifact_bytes
from enginewright_compat.layout import Kind, Section
from enginewright_compat.passport import PluginUse, Target
from enginewright_compat.rules import Level
from enginewright_compat.version import running_version
from tests.compat.artifacts import example_plan
from tests.fuzz.mutation import with_section
from tests.fuzz.targets import timing_cache
from tests.golden.plans import golden
from tests.sdk.compiler.releases import of_release, without
from tests.sdk.plan.test_bad_plans import meta_of, with_meta
from tests.sdk.plan.test_signing import CODE

Text = pytest.CaptureFixture[str]


def call(capsys: Text, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return exit code, stdout, stderr."""
    code = run(group, ["plan", *arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


def answer(capsys: Text, *arguments: str) -> tuple[int, Any]:
    """Run a command with --json; return exit code and the decoded answer."""
    code, out, _ = call(capsys, *arguments, "--json")
    return code, json.loads(out)


def write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


@pytest.fixture
def mlp(tmp_path: Path) -> str:
    return write(tmp_path, "mlp.plan", golden("mlp"))


def other_release(**changes: Any) -> bytes:
    return example_plan(enginewright=str(running_version()._replace(minor=77)), **changes)


def test_commands_are_found(capsys: Text) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(name in out for name in ("info", "check", "verify", "dump", "diff", "sign"))
    assert "_showing" not in out


def test_info(capsys: Text, mlp: str, tmp_path: Path) -> None:
    code, out, _ = call(capsys, "info", mlp)
    assert code == 0
    assert "x: float32 [2, 4]" in out
    assert "not signed" in out
    assert answer(capsys, "info", mlp)[1]["passport"]["name"] == "mlp"
    assert "0..  3" not in call(capsys, "info", write(tmp_path, "dynamic.plan", golden("dynamic")))[1]
    assert "timing cache" in call(capsys, "info", write(tmp_path, "a.timing", timing_cache()))[1]


def test_check_ok_and_strict(capsys: Text, tmp_path: Path) -> None:
    good, slow = write(tmp_path, "a.plan", example_plan()), write(tmp_path, "b.plan", example_plan(timings="heuristic"))
    code, out, _ = call(capsys, "check", good)
    assert (code, out.splitlines()[0]) == (0, f"{good}: OK")
    assert "rebuild" not in out
    assert call(capsys, "check", slow)[0] == 0
    code, out, _ = call(capsys, "check", "--strict", good, slow)
    assert code == 4
    assert "SUBOPTIMAL" in out


def test_check_shows_every_reason_and_the_rebuild_command(capsys: Text, tmp_path: Path) -> None:
    path = write(tmp_path, "det.plan", other_release(target=Target("other", needs=("avx1024",))))
    code, out, _ = call(capsys, "check", path)
    assert code == 4
    lines = out.splitlines()
    assert lines[0] == f"{path}: INCOMPATIBLE"
    assert [line.split()[0] for line in lines[1:4]] == ["minor", "arch", "needs"]
    assert lines[1].endswith("EW-P003")
    assert "rebuild: enginewright" in lines[-1]
    _, answered = answer(capsys, "check", path)
    assert [reason["code"] for reason in answered["files"][0]["reasons"]] == ["EW-P003", "EW-P006", "EW-P006"]
    assert answered["files"][0]["verdict"] == "incompatible"


def test_no_rebuild_command_where_building_again_is_no_cure(capsys: Text, tmp_path: Path) -> None:
    use = PluginUse("no::A@1", "", "", "", "t", 1, "", "", needed=True)
    path = write(tmp_path, "det.plan", example_plan(plugins=(use,)))
    code, out, _ = call(capsys, "check", path)
    assert code == 5
    assert "rebuild:" not in out
    assert "no::A@1 of a module of no distribution\n" in call(capsys, "info", path)[1]


def test_check_exit_code_is_the_largest(capsys: Text, tmp_path: Path) -> None:
    use = PluginUse("no::A@1", "acme-ops", "1.0", "", "t", 1, "", "", needed=True)
    files = {
        "ok": (example_plan(), 0),
        "other": (other_release(), 4),
        "plugin": (example_plan(plugins=(use,)), 5),
        "both": (other_release(plugins=(use,)), 5),
        "corrupt": (example_plan()[:-1], 6),
        "text": (b"no plan at all" * 9, 6),
    }
    for name, (data, expected) in files.items():
        path = write(tmp_path, name, data)
        assert call(capsys, "check", path)[0] == expected, name
        assert call(capsys, "check", path, str(tmp_path / "ok"))[0] == expected, name
    code, answered = answer(capsys, "check", str(tmp_path / "text"), str(tmp_path / "other"))
    assert code == 6
    assert answered["files"][0]["error"]["code"] == "EW-P001"


def test_check_against_another_release_and_device(capsys: Text, tmp_path: Path) -> None:
    path = write(tmp_path, "a.plan", example_plan())
    assert call(capsys, "check", path, "--against", str(running_version()))[0] == 0
    code, out, _ = call(capsys, "check", path, "--against", "9.8.7+6")
    assert (code, "9.8.7+6" in out) == (4, True)
    assert call(capsys, "check", path, "--against", "9.8.7")[0] == 2
    assert call(capsys, "check", path, "--device", "aarch64")[0] == 4
    assert call(capsys, "check", path, "--device", os.uname().machine)[0] == 0
    assert call(capsys, "check", path, "--device", "x86_64+warp")[0] == 2
    gpu = write(tmp_path, "gpu.plan", example_plan(target=Target(os.uname().machine, compute_capability="sm_90")))
    assert [call(capsys, "check", gpu, "--device", device)[0] for device in ("sm_90", "sm_86")] == [0, 4]


def test_trust(capsys: Text, tmp_path: Path) -> None:
    path, key, keys = write(tmp_path, "code.plan", CODE), tmp_path / "key.pem", tmp_path / "keys.pem"
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"cli").digest())
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    code, out, _ = call(capsys, "check", path)
    assert (code, "EW-P007" in out, "--keys FILE, or --trust any" in out) == (4, True, True)
    assert "rebuild:" not in out
    assert call(capsys, "check", path, "--trust", "any")[0] == 0
    assert call(capsys, "check", path, "--keys", str(keys))[0] == 4
    code, answered = answer(capsys, "sign", path, "--key", str(key))
    assert (code, answered["key_id"]) == (0, ew.plan_info(path).key_id)
    assert call(capsys, "check", path, "--keys", str(keys))[0] == 0
    assert call(capsys, "check", path, "--keys", str(keys), "--trust", "any")[0] == 2
    assert "says it is signed" in call(capsys, "info", path)[1]
    assert call(capsys, "sign", path, "--key", str(keys))[0] == 2
    assert call(capsys, "sign", path, "--key", str(key), "--password-file", "/nowhere")[0] == 2


def test_verify(capsys: Text, mlp: str, tmp_path: Path) -> None:
    code, out, _ = call(capsys, "verify", mlp)
    assert (code, "every byte is intact" in out) == (0, True)
    assert answer(capsys, "verify", mlp)[1]["intact"] is True
    assert call(capsys, "verify", write(tmp_path, "a.timing", timing_cache()))[0] == 0
    assert call(capsys, "verify", write(tmp_path, "other.plan", other_release()))[0] == 4
    damaged = bytearray(golden("mlp"))
    damaged[-100] ^= 1
    path = write(tmp_path, "damaged.plan", bytes(damaged))
    assert call(capsys, "check", path)[0] == 0, "the passport is intact"
    code, out, err = call(capsys, "verify", path)
    assert (code, out, "EW-P002" in err) == (6, "", True)


def test_verify_looks_at_the_programs(capsys: Text, tmp_path: Path) -> None:
    """The META of this plan is canonical JSON of another schema."""
    code, _, err = call(capsys, "verify", write(tmp_path, "a.plan", example_plan()))
    assert (code, "META" in err) == (6, True)


def test_dump(capsys: Text, mlp: str) -> None:
    code, whole = answer(capsys, "dump", mlp)
    assert code == 0
    assert whole["header"]["kind"] == Kind.PLAN.label
    assert whole["META"]["schema"] == 1
    assert len(whole["CHUNKS"]) == 1
    assert answer(capsys, "dump", mlp, "--section", "passport")[1]["PASSPORT"] == whole["PASSPORT"]
    assert call(capsys, "dump", mlp, "--section", "CODE")[0] == 2


def test_diff(capsys: Text, mlp: str, tmp_path: Path) -> None:
    assert call(capsys, "diff", mlp, mlp)[:2] == (0, "no differences\n")
    code, answered = answer(capsys, "diff", mlp, write(tmp_path, "conv.plan", golden("conv")))
    places = {item["place"] for item in answered["differences"]}
    assert code == 1
    assert {"header.root", "PASSPORT.name"} <= places
    assert call(capsys, "diff", mlp, str(tmp_path / "conv.plan"))[0] == 1


def test_names_in_a_file_cannot_steer_the_terminal(capsys: Text, mlp: str, tmp_path: Path) -> None:
    meta = meta_of("mlp")
    meta["programs"][0]["steps"][0]["layer"] = "\x1b[2Jgone"
    code, out, _ = call(capsys, "diff", mlp, write(tmp_path, "odd.plan", with_meta("mlp", meta)))
    assert code == 1
    assert "\x1b" not in out
    assert "gone" in out


def test_files_that_are_none(capsys: Text, tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"<html>" * 20)
    for command in ("info", "verify", "dump"):
        code, _, err = call(capsys, command, path)
        assert (code, "EW-P001" in err) == (6, True)
    assert "found no such file" in call(capsys, "verify", str(tmp_path / "absent"))[2]


def test_verdict_is_that_of_the_api(mlp: str) -> None:
    info = ew.verify_file(mlp)
    assert info == ew.plan_info(mlp)
    assert info.verdict is Level.SUBOPTIMAL
    assert info.exit_code() == 0
    assert info.exit_code(strict=True) == 4


@pytest.mark.parametrize("command", ["info", "check"])
def test_start_imports_little(tmp_path: Path, command: str) -> None:
    """Modules are counted, as their number is the same on every machine; 100 ms hold some 150 of them."""
    path = write(tmp_path, "a.plan", example_plan())
    program = f"""import sys
from enginewright.cli import main
before = set(sys.modules)
try:
    main(["plan", "{command}", sys.argv[1]])
except SystemExit:
    pass
print(*sorted(set(sys.modules)))"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True, env=environment
    )
    modules = done.stdout.splitlines()[-1].split()
    heavy = {"numpy", "cffi", "msgspec", "blake3", "rich", "onnx", "cryptography", "filelock", "platformdirs"}
    assert heavy.isdisjoint(modules)
    assert not any(name.startswith("enginewright._native") for name in modules)
    ours = [name for name in modules if name.startswith("enginewright")]
    assert len(ours) <= 26, ours


# --- rebuild ----------------------------------------------------------------------------------------------------------


def old_plan(folder: Path) -> str:
    """A plan of another release, with its model inside."""
    return write(folder, "old.plan", of_release(golden("mlp"), patch=99))


def test_rebuild_replaces_the_file(capsys: Text, tmp_path: Path) -> None:
    path = old_plan(tmp_path)
    assert call(capsys, "check", path)[0] == 4
    code, out, _ = call(capsys, "rebuild", path, "--timing-cache", "")
    assert code == 0
    assert f"{path}: built again from SOURCE of {path}" in out
    assert "probe       y: differs by 0" in out
    assert Path(path).read_bytes() == golden("mlp")


def test_rebuild_to_another_file(capsys: Text, tmp_path: Path) -> None:
    path, new = old_plan(tmp_path), str(tmp_path / "new.plan")
    before = Path(path).read_bytes()
    code, content = answer(capsys, "rebuild", path, "-o", new, "--timing-cache", "")
    assert (code, content["plan"], content["outputs"][0]["passed"]) == (0, new, True)
    assert Path(path).read_bytes() == before
    assert Path(new).read_bytes() == golden("mlp")


def test_rebuild_without_probes_says_so(capsys: Text, tmp_path: Path) -> None:
    path = write(tmp_path, "old.plan", golden("dynamic"))
    code, out, _ = call(capsys, "rebuild", path, "--timing-cache", "")
    assert code == 0
    assert "not compared" in out
    assert "note" in out


def test_exit_codes_of_rebuild(capsys: Text, tmp_path: Path) -> None:
    probes = bytearray(ew.Plan.load(golden("mlp")).origin[Section.PROBES])
    probes[-2] ^= 0x40
    tampered = with_section(golden("mlp"), Section.PROBES, bytes(probes))
    cases = {
        1: without(golden("mlp"), Section.RECIPE, Section.SOURCE),
        3: tampered,
        4: with_code(golden("mlp")),
        6: golden("mlp")[:-1],
    }
    for expected, data in cases.items():
        path = write(tmp_path, "old.plan", data)
        assert call(capsys, "rebuild", path, "--timing-cache", "")[0] == expected
        assert Path(path).read_bytes() == data, "nothing was written"


def with_code(data: bytes) -> bytes:
    plan = ew.Plan.load(data)
    return artifact_bytes(Kind.PLAN, {**plan._sections(), Section.CODE: b"\x7fELF"}, plan.passport)


def test_rebuild_for_another_shape(capsys: Text, tmp_path: Path) -> None:
    net = ew.Network("shapes")
    net.output("y", net.relu(net.input("x", ew.float32, ("N", 3))))
    config = ew.BuilderConfig(threads=1, level=1, timing_cache="", profiles=(ew.Profile({"x": (2, 3)}),))
    path = write(tmp_path, "old.plan", ew.build(net, config).to_bytes())
    assert call(capsys, "rebuild", path, "--timing-cache", "", "--shape", "x=1x3:4x3:8x3")[0] == 0
    assert ew.Plan.load(path).meta.profiles[0].shapes["x"] == [(1, 4, 8), (3, 3, 3)]


@pytest.mark.parametrize("section", [Section.RECIPE, Section.PROBES])
def test_verify_reads_what_a_load_does_not(capsys: Text, tmp_path: Path, section: Section) -> None:
    path = write(tmp_path, "a.plan", with_section(golden("mlp"), section, b"{}"))
    ew.load(path).close()
    code, _, err = call(capsys, "verify", path)
    assert code == 6
    assert section.name in err
