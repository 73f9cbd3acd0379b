"""With a full timing cache every process builds the same bytes, those of the build that filled it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import enginewright as ew
from tests.golden.networks import networks
from tests.models import load_model, manifest

PROGRAM = "import sys; from tests.sdk.compiler.test_same_bytes import build_all; print(build_all(*sys.argv[1:]))"


def build_all(cache: str, *models: str, strict: bool = True) -> str:
    """Build these models, else every network, with a cache file; the digest of each plan, as JSON."""
    config = ew.BuilderConfig(timing_cache=cache, threads=2, level=2, error_on_timing_cache_miss=strict)
    sources = dict(zip(models, models, strict=True)) if models else networks()
    plans = {name: ew.build(source, config).to_bytes() for name, source in sources.items()}
    return json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in plans.items()})


def build_elsewhere(folder: Path, cache: Path, *models: Path, **environment: str) -> dict[str, str]:
    """The digests of another process, on one CPU, in another folder and environment."""
    folder.mkdir()
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)  # noqa: PTH100
    one_cpu = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    done = subprocess.run(
        [*one_cpu, sys.executable, "-c", PROGRAM, str(cache), *map(str, models)],
        cwd=folder, env=os.environ | {"PYTHONPATH": paths} | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_two_processes_build_the_same_bytes(tmp_path: Path) -> None:
    """Other hash seed, folder, locale, time zone and number of CPUs."""
    cache = tmp_path / "t.timing"
    assert len(networks()) >= 20
    build_all(str(cache), strict=False)
    here = json.loads(build_all(str(cache)))
    before = cache.read_bytes()
    for number, (zone, locale) in enumerate((("Asia/Kathmandu", "C.UTF-8"), ("America/St_Johns", "POSIX"))):
        facts = {"PYTHONHASHSEED": str(number), "TZ": zone, "LC_ALL": locale, "HOME": str(tmp_path)}
        assert build_elsewhere(tmp_path / f"folder {number}", cache, **facts) == here
    assert cache.read_bytes() == before


def build_twice(
    source: Path | ew.Network, precision: str = "fp32", cache: Path | None = None
) -> tuple[ew.Plan, ew.Plan]:
    """The plan of a build that times, and that of the next one, which must not have to; by default in its own cache."""
    config = ew.BuilderConfig(threads=2, precision=precision, timing_cache=None if cache is None else str(cache))
    first, second = ew.build(source, config), ew.build(source, config)
    assert second.report.timings_measured == 0
    return first, second


@pytest.mark.parametrize("named", [False, True])
def test_the_second_build_has_the_bytes_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    timed = 0
    for name, network in networks().items():
        first, second = build_twice(network, cache=tmp_path / "named.timing" if named else None)
        timed += first.report.timings_measured
        assert first.to_bytes() == second.to_bytes(), name
    assert timed


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", manifest())
def test_the_second_build_of_a_model_has_the_bytes_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, precision: str
) -> None:
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    first, second = build_twice(load_model(name).path, precision)
    assert (first.meta, first.passport) == (second.meta, second.passport)
    assert hashlib.sha256(first.to_bytes()).digest() == hashlib.sha256(second.to_bytes()).digest()


@pytest.mark.long
@pytest.mark.parametrize("name", ["mtcnn_onet", "ppocr_cls", "silero_vad", "minilm_l6_int8", "mobilenet_v2_dyn"])
def test_models_have_the_same_bytes(tmp_path: Path, name: str) -> None:
    model, cache = load_model(name).path, tmp_path / "t.timing"
    build_all(str(cache), str(model), strict=False)
    here = json.loads(build_all(str(cache), str(model)))
    assert build_elsewhere(tmp_path / "folder", cache, model, PYTHONHASHSEED="7", TZ="Asia/Kathmandu") == here
