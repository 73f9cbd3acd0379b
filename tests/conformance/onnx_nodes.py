"""The backend tests of the installed onnx package, run through parser, builder and runtime.

    python -m tests.conformance.onnx_nodes [TEXT] [--update] [--skipped] [--verbose]

runs its tests of single nodes and those of whole models that it has as files (their names begin with the suite's, as in
simple/sign_model), those whose name contains TEXT, and counts them: passed, failed by cause, skipped by reason.
`--update` writes the names of all that passed to `node_passes.txt`: from then on each of them must pass.
Behind the name of one that runs a layer in Python stands a star; all others must go on with native kernels only.
`node_skips.toml` names those that are not run, each with its reason; `--skipped` runs just these, to see which pass by
now.
"""

from __future__ import annotations

import argparse
import collections
import functools
import tomllib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

import enginewright as ew

Value: TypeAlias = "np.ndarray | list[Value] | None"

FOLDER = Path(__file__).parent
PASSES = FOLDER / "node_passes.txt"
SKIPS = FOLDER / "node_skips.toml"
SUITES = ("simple", "pytorch-operator", "pytorch-converted")
PYTHON = " *"
HEADER = (
    "# Backend tests of onnx {version} that must pass; written by: python -m tests.conformance.onnx_nodes --update\n"
)


@functools.cache
def load_cases() -> dict[str, TestCase]:
    """Return every test of the installed onnx, by name without "test_"; those of a suite of models with its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators divide by zero on purpose
        found = {case.name.removeprefix("test_"): case for case in load_model_tests(kind="node")}
    for suite in SUITES:
        cases = sorted(load_model_tests(kind=suite), key=lambda case: case.name)
        found |= {f"{suite}/{case.name.removeprefix('test_')}": case for case in cases}
    return found


@functools.cache
def load_passes() -> frozenset[str]:
    """Return the names of the tests that must pass."""
    return frozenset(line.removesuffix(PYTHON) for line in _lines())


@functools.cache
def load_native() -> frozenset[str]:
    """Return the names of the tests that must pass with native kernels only."""
    return frozenset(line for line in _lines() if not line.endswith(PYTHON))


def _lines() -> list[str]:
    return [line for line in PASSES.read_text().splitlines() if line and not line.startswith("#")]


@functools.cache
def load_skips() -> dict[str, str]:
    """Return the reason by name of each test that is not run."""
    groups = tomllib.loads(SKIPS.read_text())["skip"]
    return {name: group["reason"] for group in groups for name in group["tests"]}


def listed_version() -> str:
    """Return the version of onnx for which the list of passes was written."""
    first = PASSES.read_text().partition("\n")[0]
    return first.removeprefix("# Backend tests of onnx ").partition(" ")[0]


def model_of(case: TestCase) -> onnx.ModelProto:
    """Return the model of a test, which may be in a file."""
    return case.model or onnx.load(Path(case.model_dir) / "model.onnx")


def _data_sets(case: TestCase, model: onnx.ModelProto) -> Iterable[tuple[list[Value], list[Value]]]:
    """Yield inputs and expected outputs."""
    if case.data_sets is not None:
        for given, expected in case.data_sets:
            yield [_to_value(item) for item in given], [_to_value(item) for item in expected]
        return
    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")):
        yield _read(folder, "input", model.graph.input), _read(folder, "output", model.graph.output)


def _read(folder: Path, kind: str, infos: Iterable[onnx.ValueInfoProto]) -> list[Value]:
    """Return the values of the files of one kind, as many as there are, each of the type that the model says."""
    protos = {"tensor_type": onnx.TensorProto, "sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}
    found = []
    for index, info in enumerate(infos):
        path = folder / f"{kind}_{index}.pb"
        if path.exists():
            found.append(_to_value(protos[info.type.WhichOneof("value")].FromString(path.read_bytes())))
    return found


def run_case(case: TestCase, level: int = 0) -> bool:
    """Build at a level and run one test; raise AssertionError if an output differs beyond onnx's own tolerance.

    Return whether native kernels did it all.
    """
    model = model_of(case)
    plan = ew.build(model, ew.BuilderConfig(level=level))
    engine = ew.load(plan)
    fixed = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in fixed]
    for inputs, expected in _data_sets(case, model):
        results = engine.run(dict(zip(names, inputs, strict=False)))
        _check_alike(expected, [results[value.name] for value in model.graph.output], case)
    return is_native(plan)


def is_native(plan: ew.Plan) -> bool:
    """Return whether a plan has no step in Python."""
    return all(step.operator is None for program in plan.meta.programs for step in program.steps)


def _check_alike(expected: Value, found: Value, case: TestCase) -> None:
    """Raise AssertionError unless two values agree, sequences item by item, which onnx does not of scalars."""
    if isinstance(expected, list):
        assert isinstance(found, list), f"a sequence of {len(expected)} is expected, {type(found).__name__} was found"
        assert len(found) == len(expected), f"{len(expected)} items are expected, {len(found)} were found"
        for item, other in zip(expected, found, strict=True):
            _check_alike(item, other, case)
    else:
        Runner.assert_similar_outputs([expected], [found], case.rtol, case.atol)


def _to_value(item: object) -> Value:
    """Return what a test gives (array, scalar, protocol buffer, list, None) as the runtime takes it."""
    match item:
        case None:
            return None
        case list() | tuple():
            return [_to_value(part) for part in item]
        case onnx.TensorProto():
            return numpy_helper.to_array(item)
        case onnx.SequenceProto():
            return [_to_value(part) for part in numpy_helper.to_list(item)]
        case onnx.OptionalProto():
            return _to_value(numpy_helper.to_optional(item))
        case _:
            return np.asarray(item)


def try_case(case: TestCase) -> str | bool:
    """Run one test; return whether native kernels did it all if it passes, else one line about the failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return run_case(case)
        except (ew.EnginewrightError, AssertionError, Warning, Exception) as error:  # noqa: BLE001  # counted, and shown
            text = getattr(error, "message", None) or " ".join(str(error).split())
            return f"{type(error).__name__}: {text[:160]}"


