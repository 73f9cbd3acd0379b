"""`pip wheel .` gives one wheel for every Python 3, complete with native library, interface module and type stubs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import enginewright as ew
from tests.repo.sources import ROOT, tracked

PACKAGES = ("sdk/enginewright/", "compat/enginewright_compat/", "plugins/enginewright_plugins/")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the build tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    config = ["-C", f"build-dir={folder / 'build'}"]
    subprocess.run([*command, *config, str(ROOT)], check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.long
def test_name(wheel: Path) -> None:
    assert re.fullmatch(r"enginewright-[\d.]+(-\d+)?-py3-none-linux_\w+\.whl", wheel.name)


@pytest.mark.long
def test_contents(wheel: Path) -> None:
    """Every tracked file of the packages is in it, and besides only what the build made."""
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {name.split("/", 1)[1] for name in tracked() if name.startswith(PACKAGES)}
    expected = {name for name in expected if not name.startswith("enginewright_plugins/native/")}
    assert expected - inside == set()
    built = {"libenginewright.so", "_abi.py", "include/enginewright.h", "include/enginewright_deprecated.h"}
    others = {"enginewright_compat/_version.py", "enginewright_plugins/libenginewright_plugins.so"}
    cuda = {"enginewright/_native/libenginewright_cuda.so", "enginewright_plugins/libenginewright_plugins_cuda.so"}
    # The libraries for GPUs are there where nvcc is installed.
    assert inside - expected - cuda == {f"enginewright/_native/{name}" for name in built} | others


@pytest.mark.long
def test_it_works_alone(wheel: Path, tmp_path: Path) -> None:
    """Installed into an empty folder, away from the tree, the library loads."""
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path), str(wheel)]
    subprocess.run(install, check=True)
    code = "import enginewright, enginewright._native as n; print(enginewright.__file__, enginewright.__version_info__)"
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.startswith(str(tmp_path))
    assert str(ew.__version_info__) in done.stdout
