"""`enginewright plugin`: new, list, info, doctor; as text and as JSON, with their exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from enginewright.cli._group import group
from enginewright.cli._running import run
from enginewright.errors import DeviceMissing
from enginewright.registry.registry import registry
from tests.sdk.registry.distributions import SWISH, Site, forget

Text = pytest.CaptureFixture[str]
TACTICS = (
    SWISH
    + '''

@ew.tactic(Swish, kernel=ew.library("absent.so")["swish"])
def by_library(op, x):
    """From a library that is not there."""
    return ew.Launch()
'''
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A place to install plugins, with a registry that forgets them."""
    before = set(sys.modules)
    with registry.isolated():
        yield Site(tmp_path / "site", monkeypatch)
    forget(before)


def call(capsys: Text, *arguments: str) -> tuple[int, str]:
    """Run a command; exit code and stdout."""
    code = run(group, ["plugin", *arguments])
    return code, capsys.readouterr().out


def answer(capsys: Text, *arguments: str) -> tuple[int, Any]:
    """Run a command with --json; exit code and the decoded answer."""
    code, out = call(capsys, *arguments, "--json")
    return code, json.loads(out)


def ours(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """The rows of the plugins that tests install, by key."""
    return {row["key"]: row for row in rows if row["key"].startswith(("acme", "other"))}


def install(site: Site) -> None:
    """A plugin that works, one that is broken, and one that extends."""
    site.install("acme-plugins", {"acme_plugins": TACTICS}, version="1.3", plugins={"acme": "acme_plugins"})
    site.install("other-plugins", {"other_plugins": "1 / 0"}, plugins={"other": "other_plugins"})
    site.install("acme-rules", {"acme_rules": ""}, extensions={"acme_x": "acme_rules"})


def test_list(site: Site, capsys: Text) -> None:
    install(site)
    code, found = answer(capsys, "list")
    rows = ours(found["plugins"])
    assert code == 0
    assert {key: row["state"] for key, row in rows.items()} == {
        "acme::*": "not loaded", "other::*": "not loaded", "acme_x::*": "extension",
    }  # fmt: skip
    assert "acme_plugins" not in sys.modules
    rows = ours(answer(capsys, "list", "--load")[1]["plugins"])
    assert rows["acme::Swish@1"]["state"] == "ok"
    assert (rows["acme::Swish@1"]["distribution"], rows["acme::Swish@1"]["version"]) == ("acme-plugins", "1.3")
    assert rows["acme::Swish@1"]["place"].endswith("acme_plugins.py")
    assert rows["other::*"]["state"] == "broken: ZeroDivisionError: division by zero"
    code, text = call(capsys, "list", "--load")
    assert "acme::Swish@1" in text


def test_list_shows_conflicts(site: Site, capsys: Text) -> None:
    for name in ("acme", "other"):
        site.install(f"{name}-plugins", {f"{name}_plugins": SWISH}, plugins={"acme": f"{name}_plugins"})
    rows = [row for row in answer(capsys, "list", "--load")[1]["plugins"] if row["key"] == "acme::Swish@1"]
    assert [(row["distribution"], row["state"]) for row in rows] == [
        ("acme-plugins", "conflict"), ("other-plugins", "conflict"),
    ]  # fmt: skip
    registry.prefer("acme::Swish", distribution="other-plugins")
    rows = [row for row in answer(capsys, "list", "--load")[1]["plugins"] if row["key"] == "acme::Swish@1"]
    assert [row["state"] for row in rows] == ["not preferred", "ok"]


def test_info(site: Site, capsys: Text) -> None:
    install(site)
    code, found = answer(capsys, "info", "acme::Swish")
    assert code == 0
    assert (found["key"], found["distribution"]) == ("acme::Swish@1", "acme-plugins 1.3")
    assert found["fields"] == "beta: float = 1.0"
    assert found["onnx"] == ["acme::Swish"]
    assert "by_library (level 3): From a library that is not there. [EW-G002: " in found["tactics"][0]
    assert found["tactics"][-1] == "reference (level 0): NumPy"
    code, text = call(capsys, "info", "acme::Swish@1")
    assert "x * sigmoid(beta x)." in text
    assert "fields   beta: float = 1.0" in text


def test_info_of_what_is_not_there(site: Site, capsys: Text) -> None:
    install(site)
    code, found = answer(capsys, "info", "acme::Swich")
    assert code == 5
    assert found["error"]["code"] == "EW-G001"
    assert "acme::Swish" in found["error"]["message"]


def problem(capsys: Text, *arguments: str) -> tuple[str, str]:
    """The first question that `doctor` answers with a problem."""
    code, found = answer(capsys, "doctor", *arguments)
    assert code == 5
    return found["problems"][0]["question"], found["problems"][0]["problem"]


def test_doctor_finds_the_first_thing_that_is_wrong(site: Site, capsys: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site)
    assert problem(capsys, "acmee::Swish") == ("name", problem(capsys, "acmee::Swish")[1])
    assert "did you mean acme?" in problem(capsys, "acmee::Swish")[1]
    question, text = problem(capsys, "other")
    assert question == "import"
    assert "ZeroDivisionError" in text
    assert problem(capsys, "acme::Gate")[0] == "version"
    question, text = problem(capsys, "acme::Swish")
    assert question == "kernels"
    assert "absent.so can't be opened" in text
    monkeypatch.setenv("ENGINEWRIGHT_PLUGINS", "none")
    assert problem(capsys, "acme::Swish") == ("name", "ENGINEWRIGHT_PLUGINS does not allow it")


def test_doctor_sees_a_misspelled_group(site: Site, capsys: Text) -> None:
    site.install("acme-plugins", {"acme_plugins": SWISH}, plugins={"acme": "acme_plugins"})
    (points,) = site.folder.glob("acme_plugins-*/entry_points.txt")
    points.write_text("[enginewright.plugin]\nacme = acme_plugins\n", encoding="utf-8")
    registry.discovery.refresh()
    question, text = problem(capsys, "acme::Swish")
    assert question == "group"
    assert "meant is enginewright.plugins" in text


def test_doctor_without_problems(site: Site, capsys: Text) -> None:
    postponed = "from __future__ import annotations\n" + SWISH
    both = {"acme": "acme_plugins"}
    site.install("acme-plugins", {"acme_plugins": postponed}, version="1.3", plugins=both, extensions=both)
    code, text = call(capsys, "doctor", "acme::Swish")
    assert code == 0
    assert "acme is declared by acme-plugins 1.3\n" in text
    assert "'" not in next(line for line in call(capsys, "info", "acme::Swish")[1].splitlines() if "inputs" in line)
    assert [line.split()[0] for line in text.splitlines()] == [
        "python", "group", "name", "import", "version", "kernels", "no",
    ]  # fmt: skip


ON_GPUS = (
    SWISH
    + '''

@ew.tactic(Swish, kernel=ew.cuda_source("", "swish"))
def by_source(op, x):
    """On a GPU."""
    return ew.Launch(grid=(1,))


@ew.tactic(Swish, kernel=ew.library("absent.so", target="cuda")["swish"])
def by_library(op, x):
    """On a GPU, too."""
    return ew.Launch()
'''
)


def test_kernels_for_gpus_are_no_problem_without_one(site: Site, capsys: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise DeviceMissing("no GPU", hint="")

    for module in ("device.cuda_sources", "tools.plugin_listing"):
        monkeypatch.setattr(f"enginewright.{module}.cuda_devices", none)
    site.install("acme-plugins", {"acme_plugins": ON_GPUS}, plugins={"acme": "acme_plugins"})
    code, out = call(capsys, "doctor", "acme::Swish")
    assert code == 0
    assert "all can be used but by_source, by_library: there is no GPU" in " ".join(out.split())
    code, out = call(capsys, "info", "acme::Swish")
    assert code == 0
    assert "EW-R005: no GPU" in " ".join(out.split())
    code, out = call(capsys, "list", "--load")
    assert code == 0
    assert "EW-G002" not in out


def test_new(tmp_path: Path, capsys: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, text = call(capsys, "new", "acme-plugins", "--level", "1")
    assert code == 0
    assert 'pip install -e ".[test]"' in text
    assert (tmp_path / "acme-plugins" / "pyproject.toml").is_file()
    code, found = answer(capsys, "new", "acme-plugins")
    assert code == 2
    assert found["error"]["code"] == "EW-U001"
