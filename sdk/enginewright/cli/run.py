"""`enginewright run`: one inference, and a summary of its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._options import (
    BuildOptions,
    build_options,
    given_trust,
    input_option,
    runtime_option,
    trust_options,
)  # fmt: skip
from enginewright.cli._progress import watching
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    import numpy as np

    from enginewright.tools.subject import Subject
    from enginewright.trust import Trust

EPILOG = """\b
Examples:
  enginewright run model.plan --input x=image.npy --outputs results
  enginewright run model.onnx --random 1 --shape x=1x3x224x224
"""


@click.command("run", epilog=EPILOG, short_help="Run a plan or model once.")
@click.argument("source", metavar="PLAN|MODEL", type=click.Path())
@input_option
@click.option("--random", "seed", type=int, metavar="SEED", help="Make the inputs that are not given, from this seed.")
@click.option("--outputs", metavar="FOLDER", help="Write each output to FOLDER/NAME.npy.")
@runtime_option("Of which runtime: safety loads a signed safe plan, and needs --keys.")
@trust_options
@build_options
@json_option
@common
def command(source: str, inputs: tuple[str, ...], outputs: str | None, options: BuildOptions, **asked: Any) -> None:
    """Run a PLAN, or a MODEL that is built first, once."""
    import time

    from enginewright.tools.inputs import read_inputs

    state = current()
    start_logging(state)
    given = read_inputs(inputs)
    subject = _open(source, options, asked["runtime"], given_trust(asked["keys"], asked["trust"]))
    seed = asked["seed"]
    arrays = given if seed is None else subject.input_maker(given, options.sizes()).make(seed)
    start = time.perf_counter()
    results = subject.engine.run(arrays)
    milliseconds = (time.perf_counter() - start) * 1e3
    files = _write(results, outputs) if outputs else {}
    _show(results, milliseconds, files, as_json=state.json)


def _open(source: str, options: BuildOptions, runtime: str, trust: Trust) -> Subject:
    from enginewright.tools.subject import open_safe_subject, open_subject

    if runtime == "safety":
        return open_safe_subject(source, trust, threads=options.threads)
    with watching(current()) as monitor:
        return open_subject(source, options.config(), progress=monitor, trust=trust)


def _write(results: dict[str, np.ndarray[Any, Any]], folder: str) -> dict[str, str]:
    """Write the arrays; the name of a file keeps only what every file system takes."""
    import re
    from pathlib import Path

    import numpy as np

    Path(folder).mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for index, (name, array) in enumerate(results.items()):
        plain = re.sub(r"[^\w.-]+", "_", name).strip(".") or f"output_{index}"
        path = Path(folder) / (
            f"{plain}.npy" if f"{folder}/{plain}.npy" not in files.values() else f"{plain}_{index}.npy"
        )
        np.save(path, array)
        files[name] = f"{folder}/{path.name}"
    return files


def _show(
    results: dict[str, np.ndarray[Any, Any]], milliseconds: float, files: dict[str, str], *, as_json: bool
) -> None:
    from enginewright.cli._output import print_json, print_table, print_text

    facts = [{"name": name, "dtype": str(a.dtype), "shape": list(a.shape), **_range(a)} for name, a in results.items()]
    if as_json:
        print_json("run", {"milliseconds": milliseconds, "outputs": facts, "files": files})
        return
    rows = [
        [str(f["name"]), str(f["dtype"]), " x ".join(map(str, a.shape)) or "scalar", *_texts(a)]
        for f, a in zip(facts, results.values(), strict=True)
    ]
    print_table(["output", "type", "shape", "min>", "max>", "mean>"], rows)
    print_text(f"first inference: {milliseconds:.3f} ms")
    for name, path in files.items():
        print_text(f"wrote {name} to {path}")


def _range(array: np.ndarray[Any, Any]) -> dict[str, float]:
    """The least, largest and mean number; nothing for texts and empty arrays."""
    if not array.size or array.dtype.kind in "OUSc":
        return {}
    numbers = array.astype("float64")
    return {"min": float(numbers.min()), "max": float(numbers.max()), "mean": float(numbers.mean())}


def _texts(array: np.ndarray[Any, Any]) -> list[str]:
    return [f"{value:.6g}" for value in _range(array).values()] or ["-"] * 3
