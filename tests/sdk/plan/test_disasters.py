"""Writers that are killed, disks that are full, folders that vanish: a reader sees the old file or the new one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright import errors
from enginewright.plan import writing
from enginewright.plan.artifact import Kind, Section, open_artifact, write_artifact
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import TacticTime, TimingDescription
from tests.compat.artifacts import META, example_passport

BIG = {Section.META: META, Section.WEIGHTS: np.ones(1 << 20, np.uint8)}


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program in a new interpreter that finds the packages and these tests; it prints when it is ready."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*.ew-tmp"))


# One child forks once a round, so that a round takes milliseconds; the grandchild is what is killed.
WRITER = """
    import os, signal, sys, time
    from pathlib import Path
    from tests.sdk.plan.test_disasters import write_once, write_for_ever
    write_once(Path(sys.argv[1] + ".first"), sys.argv[2], 0)  # whatever is loaded or computed once, is by now
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            write_for_ever(Path(sys.argv[1]), sys.argv[2], int(line.split()[0]))
        time.sleep(float(line.split()[1]))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("killed", flush=True)
"""


def write_for_ever(path: Path, what: str, number: int) -> None:
    """Write plans or merge timings until the process is killed."""
    while True:
        write_once(path, what, number)
        number += 1


def write_once(path: Path, what: str, number: int) -> None:
    """Write a plan or a calibration cache, or merge a timing into a cache."""
    if what == "plan":
        sections = {Section.META: META, Section.WEIGHTS: np.full(1 << 18, number % 251, np.uint8)}
        write_artifact(path, Kind.PLAN, sections, example_passport())
    elif what == "calibration":
        calibration(number).save(path)
    else:
        add_timings(path, [f"{number}"])


def calibration(number: int) -> ew.CalibrationCache:
    return ew.CalibrationCache("ab" * 32, {"x": ew.TensorRange(1.0, 0, "max", number + 1, "cd" * 32)})


READERS = {
    "plan": lambda path: open_artifact(path, Kind.PLAN),
    "cache": TimingCache.load,
    "calibration": ew.CalibrationCache.load,
}


def description(name: str) -> TimingDescription:
    return TimingDescription("ew::Relu@1", {}, [f"float32[{name}]"], "kernels", {}, {"model": "some CPU"}, "free")


def add_timings(path: Path, names: list[str]) -> None:
    """Merge one entry for each name into a cache file."""
    for name in names:
        cache = TimingCache.named(path)
        cache.record(description(name), {"cpu_relu": TacticTime(int(name) + 1, 15)})
        cache.save()


@pytest.mark.parametrize("what", ["plan", "cache", "calibration"])
def test_killed_100_times(tmp_path: Path, what: str) -> None:
    path, rng = tmp_path / "a.file", random.Random(20)
    if what == "plan":
        write_artifact(path, Kind.PLAN, BIG, example_passport())
    else:
        write_once(path, what, 0)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        killed_within, known = 0, set[str]()
        for number in range(100):
            child.stdin.write(f"{number} {rng.uniform(0, 0.03)}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "killed\n"
            found = READERS[what](path)
            if isinstance(found, TimingCache):
                assert known <= set(found), "a timing that was there is lost"
                known = set(found)
            killed_within += bool(leftovers(tmp_path))
        child.stdin.close()
    assert child.returncode == 0
    assert killed_within > 5, "most were killed before or after writing"
    assert len(leftovers(tmp_path)) <= 1, "each writer cleans up behind the one before"
    write_artifact(tmp_path / "b.plan", Kind.PLAN, BIG, example_passport())
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("step", ["write", "flush", "fsync", "fchmod", "replace"])
def test_killed_after_each_step(tmp_path: Path, step: str) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from enginewright.plan import writing
        from enginewright.plan.artifact import Kind
        from tests.sdk.plan.test_disasters import BIG, example_passport

        def die(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)

        class File:
            def __init__(self, file):
                self.file, self.fileno, self.seek = file, file.fileno, file.seek
            def write(self, data):
                self.file.write(data)
                sys.argv[2] == "write" and die()
            def flush(self):
                self.file.flush()
                sys.argv[2] == "flush" and die()

        create = writing._temporary
        class Temporary:
            def __init__(self, target): self.inner = create(target)
            def __enter__(self):
                path, file = self.inner.__enter__()
                return path, File(file)
            def __exit__(self, *facts): return self.inner.__exit__(*facts)

        writing._temporary = Temporary
        if sys.argv[2] in ("fsync", "fchmod"):
            setattr(os, sys.argv[2], die)
        if sys.argv[2] == "replace":
            whole = Path.replace
            Path.replace = lambda *paths: (whole(*paths), die())
        writing.write_artifact(sys.argv[1], Kind.PLAN, BIG, example_passport())
    """
    path = tmp_path / "a.plan"
    path.write_bytes(b"old")
    child = start(program, str(path), step)
    _, errors_text = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors_text
    if step == "replace":
        assert open_artifact(path, Kind.PLAN).weights.size == 1 << 20
        assert leftovers(tmp_path) == []
    else:
        assert path.read_bytes() == b"old"
        assert len(leftovers(tmp_path)) == 1
    writing.remove_abandoned(tmp_path)
    assert leftovers(tmp_path) == []


