"""Runs the fuzzer: `python -m tests.fuzz SECONDS [TARGET...]`, each target in a process of its own.

Needs atheris. Writes corpus, crashes and counts below build/fuzz; fails if an input breaks the promise, or if a target
accepted or refused nothing at all.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path("build/fuzz")
NAMES = ("raw", "metadata", "origins", "caches", "calibrations")
ADDRESS_SPACE = 8 << 30


def main(arguments: list[str]) -> int:
    """Run the targets one after another; return 1 if one of them failed."""
    if arguments[0] == "--one":
        run_one(arguments[1], int(arguments[2]))
        return 0
    seconds, names = int(arguments[0]), arguments[1:] or NAMES
    failed = False
    for name in names:
        done = subprocess.run([sys.executable, "-m", "tests.fuzz", "--one", name, str(seconds)], check=False)
        counts = json.loads((FOLDER / f"{name}.json").read_text())
        good = done.returncode == 0 and counts["accepted"] > 0 and counts["refused"] > 0
        print(f"{name}: {counts['accepted']:,} accepted, {counts['refused']:,} refused, exit {done.returncode}")
        failed = failed or not good
    return int(failed)


def run_one(name: str, seconds: int) -> None:
    """Fuzz one target in this process."""
    import atheris

    with atheris.instrument_imports(
        include=["enginewright.plan", "enginewright.trust", "enginewright.runtime.encoding", "enginewright_compat"]
    ):
        from tests.fuzz.targets import TARGETS, accepts, golden
    from tests.golden.plans import MORE, NETWORKS, OBJECTS

    for plan in (*NETWORKS, *MORE, *OBJECTS):
        golden(plan)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    counts = {"accepted": 0, "refused": 0}
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    written = 0.0

    def once(data: bytes) -> None:
        nonlocal written
        counts["accepted" if accepts(*TARGETS[name](data)) else "refused"] += 1
        if time.monotonic() > written + 1:
            written = time.monotonic()
            (FOLDER / f"{name}.json").write_text(json.dumps(counts))

    flags = [f"-max_total_time={seconds}", "-max_len=512", "-timeout=20", "-rss_limit_mb=4096", "-print_final_stats=1"]
    atheris.Setup([name, *flags, f"-artifact_prefix={FOLDER}/{name}-", str(folder)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