def _report(failures: dict[str, str], skipped: Iterable[str], verbose: bool) -> None:
    """Print failures by cause and skips by reason, the largest groups first."""
    causes = collections.defaultdict(list)
    for name, cause in failures.items():
        causes[cause if verbose else cause.partition(":")[0]].append(name)
    for cause, members in sorted(causes.items(), key=lambda item: -len(item[1])):
        print(f"{len(members):5} failed   {cause}\n               {', '.join(members[: None if verbose else 8])}")
    for reason, count in collections.Counter(load_skips().get(name, "not asked for") for name in skipped).most_common():
        print(f"{count:5} skipped  {reason}")


def main() -> None:
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.onnx_nodes", description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", default="")
    parser.add_argument("--update", action="store_true", help="write the list of tests that must pass")
    parser.add_argument("--skipped", action="store_true", help="run the skipped tests instead")
    parser.add_argument("--verbose", action="store_true", help="group failures by the whole message, name them all")
    arguments = parser.parse_args()
    cases = {name: case for name, case in load_cases().items() if arguments.text in name}
    skipped = [name for name in cases if (name in load_skips()) != arguments.skipped]
    results = {name: try_case(case) for name, case in cases.items() if name not in skipped}
    failures = {name: cause for name, cause in results.items() if isinstance(cause, str)}
    passes = sorted(set(results) - set(failures))
    _report(failures, skipped, arguments.verbose)
    native = sum(result is True for result in results.values())
    print(f"{len(passes)} passed, {native} of them with native kernels only, ", end="")
    print(f"{len(failures)} failed, {len(skipped)} skipped, of {len(cases)}")
    if lost := sorted(load_passes() & set(failures)):
        print(f"{len(lost)} of them must pass: {', '.join(lost)}")
    if arguments.skipped and passes:
        print(f"no longer to be skipped: {', '.join(passes)}")
    if arguments.update:
        if arguments.text or arguments.skipped:
            raise SystemExit("--update needs all tests that are not skipped, and no others")
        lines = [name if results[name] else f"{name}{PYTHON}" for name in passes]
        PASSES.write_text(HEADER.format(version=onnx.__version__) + "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
