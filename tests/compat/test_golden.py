"""The golden artifacts of every release: this tree and all releases answer for them what that release documented."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import enginewright as ew
from enginewright.errors import PlanError
from enginewright_compat.passport import read_facts
from enginewright_compat.releases import known_releases
from enginewright_compat.version import running_version
from enginewright_release.golden import expected, first_difference
from enginewright_release.tree import source_tree

TREE = source_tree()
LARGEST = 8 << 10
OPEN = {
    "plan": ew.load,
    "safe plan": ew.load,
    "timing cache": ew.TimingCache.load,
    "calibration cache": ew.CalibrationCache.load,
}
FILES = [
    pytest.param(version, name, id=f"{version}-{name}")
    for version in TREE.releases()
    for name in tomllib.loads((TREE.golden(version) / "expected.toml").read_text(encoding="utf-8"))
]


def outcome(version: str, name: str) -> dict[str, str]:
    """Return what a release documented for one of its files."""
    table = tomllib.loads((TREE.golden(version) / "expected.toml").read_text(encoding="utf-8"))
    found: dict[str, str] = table[name]
    return found


@pytest.mark.parametrize("version", TREE.releases())
def test_every_release_left_its_files(version: str) -> None:
    folder = TREE.golden(version)
    names = {path.name for path in folder.iterdir()}
    documented = set(tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8")))
    assert {
        "mlp.plan",
        "conv.plan",
        "conv_plugin.plan",
        "dynamic.plan",
        "mlp.safe.plan",
        "mlp.timing",
        "mlp.calib",
    } <= documented
    assert names == documented | {"expected.toml", "deprecations.json", "golden_plugin.py"}
    assert all(path.stat().st_size <= LARGEST for path in folder.iterdir() if path.name in documented)
    assert expected(folder) == (folder / "expected.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("version", "name"), FILES)
def test_every_release_answers_as_documented(version: str, name: str) -> None:
    path, wanted = TREE.golden(version) / name, outcome(version, name)
    assert read_facts(path).version == known_releases()[version]
    for other, running in known_releases().items():
        documented = wanted[first_difference(known_releases()[version], running)]
        reasons = {f"{reason.code} {reason.field}" for reason in ew.plan_info(path, against=other).reasons}
        assert documented in reasons or (documented == "OK" and not any("EW-P003" in reason for reason in reasons))


@pytest.mark.parametrize(("version", "name"), FILES)
def test_this_tree_answers_as_documented(version: str, name: str) -> None:
    path, wanted = TREE.golden(version) / name, outcome(version, name)
    documented = wanted[first_difference(known_releases()[version], running_version())]
    if documented == "OK":
        OPEN[wanted["kind"]](path)  # type: ignore[operator]
        return
    with pytest.raises(PlanError) as caught:
        OPEN[wanted["kind"]](path)  # type: ignore[operator]
    assert f"{caught.value.code} {getattr(caught.value.details, 'field', '')}" == documented


def test_folders_and_releases_agree() -> None:
    folders = {path.name for path in Path(TREE.root, "tests/golden").iterdir() if path.name[0].isdigit()}
    assert folders == set(TREE.releases())
