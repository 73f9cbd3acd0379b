"""The directives `load-rules` and `plan-features`: tables in code that decide what loads where, as tables on a page."""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from enginewright_compat.features import FEATURES, SAFETY_FEATURES
from enginewright_compat.rules import FIELDS, LOAD_RULES


def table(runtime: str = "") -> list[str]:
    """Return the lines of the table of load rules in Markdown, for all runtimes or one."""
    head = ["rule", "runtime", "file", *FIELDS, "also"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for rule in LOAD_RULES:
        if runtime not in ("", rule.runtime):
            continue
        kinds = ", ".join(kind.label for kind in rule.kinds)
        cells = [rule.id, rule.runtime, kinds, *(getattr(rule, field) for field in FIELDS), rule.also]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def features() -> list[str]:
    """Return the lines of the table of features in Markdown."""
    lines = ["| feature | a plan that has | safety runtime |", "|---|---|---|"]
    for name, meaning in FEATURES.items():
        lines.append(f"| `{name}` | {meaning} | {'loads' if name in SAFETY_FEATURES else 'refused'} |")
    return lines


class LoadRules(SphinxDirective):
    """Puts the table where the directive stands; its argument names a runtime."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse the table as the page around it is parsed."""
        place = nodes.container()
        self.state.nested_parse(StringList(table(*self.arguments), "load rules"), 0, place)
        return place.children


class PlanFeatures(SphinxDirective):
    """Puts the table of features where the directive stands."""

    def run(self) -> list[nodes.Node]:
        """Parse the table as the page around it is parsed."""
        place = nodes.container()
        self.state.nested_parse(StringList(features(), "plan features"), 0, place)
        return place.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("load-rules", LoadRules)
    app.add_directive("plan-features", PlanFeatures)
    return {"parallel_read_safe": True}
