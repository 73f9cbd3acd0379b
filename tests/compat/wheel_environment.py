"""What a test of several releases runs in the environment of each: make one file of every kind, load what others made.

python wheel_environment.py make FOLDER KEY.pem     write the files, the safe plan signed
python wheel_environment.py load KEYS.pem FILE...   print how each file loads in each runtime, as JSON
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import enginewright as ew
from enginewright_compat.version import running_version
from tests.golden.release import artifacts

SAFE = "mlp.safe.plan"
INPUTS = {"x": np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)}


def make(folder: Path, key: str) -> None:
    """Write the golden artifacts of this release."""
    for name, data in artifacts():
        (folder / name).write_bytes(data)
    ew.sign(folder / SAFE, key)


def load(path: Path, keys: str) -> dict[str, str]:
    """Return "OK", or the code and field of the refusal, by runtime."""
    trust = ew.read_public_keys(keys)
    ways: dict[str, Callable[[], object]] = {"standard": lambda: run(ew.load(path))}
    if path.suffix == ".timing":
        ways = {"standard": lambda: ew.TimingCache.load(path)}
    elif path.suffix == ".calib":
        ways = {"standard": lambda: ew.CalibrationCache.load(path)}
    ways["safety"] = lambda: run(ew.load(path, runtime="safety", trust=trust))
    return {runtime: outcome(way) for runtime, way in ways.items()}


def run(engine: ew.Engine) -> None:
    """Compute something: loading is not all."""
    with engine:
        assert np.isfinite(engine.run(INPUTS)["y"]).all()


def outcome(way: Callable[[], object]) -> str:
    """Return how a call ends."""
    try:
        way()
    except ew.PlanError as error:
        return f"{error.code} {getattr(error.details, 'field', '')}"
    return "OK"


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), sys.argv[3])
    else:
        found = {name: load(Path(name), sys.argv[2]) for name in sys.argv[3:]}
        print(json.dumps({"version": str(running_version()), "found": found}))
