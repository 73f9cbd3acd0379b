"""The directive `load-rules`: the table in code that decides which release loads what, as a table on a page."""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from enginewright_compat.rules import FIELDS, LOAD_RULES


def table() -> list[str]:
    """Return the lines of the table in Markdown."""
    head = ["rule", "runtime", "file", *FIELDS, "also"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for rule in LOAD_RULES:
        kinds = ", ".join(kind.label for kind in rule.kinds)
        cells = [rule.id, rule.runtime, kinds, *(getattr(rule, field) for field in FIELDS), rule.also]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


class LoadRules(SphinxDirective):
    """Puts the table where the directive stands."""

    def run(self) -> list[nodes.Node]:
        """Parse the table as the page around it is parsed."""
        place = nodes.container()
        self.state.nested_parse(StringList(table(), "load rules"), 0, place)
        return place.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("load-rules", LoadRules)
    return {"parallel_read_safe": True}
