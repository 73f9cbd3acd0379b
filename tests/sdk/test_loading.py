"""`ew.load` with `on_mismatch="rebuild"`: what does not fit is built again and kept in the cache; the file stays."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import enginewright as ew
from enginewright.compiler import plan_cache
from enginewright.compiler.plan_cache import cached_path
from enginewright.device.cuda import CudaDevice
from enginewright.plan.artifact import Section, check_file
from enginewright_compat.version import running_version
from tests.golden.plans import golden
from tests.sdk.compiler.releases import for_machine, of_release, without
from tests.sdk.tools.small_models import chain


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path / "caches"
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(folder))
    return folder


def cached(folder: Path) -> list[Path]:
    return sorted((folder / "plans").glob("*/*.plan"))


def run(engine: ew.Engine) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with engine:
        return engine.run({"x": np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)})["y"]


@pytest.mark.parametrize("kind", ["release", "machine"])
def test_what_does_not_fit_is_built_again(tmp_path: Path, caches: Path, kind: str) -> None:
    data = of_release(golden("mlp"), patch=99) if kind == "release" else for_machine(golden("mlp"), arch="other")
    path = tmp_path / "old.plan"
    path.write_bytes(data)
    with pytest.raises(ew.PlanVersionMismatch if kind == "release" else ew.PlanDeviceMismatch):
        ew.load(path)
    found = run(ew.load(path, on_mismatch="rebuild"))
    np.testing.assert_array_equal(found, run(ew.load(golden("mlp"))))
    assert path.read_bytes() == data, "the file is left alone"
    (kept,) = cached(caches)
    assert kept.parent.name == str(running_version())
    assert kept.stat().st_mode & 0o777 & ~0o644 == 0
    assert kept.parent.stat().st_mode & 0o077 == 0


def test_the_second_time_nothing_is_built(tmp_path: Path, caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(of_release(golden("mlp"), patch=99))
    first = run(ew.load(path, on_mismatch="rebuild"))
    monkeypatch.setattr(plan_cache, "rebuild", None)
    np.testing.assert_array_equal(run(ew.load(path, on_mismatch="rebuild")), first)


def test_other_recipes_and_machines_have_their_own(tmp_path: Path, caches: Path) -> None:
    for name in ("mlp", "conv"):
        path = tmp_path / f"{name}.plan"
        path.write_bytes(of_release(golden(name), patch=99))
        ew.load(path, on_mismatch="rebuild").close()
    assert len(cached(caches)) == 2


def test_another_gpu_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(golden("mlp"))
    header = check_file(path)[1].header
    paths = [cached_path(header)]
    for name in ("A", "B"):
        device = CudaDevice(0, name, "GPU-1", (9, 0), 1 << 30, "13.0")
        monkeypatch.setattr(plan_cache, "find_cuda", lambda device=device: device)
        paths.append(cached_path(header, uses_gpu=True))
    assert len(set(paths)) == 3


def test_a_damaged_cached_plan_is_replaced(tmp_path: Path, caches: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(of_release(golden("mlp"), patch=99))
    first = run(ew.load(path, on_mismatch="rebuild"))
    (kept,) = cached(caches)
    kept.write_bytes(b"damaged")
    np.testing.assert_array_equal(run(ew.load(path, on_mismatch="rebuild")), first)
    assert "is not used" in caplog.text
    run(ew.load(kept))


def test_a_cache_that_others_may_write_is_not_used(
    tmp_path: Path, caches: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = caches / "plans" / str(running_version())
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    path = tmp_path / "old.plan"
    path.write_bytes(of_release(golden("mlp"), patch=99))
    run(ew.load(path, on_mismatch="rebuild"))
    assert "may be written by other users" in caplog.text
    assert cached(caches) == []


def test_a_cache_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, caches: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caches.mkdir()
    (caches / "plans").write_text("a file where a folder should be")
    path = tmp_path / "old.plan"
    path.write_bytes(of_release(golden("mlp"), patch=99))
    with caplog.at_level(logging.WARNING):
        run(ew.load(path, on_mismatch="rebuild"))
    assert "not cached" in caplog.text


def damaged(data: bytes) -> bytes:
    made = bytearray(data)
    made[-1] ^= 1
    return bytes(made)


def test_only_these_two_errors_lead_to_a_rebuild(tmp_path: Path, caches: Path) -> None:
    path = tmp_path / "old.plan"
    for data, error in (
        (damaged(golden("mlp")), ew.PlanCorrupt),
        (damaged(of_release(golden("mlp"), patch=99)), ew.PlanCorrupt),
        (b"no plan", ew.PlanNotRecognized),
        (without(of_release(golden("mlp"), patch=99), Section.RECIPE, Section.SOURCE), ew.PlanRecipeError),
    ):
        path.write_bytes(data)
        with pytest.raises(error):
            ew.load(path, on_mismatch="rebuild")
    assert cached(caches) == []


@pytest.mark.parametrize("patch", [0, 99])
def test_an_untrusted_file_is_never_rebuilt(tmp_path: Path, caches: Path, patch: int) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(of_release(golden("mlp"), patch=patch))
    with pytest.raises(ew.PlanUntrusted):
        ew.load(path, on_mismatch="rebuild", trust=[bytes(32)])
    assert cached(caches) == []


def test_bytes_are_refused_as_ever() -> None:
    with pytest.raises(ew.PlanVersionMismatch):
        ew.load(of_release(golden("mlp"), patch=99), on_mismatch="rebuild")


def test_a_changed_model_is_refused(tmp_path: Path, caches: Path) -> None:
    model, path = tmp_path / "chain.onnx", tmp_path / "old.plan"
    onnx.save(chain(), model)
    config = ew.BuilderConfig(threads=1, level=1, timing_cache="")
    path.write_bytes(of_release(ew.build(model, config).to_bytes(), minor=77))
    onnx.save(chain(2.0), model)
    with pytest.raises(ew.PlanRecipeError, match="not the file"):
        ew.load(path, on_mismatch="rebuild")


def test_unknown_option() -> None:
    with pytest.raises(ew.ConfigError, match="on_mismatch"):
        ew.load(golden("mlp"), on_mismatch="ignore")


def test_a_load_brings_neither_builder_nor_onnx(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    path.write_bytes(golden("mlp"))
    code = f"import sys, enginewright as ew; ew.load({str(path)!r}, on_mismatch='rebuild'); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"onnx", "enginewright.compiler", "enginewright_compat.recipe"} & set(out)
