"""The folder of all caches: ENGINEWRIGHT_CACHE_DIR, else the user's cache folder; only its owner may write there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from enginewright.errors import CacheError, PlanDetails, PlanWriteError, PluginError

LOCK_SECONDS = 30


def cache_folder() -> Path:
    """Where caches live: ENGINEWRIGHT_CACHE_DIR, else the user's cache folder."""
    return Path(os.environ.get("ENGINEWRIGHT_CACHE_DIR") or platformdirs.user_cache_dir("enginewright"))


def make_private(folder: Path) -> None:
    """Make a folder that only this user may write, with those above it; `CacheError` if another one could write there.

    Raises OSError where it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    others = stat.S_IMODE(status.st_mode) & 0o022
    if status.st_uid == os.getuid() and not others:
        return
    found = "may be written by other users" if others else f"belongs to user {status.st_uid}"
    raise CacheError(
        f"the cache folder {found}, so what is in it cannot be relied on",
        hint=f"chmod 700 {folder}, or set ENGINEWRIGHT_CACHE_DIR to a folder of your own.",
        where=str(folder),
    )


def kernels_folder(name: str) -> Path:
    """The private folder of compiled kernels, made if need be; `PluginError`, for kernel `name`, where it can't be."""
    folder = cache_folder() / "kernels"
    try:
        make_private(folder)
    except OSError as error:
        message = f"{name} can't be compiled: {error.strerror or error}"
        hint = "Set ENGINEWRIGHT_CACHE_DIR to a folder that may be written."
        raise PluginError(message, hint=hint, where=str(folder)) from error
    return folder


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which may have to be made itself."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK)


def check_writable(path: Path, label: str) -> None:
    """Raise `PlanWriteError` where a file could not be written."""
    if not is_writable(path.parent):
        raise PlanWriteError(
            f"{label}: its folder cannot be written",
            hint="name a file in a folder that you may write",
            where=str(path),
            details=PlanDetails(label),
        )


@contextmanager
def locked(path: Path, label: str) -> Iterator[None]:
    """Make the folder and hold `FILE.lock`, so that of several processes only one merges.

    Raises `CacheError` if another one holds it for 30 s, `PlanWriteError` where no file can be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{path}.lock").touch()  # FileLock tries for 30 s in a folder where it can make no file
        lock = FileLock(f"{path}.lock", timeout=LOCK_SECONDS)
        lock.acquire()
    except Timeout:
        raise CacheError(
            f"the {label} is locked for more than {LOCK_SECONDS} s", hint="End the other build.", where=str(path)
        ) from None
    except OSError as error:
        raise PlanWriteError(
            f"{label}: cannot lock it for writing: {error.strerror or error}",
            hint="check that the folder exists and may be written; an existing file is intact",
            where=str(path),
            details=PlanDetails(label),
        ) from error
    try:
        yield
    finally:
        lock.release()
