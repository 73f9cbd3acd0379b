"""Real wheels of four versions, each in its own environment: each makes its files, and each loads those of all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from enginewright_compat.version import Version
from tests.repo.sources import ROOT

pytestmark = pytest.mark.long

# The second differs from the first in the build, the third in the patch, the fourth in the minor.
VERSIONS = (Version(0, 1, 0, 11), Version(0, 1, 0, 12), Version(0, 1, 1, 13), Version(0, 2, 0, 14))
SCRIPT = Path(__file__).with_name("wheel_environment.py")
BUILD = ROOT / "build" / "test-wheels"  # kept, and as deep as that of `make native`: a compiler cache knows its objects
FILES = {"mlp.plan": "plan", "mlp.timing": "timing", "mlp.calib": "calibration", "mlp.safe.plan": "safe"}


def expected(kind: str, runtime: str, found: Version, running: Version) -> str:
    """The published rules, written again by hand."""
    if runtime == "safety" and kind != "safe":
        return "EW-P005 kind"
    if kind == "calibration":
        return "OK" if found.major == running.major else "EW-P003 major"
    if runtime == "safety":
        broken = [field for field in ("major", "minor") if getattr(found, field) != getattr(running, field)]
        broken += ["patch"] * (found.patch > running.patch)
    else:
        broken = [field for field in Version._fields if getattr(found, field) != getattr(running, field)]
    return f"EW-P003 {broken[0]}" if broken else "OK"


@dataclass(frozen=True)
class Environment:
    """One version, installed, with the files that it made."""

    version: Version
    python: Path
    folder: Path

    def call(self, *arguments: str | Path) -> str:
        """Run its Python away from the tree, whose tests alone it may import; return what it prints."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PYTHONPATH": str(ROOT), "ENGINEWRIGHT_CACHE_DIR": str(self.folder / "cache")}
        done = subprocess.run(
            [self.python, *arguments], capture_output=True, text=True, cwd=self.folder, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def build_wheel(folder: Path, version: Version) -> Path:
    """Build the tree as a version; from the second on nothing is compiled again, in later runs little."""
    made = folder / str(version)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(made)]
    options = ["-C", f"build-dir={BUILD}", "-C", f"cmake.define.EW_VERSION={version}"]
    subprocess.run([*command, *options, str(ROOT)], check=True)
    (wheel,) = made.glob("*.whl")
    return wheel


def install(folder: Path, wheel: Path) -> Path:
    """Make an environment with the wheel, and the dependencies of this one behind it; return its Python."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    place = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(command, check=True)
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private key, and the file of public keys that trusts it."""
    folder, key = tmp_path_factory.mktemp("keys"), Ed25519PrivateKey.generate()
    private, public = folder / "key.pem", folder / "keys.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> list[Environment]:
    """Every version installed, with a file of each kind."""
    folder, made = tmp_path_factory.mktemp("wheels"), []
    for version in VERSIONS:
        python = install(folder / f"environment {version}", build_wheel(folder, version))
        files = folder / f"files {version}"
        files.mkdir()
        made.append(Environment(version, python, files))
        made[-1].call(SCRIPT, "make", files, keys[0])
    return made


def cells(environments: list[Environment], keys: Path) -> Iterator[tuple[str, str, str]]:
    """Yield what a cell is, how it ended, and how it has to end."""
    for running in environments:
        paths = [made.folder / name for made in environments for name in FILES]
        answer = json.loads(running.call(SCRIPT, "load", keys, *paths))
        assert answer["version"] == str(running.version)
        for made in environments:
            for name, kind in FILES.items():
                for runtime, outcome in answer["found"][str(made.folder / name)].items():
                    wanted = expected(kind, runtime, made.version, running.version)
                    yield f"{kind} of {made.version}, {runtime} runtime {running.version}", outcome, wanted


def test_each_loads_each(environments: list[Environment], keys: tuple[Path, Path]) -> None:
    found = list(cells(environments, keys[1]))
    assert len(found) == len(VERSIONS) ** 2 * len(FILES) * 2
    assert [cell for cell in found if cell[1] != cell[2]] == []
    assert {outcome for _, outcome, _ in found} == {
        "OK",
        "EW-P003 minor",
        "EW-P003 patch",
        "EW-P003 build",
        "EW-P005 kind",
    }


def test_plan_check_says_the_same(environments: list[Environment]) -> None:
    check = "import sys, enginewright as ew; print(*(ew.plan_info(name).verdict.name for name in sys.argv[1:]))"
    for running in environments:
        plans = [made.folder / "mlp.plan" for made in environments]
        verdicts = running.call("-c", check, *plans).split()
        assert [v != "INCOMPATIBLE" for v in verdicts] == [made.version == running.version for made in environments]


def test_another_version_builds_a_plan_again(environments: list[Environment]) -> None:
    """From the recipe in the plan; the probes that the first version stored agree, or the command would fail."""
    first, last = environments[0], environments[-1]
    program = "from enginewright.cli import main; main()"
    last.call("-c", program, "plan", "rebuild", first.folder / "mlp.plan", "-o", last.folder / "again.plan")
    answer = json.loads(last.call("-c", program, "plan", "info", last.folder / "again.plan", "--json"))
    assert answer["version"] == str(last.version)
    assert answer["verdict"] != "incompatible"
