"""A file is replaced at once or not at all, and what dead writers leave behind goes away."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import BinaryIO

import ml_dtypes
import numpy as np
import pytest
from blake3 import blake3

from enginewright import errors
from enginewright.plan import writing
from enginewright.plan.artifact import Kind, Section, artifact_bytes, open_artifact, write_artifact
from enginewright_compat.layout import CHUNK
from tests.compat.artifacts import META, WEIGHTS, example_passport, take_apart

SECTIONS = {Section.META: META, Section.WEIGHTS: WEIGHTS}
BIG = {Section.META: META, Section.WEIGHTS: np.zeros(4 * CHUNK, dtype=np.uint8)}


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".ew-tmp"))


def test_file_has_the_same_bytes_as_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_artifact(path, Kind.PLAN, SECTIONS, example_passport())
    assert path.read_bytes() == artifact_bytes(Kind.PLAN, SECTIONS, example_passport())
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.plan"]


def test_layout_is_the_documented_one() -> None:
    data = artifact_bytes(Kind.PLAN, SECTIONS, example_passport())
    assert data[:8] == bytes.fromhex("894557500d0a1a0a")
    parts = take_apart(data)
    assert (parts.prefix["format_major"], parts.prefix["format_minor"], parts.prefix["kind"]) == (1, 1, 1)
    assert (parts.prefix["header_size"], parts.prefix["entry_size"]) == (320, 80)
    assert [(entry["type"], entry["flags"], entry["align"]) for entry in parts.entries] == [
        (1, 1, 64),
        (2, 1, 64),
        (3, 5, 4096),
        (4, 1, 64),
    ]
    assert parts.sections[3] == blake3(WEIGHTS).digest()
    assert parts.entries[2]["digest"] == hashlib.sha256(parts.sections[3]).digest()
    assert all(gap == bytes(len(gap)) for gap in parts.gaps)
    assert parts.header["table"] == hashlib.sha256(data[320 : 320 + 80 * 4]).digest()


def test_same_content_gives_same_bytes_in_any_order() -> None:
    turned = dict(reversed(list(SECTIONS.items())))
    passport = example_passport()
    assert artifact_bytes(Kind.PLAN, turned, passport) == artifact_bytes(Kind.PLAN, SECTIONS, passport)


def test_weights_may_be_any_buffer() -> None:
    passport = example_passport()
    expected = artifact_bytes(Kind.PLAN, SECTIONS, passport)
    array = np.frombuffer(WEIGHTS, np.uint8)
    twice = np.repeat(array, 2)[::2]
    for weights in (bytearray(WEIGHTS), memoryview(WEIGHTS), array.view(ml_dtypes.bfloat16).reshape(4, 25), twice):
        assert artifact_bytes(Kind.PLAN, {Section.META: META, Section.WEIGHTS: weights}, passport) == expected
    for empty in (np.zeros((0, 3)), b"", memoryview(b"")):
        assert artifact_bytes(Kind.PLAN, {Section.META: META, Section.WEIGHTS: empty}, passport) != expected


@pytest.mark.parametrize(
    ("kind", "sections"),
    [
        (Kind.PLAN, {Section.META: META}),
        (Kind.PLAN, SECTIONS | {Section.ENTRIES: b"[]"}),
        (Kind.TIMING_CACHE, SECTIONS),
        (Kind.SAFE_PLAN, SECTIONS | {Section.RECIPE: b"{}"}),
    ],
)
def test_wrong_sections(kind: Kind, sections: dict[Section, bytes]) -> None:
    with pytest.raises(errors.PlanInvalid, match="sections"):
        artifact_bytes(kind, sections, example_passport())


def test_limits() -> None:
    with pytest.raises(errors.PlanLimitExceeded, match="META"):
        artifact_bytes(Kind.PLAN, SECTIONS | {Section.META: bytes((64 << 20) + 1)}, example_passport())
    with pytest.raises(errors.PlanInvalid, match="1024 bytes"):
        artifact_bytes(Kind.PLAN, SECTIONS, example_passport(name="n" * 1025))
    with pytest.raises(errors.PlanInvalid, match="control characters"):
        artifact_bytes(Kind.PLAN, SECTIONS, example_passport(name="a\nb"))
    with pytest.raises(errors.PlanInvalid, match="more than 262,144"):
        artifact_bytes(Kind.PLAN, SECTIONS, example_passport(features=tuple(f"{i:06}" for i in range(40_000))))


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_mode_of_a_new_file_follows_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_artifact(tmp_path / "a.plan", Kind.PLAN, SECTIONS, example_passport())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.plan").stat().st_mode) == 0o666 & ~umask


def test_mode_of_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_artifact(path, Kind.PLAN, SECTIONS, example_passport())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_reader_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_artifact(path, Kind.PLAN, SECTIONS, example_passport())
    old = open_artifact(path, Kind.PLAN)
    write_artifact(path, Kind.PLAN, {Section.META: META, Section.WEIGHTS: b"new"}, example_passport())
    assert old.weights.tobytes() == WEIGHTS
    assert open_artifact(path, Kind.PLAN).weights.tobytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "fchmod", "replace"])
def test_failure_at_any_step_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "a.plan"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if step == "replace" else os, step, fail)
    with pytest.raises(errors.PlanWriteError, match="No space left") as caught:
        write_artifact(path, Kind.PLAN, SECTIONS, example_passport())
    assert isinstance(caught.value, OSError)
    assert caught.value.where == str(path)
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["missing/a.plan", "file/a.plan", ""])
def test_places_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.PlanWriteError):
        write_artifact(tmp_path / name, Kind.PLAN, SECTIONS, example_passport())
    assert leftovers(tmp_path) == []
    assert leftovers(tmp_path.parent) == []


def test_file_size_limit(tmp_path: Path) -> None:
    """The disk is full, as a process sees it that may write only 8 KiB."""
    program = """
        import resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        from enginewright.errors import PlanWriteError
        from enginewright.plan.artifact import Kind, write_artifact
        from tests.sdk.plan.test_writing import BIG, example_passport
        try:
            write_artifact(sys.argv[1], Kind.PLAN, BIG, example_passport())
        except PlanWriteError as error:
            print(error.message)
    """
    path = tmp_path / "a.plan"
    path.write_bytes(b"old")
    done = run(program, str(path))
    assert "File too large" in done.stdout
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a new interpreter that finds the packages and these tests."""
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_killed_writer_leaves_old_file_and_the_next_writer_cleans_up(tmp_path: Path) -> None:
    program = """
        import os, signal, sys
        from enginewright.plan import writing
        from enginewright.plan.artifact import Kind, write_artifact
        from tests.sdk.plan.test_writing import SECTIONS, example_passport
        step = sys.argv[2]
        setattr(os, step, lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
        write_artifact(sys.argv[1], Kind.PLAN, SECTIONS, example_passport())
    """
    path = tmp_path / "a.plan"
    path.write_bytes(b"old")
    for count, step in enumerate(("fsync", "fchmod"), 1):
        assert run(program, str(path), step).returncode == -signal.SIGKILL
        assert path.read_bytes() == b"old"
        assert len(leftovers(tmp_path)) == 1, f"killed {count} times, yet one is cleaned at each start"
    write_artifact(path, Kind.PLAN, SECTIONS, example_passport())
    assert leftovers(tmp_path) == []
    assert open_artifact(path, Kind.PLAN).weights.tobytes() == WEIGHTS


