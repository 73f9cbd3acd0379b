"""Measures what the project promises, and models beside other runtimes.

    python -m tests.bench                      the promises: call overhead, load time, start-up
    python -m tests.bench models [NAME ...]    speed beside ONNX Runtime and OpenVINO
    python -m tests.bench loading [NAME ...]   build and load times, memory, beside them

`--write FILE` also writes the table as a page of the documentation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench import loading, promises, speed


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    help_ = "what the project promises (default), models beside other runtimes, or what building and loading them cost"
    parser.add_argument("what", nargs="?", choices=("promises", "models", "loading"), default="promises", help=help_)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models of tests/models.json; default: all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of models as JSON")
    parser.add_argument("--threads", type=int, help="default: all CPUs that this process may use")
    parser.add_argument("--batch", type=int, help="of models with a dynamic batch")
    parser.add_argument(
        "--precision", default="fp32", help="ours: fp32, or bf16, which is compared with OpenVINO's default"
    )
    parser.add_argument("--runs", type=int, default=1, help="of models, the one with the median ratio counts")
    arguments = parser.parse_args()
    if arguments.what == "promises":
        return promises.report()
    if arguments.what == "loading":
        return loading.report(arguments.names, arguments.write)
    how = speed.How(arguments.threads, arguments.batch, arguments.precision, max(arguments.runs, 1))
    return speed.report(arguments.names, how, speed.Pages(arguments.write, arguments.json))


if __name__ == "__main__":
    sys.exit(main())
