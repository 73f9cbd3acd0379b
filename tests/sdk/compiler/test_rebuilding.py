"""A plan of another release is built again from its recipe, and its probes prove that it computes the same."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data

import enginewright as ew
from enginewright.onnx_io.export import export_network
from enginewright.plan.artifact import Section
from enginewright_compat.passport import PluginUse
from enginewright_compat.recipe import decode_recipe, encode_recipe
from tests.compat.artifacts import example_cache
from tests.fuzz.mutation import with_section
from tests.golden.plans import MORE, NETWORKS, golden
from tests.sdk.compiler.releases import of_release, without
from tests.sdk.tools.small_models import chain

CONFIG = ew.BuilderConfig(threads=1, level=1, timing_cache="")
FIELDS = {"major": 7, "minor": 77, "patch": 99, "build": 3}


def write_model(folder: Path) -> Path:
    """A model file."""
    path = folder / "chain.onnx"
    onnx.save(chain(), path)
    return path


def old_plan(folder: Path, model: Any, **options: Any) -> Path:
    """A plan of an older release in a folder."""
    config = ew.BuilderConfig(threads=1, level=1, timing_cache="", **options)
    path = folder / "old.plan"
    path.write_bytes(of_release(ew.build(model, config).to_bytes(), patch=99))
    return path


def changed(path: Path, section: Section, old: str, new: str) -> None:
    """Replace text in a section of a plan file."""
    data = path.read_bytes()
    content = bytes(ew.Plan.load(of_release(data, patch=0)).origin[section])
    assert old.encode() in content
    path.write_bytes(with_section(data, section, content.replace(old.encode(), new.encode())))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", [*NETWORKS, *MORE])
def test_a_plan_of_any_release_is_rebuilt(tmp_path: Path, name: str, field: str) -> None:
    """Built again, it is the plan that this release would have made, whatever release it came from."""
    path = tmp_path / "old.plan"
    path.write_bytes(of_release(golden(name), **{field: FIELDS[field]}))
    with pytest.raises(ew.PlanVersionMismatch):
        ew.load(path)
    rebuilt = ew.rebuild(path, timing_cache="")
    assert rebuilt.plan.to_bytes() == golden(name)
    assert rebuilt.model == f"SOURCE of {path}"
    if name != "dynamic":
        assert rebuilt.outputs
        assert all(output.passed and output.error == 0 for output in rebuilt.outputs)


def test_the_model_beside_the_plan_is_found(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    path = old_plan(tmp_path, model)
    rebuilt = ew.rebuild(path, timing_cache="")
    assert rebuilt.model == str(model)
    assert [output.passed for output in rebuilt.outputs] == [True]
    assert rebuilt.plan.to_bytes() == ew.build(model, CONFIG).to_bytes()


def test_the_model_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    model = write_model(tmp_path)
    path = old_plan(tmp_path, model)
    model = model.rename(tmp_path / "models" / "other name.onnx")
    with pytest.raises(ew.PlanRecipeError, match="cannot read"):
        ew.rebuild(path)
    rebuilt = ew.rebuild(path, model=model, timing_cache="")
    assert rebuilt.plan.passport.model is not None
    assert rebuilt.plan.passport.model.file == "chain.onnx", "what is recorded stays"


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    path = old_plan(tmp_path, model)
    model.write_bytes(model.read_bytes() + b"\x00")
    with pytest.raises(ew.PlanRecipeError, match="not the file") as caught:
        ew.rebuild(path)
    assert caught.value.code == "EW-P010"
    assert caught.value.details is not None


def test_changed_weights_beside_the_model_are_refused(tmp_path: Path) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(chain())
    convert_model_to_external_data(proto, location="chain.data", size_threshold=0)
    onnx.save(proto, tmp_path / "chain.onnx")
    path = old_plan(tmp_path, tmp_path / "chain.onnx")
    assert ew.rebuild(path, timing_cache="").outputs
    data = bytearray((tmp_path / "chain.data").read_bytes())
    data[0] ^= 1
    (tmp_path / "chain.data").write_bytes(data)
    with pytest.raises(ew.PlanRecipeError, match=r"chain\.data is not the file"):
        ew.rebuild(path)


def test_weights_beside_the_model_travel_with_a_full_recipe(tmp_path: Path) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(chain())
    convert_model_to_external_data(proto, location="chain.data", size_threshold=0)
    onnx.save(proto, tmp_path / "chain.onnx")
    path = old_plan(tmp_path, tmp_path / "chain.onnx", recipe="full")
    (tmp_path / "chain.onnx").unlink()
    (tmp_path / "chain.data").unlink()
    assert all(output.passed for output in ew.rebuild(path, timing_cache="").outputs)


@pytest.mark.parametrize("form", ["bytes", "proto"])
def test_a_model_that_was_no_file(tmp_path: Path, form: str) -> None:
    model = write_model(tmp_path)
    given = model.read_bytes() if form == "bytes" else onnx.load(model)
    path = old_plan(tmp_path, given)
    with pytest.raises(ew.PlanRecipeError, match="must be given"):
        ew.rebuild(path)
    assert ew.rebuild(path, model=model, timing_cache="").outputs


def test_without_a_recipe(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    path = old_plan(tmp_path, model, recipe="none")
    assert ew.plan_info(path).rebuild.startswith("enginewright build ")
    assert b"chain.onnx" not in path.read_bytes(), "its origin is not disclosed"
    assert hashlib.sha256(model.read_bytes()).hexdigest().encode() not in path.read_bytes()
    with pytest.raises(ew.PlanRecipeError, match="no recipe"):
        ew.rebuild(path)


def test_a_tampered_probe(tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    probes = bytearray(ew.Plan.load(golden("mlp")).origin[Section.PROBES])
    probes[-2] ^= 0x40
    path.write_bytes(with_section(golden("mlp"), Section.PROBES, bytes(probes)))
    with pytest.raises(ew.AccuracyError, match='"y" by') as caught:
        ew.rebuild(path, timing_cache="")
    assert caught.value.exit_code == 3


def test_probes_of_another_shape_differ(tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(golden("mlp"))
    changed(path, Section.PROBES, '"shape":[2,3]', '"shape":[3,2]')
    with pytest.raises(ew.AccuracyError, match="here"):
        ew.rebuild(path, timing_cache="")


@pytest.mark.parametrize(
    ("old", "new"),
    [('"schema":1', '"schema":9'), ('"normal"', '"what??"'), ('"dtype":1', '"dtype":8'), ('"count":6', '"count":7')],
)
def test_probes_that_cannot_be_read(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(golden("mlp"))
    changed(path, Section.PROBES, old, new)
    with pytest.raises(ew.PlanRecipeError, match="probes cannot be read"):
        ew.rebuild(path, timing_cache="")


def test_without_probes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(without(golden("mlp"), Section.PROBES))
    assert ew.rebuild(path, timing_cache="").outputs == ()
    assert "not compared" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"schema":1', '"schema":9', "newer"),
        ('"name":"level"', '"name":"lovel"', "lacks: lovel"),
        ('"name":"level","value":"0"', '"name":"level","value":"9"', "level 9"),
        ('"name":"target","value":"\\"cpu\\""', '"name":"target","value":"12345"', "Expected `str`, got `int`"),
        ('"plugins":[]', '"plugins":1 ', "cannot be read"),
    ],
)
def test_recipes_that_cannot_be_followed(tmp_path: Path, old: str, new: str, text: str) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(golden("mlp"))
    changed(path, Section.RECIPE, old, new)
    with pytest.raises(ew.PlanRecipeError, match=text):
        ew.rebuild(path)


def test_another_model_inside(tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(with_section(golden("mlp"), Section.SOURCE, export_network(ew.parse(chain()))))
    with pytest.raises(ew.PlanRecipeError, match="not the one"):
        ew.rebuild(path)


def test_all_missing_plugins_are_named(tmp_path: Path) -> None:
    uses = tuple(
        PluginUse(f"{name}::A@1", f"{name}-ops", "1.0", "", "t", 1, "", "", needed=True) for name in ("none", "nobody")
    )
    recipe = decode_recipe(bytes(ew.Plan.load(golden("mlp")).origin[Section.RECIPE]))
    object.__setattr__(recipe, "plugins", uses)
    path = tmp_path / "old.plan"
    path.write_bytes(with_section(golden("mlp"), Section.RECIPE, encode_recipe(recipe)))
    with pytest.raises(ew.PluginNotFound) as caught:
        ew.rebuild(path)
    assert [plugin.namespace for plugin in caught.value.plugins] == ["none::A@1", "nobody::A@1"]


def test_only_plans_can_be_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "a.timing"
    path.write_bytes(example_cache())
    with pytest.raises(ew.PlanKindMismatch):
        ew.rebuild(path)


def test_a_damaged_plan_is_not_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    data = bytearray(golden("mlp"))
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ew.PlanCorrupt):
        ew.rebuild(path)


def test_an_unsigned_plan_is_not_rebuilt_for_those_who_ask_for_a_signature(tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(golden("mlp"))
    with pytest.raises(ew.PlanUntrusted):
        ew.rebuild(path, trust=[bytes(32)])


def test_profiles_are_kept_or_replaced(tmp_path: Path) -> None:
    net = ew.Network("shapes")
    net.output("y", net.relu(net.input("x", ew.float32, ("N", 3))))
    path = old_plan(tmp_path, net, profiles=(ew.Profile({"x": ((1, 3), (2, 3), (4, 3))}, "small"),))
    kept = ew.rebuild(path, timing_cache="")
    assert kept.plan.meta.profiles[0].shapes == {"x": [(1, 2, 4), (3, 3, 3)]}
    assert kept.outputs
    wide = ew.rebuild(path, profiles=(ew.Profile({"x": (8, 3)}),), timing_cache="")
    assert wide.plan.meta.profiles[0].shapes["x"][0] == (8, 8, 8)
    assert wide.outputs == (), "the old probes do not fit these shapes"


def test_the_printed_command_can_be_run(tmp_path: Path) -> None:
    """What PlanVersionMismatch says, word for word, in a folder with a space in its name, run from elsewhere."""
    folder = tmp_path / "my models"
    folder.mkdir()
    path = old_plan(folder, write_model(folder))
    with pytest.raises(ew.PlanVersionMismatch) as caught:
        ew.load(path)
    command = shlex.split(caught.value.rebuild)
    assert caught.value.rebuild == ew.plan_info(path).rebuild
    model = str(folder / "chain.onnx")
    assert command == ["enginewright", "plan", "rebuild", str(path), "--from", model, "-o", str(path)]
    program = [sys.executable, "-c", "from enginewright.cli import main; main()"]
    done = subprocess.run([*program, *command[1:], "--json"], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["outputs"][0]["passed"]
    with ew.load(path) as engine:
        assert engine.inputs


def test_a_chain_of_rebuilds_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    path.write_bytes(golden("conv"))
    for _ in range(2):
        ew.rebuild(path, timing_cache="").plan.save(path)
    assert path.read_bytes() == golden("conv")
