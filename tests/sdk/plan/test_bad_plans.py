"""Plans with right digests and canonical JSON whose graph breaks one rule: each is refused, by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import enginewright as ew
from enginewright import errors
from enginewright.errors import EnginewrightError
from enginewright.plan.artifact import Kind, Section, open_artifact
from enginewright.plan.canonical import NotCanonical, decode_json
from enginewright.plan.meta import Meta
from enginewright.plan.plan import Plan
from enginewright_compat.rules import Level
from tests.bench.large_plan import write_large_plan
from tests.fuzz.mutation import with_section
from tests.fuzz.targets import limits
from tests.golden.plans import golden

Json = dict[str, Any]
Damage = Callable[[Json], object]


def meta_of(name: str) -> Json:
    """Return the decoded META of a plan."""
    decoded: Json = json.loads(bytes(open_artifact(golden(name), Kind.PLAN).sections[Section.META]))
    return decoded


def with_meta(name: str, meta: object) -> bytes:
    """Return a sealed plan with another META in canonical form."""
    text = json.dumps(meta, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return with_section(golden(name), Section.META, text)


def load(data: bytes) -> None:
    """Load a plan as `ew.load` does."""
    with ew.Engine(Plan.load(data), threads=1):
        pass


def at(*path: str | int) -> Callable[[Json], Any]:
    """Return what finds a place of the first program."""

    def find(meta: Json) -> Any:
        place = meta["programs"][0]
        for key in path:
            place = place[key]
        return place

    return find


def put(*path: Any) -> Damage:
    """Set a place of the first program: path, then the value."""
    *where, key, value = path
    return lambda meta: at(*where)(meta).__setitem__(key, value)


def top(key: str, value: object) -> Damage:
    """Set a place of META."""
    return lambda meta: meta.__setitem__(key, value)


def remove(*path: Any) -> Damage:
    """Delete a place of the first program."""
    *where, key = path
    return lambda meta: at(*where)(meta).__delitem__(key)


def port(kind: str, number: int, **fields: object) -> Damage:
    """Change an input or output of the engine."""
    return lambda meta: meta[kind][number].update(fields)


def weight(number: int, **fields: object) -> Damage:
    """Change the record of a weight."""
    return lambda meta: meta["weights"][number].update(fields)


def profile(**shapes: list[list[int]]) -> Damage:
    """Add a profile."""
    return lambda meta: meta["profiles"].append({"name": "p", "shapes": shapes})


X, ROWS = [[1, 2, 3], [1, 2, 3]], [[2, 2, 2]]
STEP, TENSOR, STORAGE = ("steps", 0), ("tensors", 4), ("storages", 3)

# name, plan, damage, code of the refusal
BAD: list[tuple[str, str, Damage, str]] = [
    ("schema", "mlp", top("schema", 2), "EW-P009"),
    ("no programs", "mlp", top("programs", []), "EW-P009"),
    ("negative threads", "mlp", top("threads", -1), "EW-P009"),
    ("unknown key", "mlp", top("more", 1), "EW-P009"),
    ("missing key", "mlp", lambda meta: meta.pop("inputs"), "EW-P009"),
    ("real number", "mlp", top("threads", 1.5), "EW-P009"),
    ("text for a number", "mlp", top("schema", "1"), "EW-P009"),
    ("default written out", "mlp", put(*STEP, "workspace", 0), "EW-P009"),
    ("integer of more than 64 bits", "mlp", put(*STEP, "params", [2**64]), "EW-P009"),
    # ports and profiles
    ("unknown type of an input", "mlp", port("inputs", 0, dtype=99), "EW-P009"),
    ("type of an input", "mlp", port("inputs", 0, dtype=7), "EW-P009"),
    ("type of an output", "mlp", port("outputs", 0, dtype=7), "EW-P009"),
    ("rank of an output", "mlp", port("outputs", 0, shape=[2]), "EW-P009"),
    ("nine axes", "mlp", port("inputs", 0, shape=[1] * 9), "EW-P009"),
    ("axis of 2^31", "mlp", port("inputs", 0, shape=[2**31, 4]), "EW-P009"),
    ("negative axis", "mlp", port("inputs", 0, shape=[-1, 4]), "EW-P009"),
    ("control character in a name", "mlp", port("inputs", 0, name="a\x1bb"), "EW-P009"),
    ("name of 1,025 bytes", "mlp", port("inputs", 0, name="n" * 1025), "EW-P009"),
    ("two inputs of one name", "dynamic", port("inputs", 1, name="x"), "EW-P009"),
    ("two outputs of one name", "dynamic", port("outputs", 1, name="y"), "EW-P009"),
    ("an input too many", "mlp", lambda meta: meta["inputs"].append(dict(meta["inputs"][0], name="z")), "EW-P009"),
    ("an output too few", "dynamic", lambda meta: meta["outputs"].pop(), "EW-P009"),
    ("profile without an input", "dynamic", profile(x=X), "EW-P009"),
    ("profile of an unknown input", "dynamic", profile(x=X, rows=ROWS, z=X), "EW-P009"),
    ("profile of another rank", "dynamic", profile(x=X[:1], rows=ROWS), "EW-P009"),
    ("profile with min above opt", "dynamic", profile(x=[[3, 2, 4], [1, 1, 1]], rows=ROWS), "EW-P009"),
    ("profile with a size of 2^31", "dynamic", profile(x=[[1, 2, 2**31], [1, 1, 1]], rows=ROWS), "EW-P009"),
    (
        "more profiles than programs",
        "dynamic",
        lambda m: (profile(x=X, rows=ROWS)(m), profile(x=X, rows=ROWS)(m)),
        "EW-P009",
    ),
    ("parameters of a main program", "mlp", put("n_params", 1), "EW-P009"),
    # weights
    ("weight out of order", "mlp", weight(1, offset=128), "EW-P009"),
    ("weight off its alignment", "mlp", weight(1, offset=257), "EW-P009"),
    ("weight behind the section", "mlp", weight(2, length=385), "EW-P009"),
    ("weight too short to cover", "mlp", weight(2, length=383), "EW-P009"),
    ("weight of negative length", "mlp", weight(0, length=-1), "EW-P009"),
    ("weight of 2^62 bytes", "mlp", weight(2, length=2**62), "EW-P009"),
    ("weights not listed", "mlp", top("weights", []), "EW-P009"),
    ("storage of no weight", "conv", put("storages", 1, "value", 2), "EW-P009"),
    ("storage of weight -1", "conv", put("storages", 1, "value", -1), "EW-P009"),
    # Python steps
    ("operator without a Python kernel", "mlp", put(*STEP, "operator", 0), "EW-P009"),
    ("Python kernel without an operator", "mlp", put(*STEP, "kernel", "python"), "EW-P009"),
    ("operator that is not there", "conv", put("steps", 1, "operator", 1), "EW-P009"),
    ("operator -1", "conv", put("steps", 1, "operator", -1), "EW-P009"),
    ("number of another operator", "conv", put("steps", 1, "params", [7]), "EW-P009"),
    ("operator of no key", "conv", lambda meta: meta["operators"][0].update(key="os.system"), "EW-P009"),
    ("operator of no plugin", "conv", lambda meta: meta["operators"][0].update(key="acme::Swish@1"), "EW-G001"),
    (
        "operator with a field too many",
        "conv",
        lambda m: m["operators"][0].update(fields=[["a", "int", "1"]]),
        "EW-P009",
    ),
    ("field of an unknown kind", "conv", lambda m: m["operators"][0].update(fields=[["a", "code", "1"]]), "EW-P009"),
    ("field that is no number", "conv", lambda m: m["operators"][0].update(fields=[["a", "int", "x"]]), "EW-P009"),
    (
        "field nested without end",
        "conv",
        lambda m: m["operators"][0].update(fields=[["a", "tuple", "[" * 5000]]),
        "EW-P009",
    ),
    # the program: memory, sizes, steps (native code)
    ("input that is no tensor", "mlp", put("inputs", [99]), "EW-P009"),
    ("output that is no tensor", "mlp", put("outputs", [-1]), "EW-P009"),
    ("tensor without storage", "mlp", put(*TENSOR, "storage", 99), "EW-P009"),
    ("tensor of an unknown type", "mlp", put(*TENSOR, "dtype", 77), "EW-P009"),
    ("tensor of an unknown format", "mlp", put(*TENSOR, "format", 77), "EW-P009"),
    ("tensor with a size of no expr", "mlp", put(*TENSOR, "shape", [2, -99]), "EW-P009"),
    ("tensor larger than its memory", "mlp", put(*TENSOR, "shape", [2, 6000]), "EW-P009"),
    ("tensor of 2^80 bytes", "mlp", put(*TENSOR, "shape", [2**31 - 1] * 3), "EW-P009"),
    ("tensor behind its memory", "mlp", put(*TENSOR, "offset", 1 << 40), "EW-P009"),
    ("storage of an unknown kind", "mlp", put(*STORAGE, "kind", "disk"), "EW-P009"),
    ("storage in no segment", "mlp", put(*STORAGE, "segment", 9), "EW-P009"),
    ("storage that ends before it begins", "dynamic", put("storages", 3, "first", 99), "EW-P009"),
    ("expr of an unknown operation", "dynamic", put("exprs", 2, ["pow", -2, -1]), "EW-P009"),
    ("expr that reads itself", "dynamic", put("exprs", 2, ["mul", -3, -1]), "EW-P009"),
    ("expr that reads a later one", "dynamic", put("exprs", 2, ["mul", -9, -1]), "EW-P009"),
    ("expr of an axis that is not there", "dynamic", put("exprs", 0, ["input_dim", 0, 2]), "EW-P009"),
    ("expr of an input that is not there", "dynamic", put("exprs", 0, ["input_dim", 9, 0]), "EW-P009"),
    ("expr of a value of no tensor", "dynamic", put("exprs", 3, ["value", 99, 0]), "EW-P009"),
    ("expr of a parameter that nobody gives", "dynamic", put("exprs", 0, ["param", 0, 0]), "EW-P009"),
    ("choice between no pair", "dynamic", put("exprs", 6, ["select", -5, 4]), "EW-P009"),
    ("check of an unknown kind", "dynamic", put("checks", 0, "kind", "near"), "EW-P009"),
    ("check of a size that is not there", "dynamic", put("checks", 0, "a", -99), "EW-P009"),
    ("no segment", "mlp", put("segments", []), "EW-P009"),
    ("segment that ends too late", "mlp", put("segments", 0, "steps", 99), "EW-P009"),
    ("segment that leaves a step out", "mlp", put("segments", 0, "steps", 1), "EW-P009"),
    ("step that reads no tensor", "mlp", put(*STEP, "inputs", [99]), "EW-P009"),
    ("step that reads what nobody wrote", "mlp", put(*STEP, "inputs", [4]), "EW-P009"),
    ("step that writes an input", "mlp", put(*STEP, "outputs", [0]), "EW-P009"),
    ("step that writes a weight", "conv", put(*STEP, "outputs", [1]), "EW-P009"),
    ("step with a kernel of nobody", "mlp", put(*STEP, "kernel", "cpu_magic@avx512"), "EW-P006"),
    ("step with a parameter of no expr", "mlp", put(*STEP, "params", [[-99]]), "EW-P009"),
    ("step with a parameter of two", "mlp", put(*STEP, "params", [[1, 2]]), "EW-P009"),
    ("step with a parameter that is no number", "mlp", put(*STEP, "params", ["one"]), "EW-P009"),
    ("step with a workspace of no size", "mlp", put(*STEP, "workspace", -99), "EW-P009"),
    ("step with a program that is not there", "mlp", put(*STEP, "programs", [5]), "EW-P009"),
    ("step with a program for nothing", "mlp", put(*STEP, "programs", [0]), "EW-P009"),
    (
        "no step writes the output",
        "mlp",
        lambda m: (remove("steps", -1)(m), put("segments", 0, "steps", -1)(m)),
        "EW-P009",
    ),
]


@pytest.mark.parametrize(("name", "damage", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_graph(name: str, damage: Damage, code: str) -> None:
    meta = meta_of(name)
    damage(meta)
    with pytest.raises(EnginewrightError) as caught:
        load(with_meta(name, meta))
    assert caught.value.code == code, str(caught.value)
    assert caught.value.hint


def test_untouched_meta_loads() -> None:
    for name in ("mlp", "conv", "dynamic"):
        assert with_meta(name, meta_of(name)) == golden(name)
        load(golden(name))


def test_program_in_itself() -> None:
    meta = meta_of("branches")
    assert any(step.get("programs") for step in meta["programs"][0]["steps"])
    for step in meta["programs"][0]["steps"]:
        if "programs" in step:
            step["programs"] = [0] * len(step["programs"])
    with pytest.raises(errors.PlanInvalid):
        load(with_meta("branches", meta))


def test_weights_with_something_in_a_gap() -> None:
    plan = Plan.load(golden("mlp"))
    weights = plan.weights.copy()
    first = plan.meta.weights[1]
    assert plan.meta.weights[2].offset > first.offset + first.length
    weights[first.offset + first.length] = 1
    with pytest.raises(errors.PlanInvalid, match="not zero"):
        Plan.load(Plan(plan.meta, weights, plan.passport).to_bytes())


# --- Limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "good"), [(1024, True), (1025, False)])
def test_limit_of_names(size: int, good: bool) -> None:
    meta = meta_of("mlp")
    meta["inputs"][0]["name"] = "n" * size
    if good:
        load(with_meta("mlp", meta))
    else:
        with pytest.raises(errors.PlanInvalid, match="1024 bytes"):
            load(with_meta("mlp", meta))


@pytest.mark.parametrize(("extra", "code"), [(0, ""), (1, "EW-P008")])
def test_limit_of_counts(monkeypatch: pytest.MonkeyPatch, extra: int, code: str) -> None:
    """A million operators take too long to make: the limit is lowered to what the plan has."""
    counts = [len(meta_of("mlp")["programs"][0][name]) for name in ("steps", "tensors", "storages")]
    monkeypatch.setattr("enginewright.plan.graph_rules.MAX_RECORDS", max(counts) - extra)
    if not code:
        load(golden("mlp"))
        return
    with pytest.raises(errors.PlanLimitExceeded) as caught:
        load(golden("mlp"))
    assert caught.value.code == code


def test_deep_nesting() -> None:
    data = with_section(golden("mlp"), Section.META, b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(errors.PlanError):
        load(data)


@pytest.mark.parametrize("record", ['{"inputs":[],"kernel":"","layer":"","outputs":[]}', '["",0,0]'])
def test_many_tiny_records_are_refused_before_they_are_decoded(record: str) -> None:
    """Otherwise few bytes would need many: 19 MB of empty steps take 164 MB."""
    whole = '{"inputs":[' + ",".join([record] * 800_000) + "]}"
    with pytest.raises(NotCanonical, match="MiB, at most") as caught:
        decode_json(whole.encode(), Meta, allowed=(56 << 20) + len(whole) // 2)
    assert caught.value.over_limit


def test_the_densest_plan_that_is_decoded_keeps_the_promise(tmp_path: Path) -> None:
    """5 MB of empty steps, just below what is refused: all is decoded, encoded again, and checked."""
    meta = meta_of("mlp")
    meta["programs"][0]["steps"] = [{"inputs": [], "kernel": "", "layer": "", "outputs": []}] * 100_000
    path = tmp_path / "dense.plan"
    path.write_bytes(with_meta("mlp", meta))
    with limits(path.stat().st_size), pytest.raises(errors.PlanInvalid), ew.Engine(Plan.load(path), threads=1):
        pass


def test_plan_of_a_gigabyte_is_checked_by_its_head(tmp_path: Path) -> None:
    path = tmp_path / "large.plan"
    write_large_plan(path)
    with limits(1 << 20):
        assert ew.plan_info(path).verdict is Level.OK
