"""Measures what the project promises, and models beside other runtimes.

    python -m tests.bench                      the promises: call overhead, load time, start-up
    python -m tests.bench models [NAME ...]    speed beside ONNX Runtime and OpenVINO

`--write FILE` also writes the table as a page of the documentation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench import promises, speed


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("promises", "models"), default="promises")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models of tests/models.json; default: all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--threads", type=int, help="default: all CPUs that this process may use")
    arguments = parser.parse_args()
    if arguments.what == "promises":
        return promises.report()
    return speed.report(arguments.names, arguments.threads, arguments.write)


if __name__ == "__main__":
    sys.exit(main())