def test_eight_processes_merge_one_timing_cache(tmp_path: Path) -> None:
    path = tmp_path / "a.timing"
    program = """
        import sys
        from pathlib import Path
        from tests.sdk.plan.test_disasters import add_timings
        first = int(sys.argv[2])
        add_timings(Path(sys.argv[1]), [str(number) for number in range(first, first + 10)])
    """
    children = [start(program, str(path), str(10 * number)) for number in range(8)]
    for child in children:
        _, text = child.communicate()
        assert child.returncode == 0, text
    merged = TimingCache.load(path)
    assert len(merged) == 80
    for number in range(80):
        assert merged[description(str(number)).key].timings == {"cpu_relu": TacticTime(number + 1, 15)}
    assert leftovers(tmp_path) == []


def test_the_next_start_cleans_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed build left in the default cache goes when the next one opens it, though that writes nothing."""
    monkeypatch.setenv("ENGINEWRIGHT_CACHE_DIR", str(tmp_path))
    (tmp_path / "timing").mkdir(mode=0o700)
    (tmp_path / "timing" / ".a.timing.0123.ew-tmp").write_bytes(b"part")
    assert not TimingCache.default()
    assert leftovers(tmp_path / "timing") == []


# --- Places that cannot be written ------------------------------------------------------------------------------------


def write_refused(target: Path) -> errors.PlanWriteError:
    """Return the error with which a plan is not written."""
    with pytest.raises(errors.PlanWriteError) as caught:
        write_artifact(target, Kind.PLAN, BIG, example_passport())
    assert isinstance(caught.value, OSError)
    assert caught.value.hint
    return caught.value


def test_device_that_is_always_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file is /dev/full: every write says that there is no space."""
    path = tmp_path / "a.plan"
    path.write_bytes(b"old")
    link = tmp_path / ".full"
    link.symlink_to("/dev/full")
    monkeypatch.setattr(writing, "_create_locked", lambda target: (link, link.open("r+b", buffering=0)))
    assert "No space left" in write_refused(path).message
    assert path.read_bytes() == b"old"


def test_small_disk(tmp_path: Path) -> None:
    """A process may write only so many bytes of a file: below, within and behind the head, and all but the last."""
    program = """
        import resource, signal, sys
        from pathlib import Path
        from enginewright.errors import PlanWriteError
        from enginewright.plan.artifact import Kind, write_artifact
        from tests.sdk.plan.test_disasters import BIG, example_passport
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        for limit in (0, 1, 320, 4096, 4097, 1 << 19, int(sys.argv[2]) - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                write_artifact(sys.argv[1], Kind.PLAN, BIG, example_passport())
                sys.exit(f"{limit} bytes were enough")
            except PlanWriteError as error:
                assert "File too large" in error.message
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert Path(sys.argv[1]).read_bytes() == b"old", limit
    """
    path = tmp_path / "a.plan"
    write_artifact(path, Kind.PLAN, BIG, example_passport())
    size = path.stat().st_size
    path.write_bytes(b"old")
    child = start(program, str(path), str(size))
    _, text = child.communicate()
    assert child.returncode == 0, text
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("what", ["cache", "calibration"])
def test_small_disk_for_caches(tmp_path: Path, what: str) -> None:
    program = """
        import resource, signal, sys
        from pathlib import Path
        from enginewright.errors import PlanWriteError
        from tests.sdk.plan.test_disasters import write_once
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        path, hard = Path(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        write_once(path, sys.argv[2], 7)
        old = path.read_bytes()
        for limit in (0, 1, 320, len(old) - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                write_once(path, sys.argv[2], 8)
                sys.exit(f"{limit} bytes were enough")
            except PlanWriteError as error:
                assert "File too large" in error.message
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert path.read_bytes() == old, limit
    """
    child = start(program, str(tmp_path / "a.file"), what)
    _, text = child.communicate()
    assert child.returncode == 0, text
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("what", ["cache", "calibration"])
def test_caches_on_a_device_that_is_always_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    path, link = tmp_path / "a.file", tmp_path / ".full"
    write_once(path, what, 7)
    old = path.read_bytes()
    link.symlink_to("/dev/full")
    monkeypatch.setattr(writing, "_create_locked", lambda target: (link, link.open("r+b", buffering=0)))
    with pytest.raises(errors.PlanWriteError, match="No space left"):
        write_once(path, what, 8)
    assert path.read_bytes() == old


@pytest.mark.parametrize("what", ["cache", "calibration"])
def test_caches_in_a_folder_that_cannot_be_written(what: str) -> None:
    """Nobody may make files there, an administrator included."""
    with pytest.raises(errors.PlanWriteError) as caught:
        write_once(Path("/proc/self/a.file"), what, 1)
    assert caught.value.hint


def read_only(folder: Path) -> bool:
    """Make a folder read-only; return whether this user is bound by it (an administrator is not)."""
    folder.chmod(0o500)
    return not os.access(folder, os.W_OK)


def test_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.plan").write_bytes(b"old")
    if not read_only(folder):
        folder = Path("/proc/self")  # nobody may make files here
        assert write_refused(folder / "a.plan").where == str(folder / "a.plan")
        return
    write_refused(folder / "a.plan")
    assert (folder / "a.plan").read_bytes() == b"old"
    folder.chmod(0o700)


def test_folder_removed_while_writing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def pieces() -> Iterator[bytes]:
        yield b"first"
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        yield b"second"

    with pytest.raises(errors.PlanWriteError):
        writing.replace_file(folder / "a.plan", b"head", pieces(), "plan")
    assert not folder.exists()


def test_target_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.plan").mkdir()
    write_refused(tmp_path / "a.plan")
    assert leftovers(tmp_path) == []


def test_signing_on_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.sdk.plan.test_signing import key_file

    path = tmp_path / "a.plan"
    write_artifact(path, Kind.PLAN, BIG, example_passport())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.PlanWriteError, match="No space left"):
        ew.sign(path, key_file(tmp_path))
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == []
