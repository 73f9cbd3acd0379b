"""Measures what the project promises, and models beside other runtimes.

    python -m tests.bench                      the promises: call overhead, load time, start-up
    python -m tests.bench models [NAME ...]    speed beside ONNX Runtime and OpenVINO, build and load times, memory
    python -m tests.bench suite [NAME ...]     the same in all precisions, with all threads and with one, and a summary

`--write FILE` also writes the table of models as a page of the documentation, `--json FILE` its figures; a suite writes
both of every table into a `--folder`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench import promises, speed, suite


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    help_ = "what the project promises (default), or models beside other runtimes: one table, or all of them"
    parser.add_argument("what", nargs="?", choices=("promises", "models", "suite"), default="promises", help=help_)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models of tests/models.json; default: all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of models as JSON")
    parser.add_argument("--threads", type=int, help="default: all CPUs that this process may use")
    parser.add_argument("--batch", type=int, help="of models with a dynamic batch")
    parser.add_argument(
        "--precision", default="fp32", choices=("fp32", "bf16", "int8"),
        help="ours; bf16 is compared with OpenVINO's default, int8 measures the models quantized when they were made",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=1, help="of models, the one with the median ratio counts")
    parser.add_argument("--starts", type=int, default=0, help="processes that load each model; default: none does")
    parser.add_argument("--rivals", action="store_true", help="measure only the peers that compute in this precision")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="of a suite; default: build/bench")
    arguments = parser.parse_args()
    if arguments.what == "promises":
        return promises.report()
    if arguments.what == "suite":
        return suite.report(arguments.names, arguments.folder, max(arguments.runs, 1))
    how = speed.How(
        arguments.threads, arguments.batch, arguments.precision,
        runs=max(arguments.runs, 1), starts=max(arguments.starts, 0), rivals_only=arguments.rivals,
    )  # fmt: skip
    return int(speed.report(arguments.names, how, speed.Pages(arguments.write, arguments.json)).failed > 0)


if __name__ == "__main__":
    sys.exit(main())
