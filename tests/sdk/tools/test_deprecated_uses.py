"""scan finds every seeded use in a sample program and nothing else; fix repairs the renames, and its tests pass."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import enginewright as ew
from enginewright.tools.source_names import find_object
from tests.compat.deprecation.conftest import LIBRARY, library as library
from tests.repo.sources import ROOT

SAMPLE = LIBRARY.parent / "sample"
BY_HAND = {f"EW-D90{number}" for number in ("09", "10", "11", "12", "16", "18")}


@pytest.fixture
def project(library: Path, tmp_path: Path) -> Path:
    """Copy the sample program."""
    find_object.cache_clear()
    shutil.copytree(SAMPLE, tmp_path / "project")
    return tmp_path / "project"


def seeded(path: Path) -> Counter[tuple[int, str]]:
    """Return line and id of each use that the program's comments name."""
    found: Counter[tuple[int, str]] = Counter()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found.update((number, identity) for identity in re.findall(r"EW-D\d{4}", line.partition("  # ")[2]))
    return found


def check_sample(project: Path, controls: str = "ignore") -> subprocess.CompletedProcess[str]:
    """Run the tests of the program."""
    prelude = (
        "import pathlib, enginewright_compat.deprecation.registry as r; "
        f"r.REGISTRY = pathlib.Path({str(LIBRARY)!r}, 'deprecations.toml')\n"
    )
    (project / "conftest.py").write_text(f'"""Uses the library\'s registry."""\n{prelude}')
    paths = os.pathsep.join([str(LIBRARY), str(project), *(str(ROOT / room) for room in ("sdk", "compat"))])
    environment = {**os.environ, "PYTHONPATH": paths, "ENGINEWRIGHT_DEPRECATIONS": controls}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project / "check_app.py")]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_every_seeded_use_and_nothing_else(project: Path) -> None:
    wanted = seeded(project / "app.py")
    found = ew.deprecations.scan([str(project)])
    assert Counter((finding.line, finding.id) for finding in found.findings) == wanted
    assert wanted.total() >= 20
    assert (found.files, found.skipped) == (2, ())
    first = found.findings[0]
    assert (first.path, first.message) == (str(project / "app.py"), "EW-D9015: use acme_lib.shapes")
    assert first.source.startswith("import acme_lib.old_shapes as shapes")


def test_fix_repairs_the_renames_and_the_programs_tests_pass(project: Path) -> None:
    before = (project / "app.py").read_text()
    assert check_sample(project).returncode == 0
    shown = ew.deprecations.fix([str(project)])
    assert (project / "app.py").read_text() == before
    (repair,) = shown.files
    assert '+    plain = al.load("a", color="é")  # EW-D9008\n' in repair.diff
    done = ew.deprecations.fix([str(project)], write=True)
    assert {finding.id for finding in done.left} == BY_HAND | {"EW-D9013", "EW-D9014"}
    left = ew.deprecations.scan([str(project)])
    assert [finding.line for finding in left.findings] == [finding.line for finding in done.left]
    assert all(finding.edit is None for finding in left.findings)
    ran = check_sample(project, "error")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from acme_lib import (\n    old_total,\n    total,\n)\nold_total(1, 2)\n", None),
        ("from acme_lib import old_total as t\nt(1, 2)\n", "from acme_lib import total as t\nt(1, 2)\n"),
        ("import acme_lib\r\nacme_lib.old_total(1,2)\r\n", "import acme_lib\r\nacme_lib.total(1,2)\r\n"),
        ("from acme_lib import *\nold_total(1, 2)\n", "from acme_lib import *\ntotal(1, 2)\n"),
        ("from acme_lib.old_shapes import area\narea(1)\n", "from acme_lib.shapes import area\narea(1)\n"),
        ("from acme_lib import old_shapes\nold_shapes.area(1)\n", "from acme_lib import shapes\nshapes.area(1)\n"),
        ("import acme_lib.old_shapes\nacme_lib.old_shapes.area\n", "import acme_lib.shapes\nacme_lib.shapes.area\n"),
        ("import acme_lib\nwith acme_lib.old_total as x: x()\n", "import acme_lib\nwith acme_lib.total as x: x()\n"),
        ("import acme_lib\ndef f(e: 'acme_lib.Engine | None'):\n    e.begin()\n",
         "import acme_lib\ndef f(e: 'acme_lib.Engine | None'):\n    e.start()\n"),
        ("import acme_lib\nacme_lib.load('a', colour='r', color='b')\n", None),
        ("from acme_lib import old_total\ntotal = 5\nold_total(1, total)\n", None),
    ],
)  # fmt: skip
def test_forms(before: str, after: str | None, library: Path, tmp_path: Path) -> None:
    """Each form is found; it is repaired, or left to a person where the new name is taken."""
    find_object.cache_clear()
    path = tmp_path / "user.py"
    path.write_bytes(before.encode())
    done = ew.deprecations.fix([str(path)], write=True)
    assert done.scan.findings
    assert path.read_bytes() == (after or before).encode()
    assert bool(done.left) == (after is None)


def test_what_is_no_python_is_named(library: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "old.py").write_text("import acme_lib.old_shapes\n")
    found = ew.deprecations.scan([str(tmp_path)])
    assert found.findings == ()
    assert sorted(Path(path).name for path, _ in found.skipped) == ["binary.py", "broken.py"]
    with pytest.raises(ew.UsageError, match="no such file"):
        ew.deprecations.scan([str(tmp_path / "nothing")])


def test_uses_at_run_time_are_merged(project: Path, tmp_path: Path) -> None:
    report = tmp_path / "uses.json"
    for _ in range(2):
        assert check_sample(project, f"ignore,json:{report}").returncode == 0
    uses = {use.id: use.count for use in ew.deprecations.scan([str(SAMPLE)], use=[str(report)]).uses}
    assert uses["EW-D9001"] == 6
    report.write_text(json.dumps({"id": "EW-D9001"}))
    with pytest.raises(ew.UsageError, match="report of uses"):
        ew.deprecations.scan([str(SAMPLE)], use=[str(report)])


def test_only_what_a_release_removes(project: Path) -> None:
    assert ew.deprecations.scan([str(project)], target="1.9").findings == ()
    assert ew.deprecations.scan([str(project)], target="2.0").found
