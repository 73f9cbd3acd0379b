"""check_plugin as it is called: names of checks, cases, classes and keys, reports, what can't be checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.registry.registry import registry
from enginewright.testing import Report, check_plugin, injected, line_names
from enginewright.testing.distributions import write_distribution
from enginewright.testing.report import Line
from tests.sdk.testing.planted import kernel, operator

GATHER = """
import numpy as np
import enginewright as ew


@ew.operator("acme::Op", version=3)
class Op:
    axis: int

    def infer(self, x: ew.TensorSpec, indices: ew.TensorSpec, bias: ew.TensorSpec | None = None) -> ew.TensorSpec:
        if x.rank != 2 or self.axis not in (0, 1):
            raise ew.ShapeError("rank 2 and axis 0 or 1", hint="Give these.")
        sizes = list(x.shape)
        sizes[self.axis : self.axis + 1] = indices.shape
        return x.with_shape(*sizes)

    def reference(self, x, indices, bias=None):
        made = np.take(x, indices, self.axis, mode="wrap")
        return made if bias is None else made + bias
"""


def test_names() -> None:
    names = line_names()
    assert len(set(names)) == len(names) >= 25
    assert [name for name in names if name.startswith("life/")] == ["life/new-process", "life/removed", "life/abi"]


def test_a_name_that_is_none(plugin: Any) -> None:
    with pytest.raises(ew.UsageError, match="no check 'nothing'") as caught:
        check_plugin(plugin(operator()), only=["nothing"])
    assert "state/fields" in caught.value.hint


def test_cases_by_hand(plugin: Any) -> None:
    cls = plugin(GATHER)
    x, indices = ew.TensorSpec(ew.float32, (4, 5)), np.array([0, 2, 1])
    cases = [
        (cls(axis=0), [x, indices]),
        (cls(axis=1), [x, ew.TensorSpec(ew.int64, (2, 3))]),
        (cls(axis=0), [x, indices, ew.TensorSpec(ew.float32, (5,))]),
    ]
    for elsewhere in (False, True):
        lines = ["state", "shapes/pure", "shapes/static", "behaviour/methods"]
        report = check_plugin("acme::Op", cases, elsewhere, only=lines)
        assert report.passed, report
        assert report.key == "acme::Op@3"


def test_an_operator_that_needs_examples(plugin: Any) -> None:
    cls = plugin(operator("raise ew.ShapeError('rank 7', hint='Give it.')"))
    report = check_plugin(cls, only=["behaviour/methods", "shapes"])
    (failed,) = report.failures
    assert "the default inputs" in failed.problems[0]
    assert "rank 7" in failed.problems[0]
    assert {line.outcome for line in report.lines if line.group == "shapes"} == {"skipped"}
    plugin(GATHER)
    assert "axis" in check_plugin("acme::Op@3", only=["behaviour/methods"]).failures[0].problems[0]


def test_reports() -> None:
    lines = (
        Line("state/a", "one", "passed"),
        Line("state/b", "two", "failed", tuple(f"p{i}" for i in range(7)), "Do this."),
        Line("life/c", "three", "skipped", ("no reason",)),
    )
    report = Report("acme::Op@1", lines)
    assert not report.passed
    text = str(report)
    assert "and 2 more" in text
    assert "-> Do this." in text
    assert "three: no reason" in text
    assert text.endswith("1 passed, 1 failed, 1 skipped")
    with pytest.raises(ew.PluginError, match=r"fails state/b"):
        report.raise_for_failures()
    Report("acme::Op@1", lines[:1]).raise_for_failures()


def test_an_operator_of_a_function_is_not_sent_to_another_process() -> None:
    with registry.isolated():

        @ew.operator("acme::Local")
        class Local:
            def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
                return x

            def reference(self, x: Any) -> Any:
                return x

        with pytest.raises(ew.UsageError, match="use a module"):
            check_plugin(Local, subprocess=True)
        report = check_plugin(Local, only=["life/new-process", "state/saved"])
        assert [line.outcome for line in report.lines] == ["passed", "skipped"]


def test_injected_faults_end(plugin: Any) -> None:
    cls = plugin(operator())
    with injected("acme::Op", "reference", OSError("no")), pytest.raises(OSError, match="no"):
        cls().reference(np.ones(1))
    assert cls().reference(np.ones(1)).tolist() == [2]
    with pytest.raises(ew.UsageError, match="no method 'nothing'"), injected(cls, "nothing", OSError()):
        pass


@pytest.mark.needs_cc
def test_without_a_compiler(plugin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "no compiler"))
    report = check_plugin(plugin(kernel() + "# no cache"), only=["tactics/kernels"])
    assert [line.outcome for line in report.lines] == ["skipped"]


def test_importing_the_kit_is_what_imports_it() -> None:
    code = "import sys, enginewright; print([m for m in sys.modules if m.startswith('enginewright.testing')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


BROKEN = """
import enginewright as ew


@ew.hookimpl
def enginewright_register(registry):
    raise OSError("hook register")
"""


def test_a_plugin_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook that is called when a plugin is loaded raises; the import itself ends the process."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("late_hook", BROKEN), ("late_end", "import os\n\nos.abort()\n")):
        write_distribution(tmp_path, name, {name: text}, plugins={name: name})
    with registry.isolated():
        for elsewhere in (False, True):
            with pytest.raises(ew.PluginError, match=r"late_hook 1\.0 can't be imported: .*OSError: hook register"):
                check_plugin("late_hook::Op", subprocess=elsewhere, only=["state"])
        report = check_plugin("late_end::Op", subprocess=True, only=["state"])
        assert [line.outcome for line in report.lines] == ["failed", *["skipped"] * 4]
        assert "while the plugin is imported, the process was killed by SIGABRT" in str(report)
    sys.modules.pop("late_hook", None)
