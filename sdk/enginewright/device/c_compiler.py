"""Compiles C source to shared libraries, and keeps them in a private folder by their content."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

from enginewright.device.cache_folder import kernels_folder
from enginewright.errors import PluginError, PluginInvalid
from enginewright_compat.machine import this_machine

FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-Wall")
ALWAYS = ("-shared", "-fPIC")
HEADER = Path(__file__).parents[1] / "_native" / "include"
"""The folder of ``enginewright.h``."""

MARK = b"enginewright object "
SECONDS = 300


def compiled(text: str, flags: tuple[str, ...], name: str) -> Path:
    """The shared library of a source; `PluginError` without a compiler, `PluginInvalid` if the source is refused."""
    path = kernels_folder(name) / f"{_key(text, flags)}.so"
    if not _intact(path):
        _compile(text, flags, name, path)
    return path


def compiler() -> list[str] | None:
    """The command that compiles C: `$CC`, else `cc`; None if there is none."""
    words = shlex.split(os.environ.get("CC") or "cc")
    found = shutil.which(words[0]) if words else None
    return None if found is None else [found, *words[1:]]


def header_folder() -> Path:
    """The folder of the C header, for the ``-I`` of a compiler."""
    return HEADER


def _key(text: str, flags: tuple[str, ...]) -> str:
    """A digest of everything that the object depends on: the compiler and the CPU too, as homes may be shared."""
    machine = this_machine()
    facts = [text, flags, _header_digest(), _compiler_version(), machine.arch, machine.model, sorted(machine.features)]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()[:40]


@cache
def _header_digest() -> str:
    return hashlib.sha256((HEADER / "enginewright.h").read_bytes()).hexdigest()


def _compiler_version() -> str:
    return _version_of(tuple(compiler() or ()))


@cache
def _version_of(command: tuple[str, ...]) -> str:
    """What the compiler says of itself, empty for none: then only objects made without one would fit, and none are."""
    if not command:
        return ""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _intact(path: Path) -> bool:
    """Whether the object is there and ends with the digest of what comes before; the loader ignores such an end."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    body, _, end = data.rpartition(MARK)
    return hashlib.sha256(body).hexdigest().encode() == end


def _compile(text: str, flags: tuple[str, ...], name: str, path: Path) -> None:
    command = compiler()
    if command is None:
        raise PluginError(
            f"{name} is C source, and there is no C compiler",
            hint="Install one (cc), or set CC to its command.",
        )
    stem = path.with_name(f".{path.stem}.{secrets.token_hex(8)}")
    source, made = stem.with_suffix(".c"), stem.with_suffix(".tmp")
    try:
        source.write_text(text, encoding="utf-8")
        _run([*command, *flags, *ALWAYS, f"-I{HEADER}", str(source), "-o", str(made), "-lm"], name)
        body = made.read_bytes()
        made.write_bytes(body + MARK + hashlib.sha256(body).hexdigest().encode())
        made.replace(path)
    except OSError as error:
        text = f"{name} can't be compiled: {error}"
        raise PluginError(text, hint="Check the cache folder.", where=str(path)) from error
    finally:
        source.unlink(missing_ok=True)
        made.unlink(missing_ok=True)


def _run(command: list[str], name: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise PluginError(f"compiling {name} took more than {SECONDS} s", hint="Simplify the source.") from None
    if done.returncode:
        said = done.stderr.strip()[:2000]
        if not said:  # it was never about the source
            text = f"the C compiler refuses {name}: {command[0]} ended with {done.returncode} and said nothing"
            raise PluginInvalid(text, hint="Let CC name a C compiler, or leave it unset for cc.")
        raise PluginInvalid(f"the C compiler refuses {name}:\n{said}", hint="Correct the source of the kernel.")