def test_temporary_file_of_a_living_writer_stays(tmp_path: Path) -> None:
    with writing._temporary(tmp_path / "a.plan") as (path, _):
        writing.remove_abandoned(tmp_path)
        assert leftovers(tmp_path) == [path.name]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert leftovers(tmp_path) == []


def test_writer_that_meets_a_cleaner_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, calls = fcntl.flock, []

    def cleaned_before_locked(file: BinaryIO, operation: int) -> None:
        calls.append(operation)
        if len(calls) == 1:
            for path in tmp_path.glob(".*.ew-tmp"):
                path.unlink()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", cleaned_before_locked)
    write_artifact(tmp_path / "a.plan", Kind.PLAN, SECTIONS, example_passport())
    assert len(calls) == 2
    assert open_artifact(tmp_path / "a.plan", Kind.PLAN).weights.tobytes() == WEIGHTS


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    finished: list[int] = []

    def write(number: int) -> None:
        for _ in range(20):
            sections = {Section.META: META, Section.WEIGHTS: bytes([number] * 99)}
            write_artifact(path, Kind.PLAN, sections, example_passport())
        finished.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(finished) == list(range(6))
    assert len(set(open_artifact(path, Kind.PLAN).weights.tobytes())) == 1
    assert leftovers(tmp_path) == []


def test_mode_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(re, "search", lambda *_: None)
    write_artifact(tmp_path / "a.plan", Kind.PLAN, SECTIONS, example_passport())
    assert stat.S_IMODE((tmp_path / "a.plan").stat().st_mode) == 0o600


def test_forked_child_can_hash_after_its_parent_did() -> None:
    """A pool of threads that outlives the call is not there in the child, which would wait for it for ever."""
    program = """
        import os, signal
        from enginewright.plan.hashing import chunk_digests
        data = memoryview(bytes(3 << 22))
        expected = chunk_digests(data)
        if os.fork() == 0:
            signal.alarm(60)
            os._exit(chunk_digests(data) != expected)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    assert run(program).stdout == "0\n"
