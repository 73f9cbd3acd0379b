"""Writes the API reference from the table of public names, and leads every reference to a public name to it."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import enginewright as ew

HEAD = """# API reference

Import from `enginewright` (and `enginewright.testing`) only: the modules behind may be rearranged.

"""


CODE = re.compile(r"(`+.+?`+)")
MARKUP = re.compile(r"[*|]|_(?!\w)")


def directive(name: str) -> str:
    """Return the autodoc directive that documents one public name."""
    value = getattr(ew, name)
    kind = "class" if isinstance(value, type) else "function" if callable(value) else "data"
    options = "   :inherited-members:\n" if name == "Network" else ""  # its operator methods
    return f".. auto{kind}:: enginewright.{name}\n{options}"


def module_directive(name: str) -> str:
    """Return the autodoc directive that documents a public module with everything in its `__all__`."""
    return f".. automodule:: {name}\n   :members:\n   :imported-members:\n"


def sections() -> dict[str, list[str]]:
    """Return the public names by section: the last part of the room's name, as a heading."""
    found: dict[str, list[str]] = {}
    for name, module in ew._HOME.items():
        found.setdefault(module.split(".")[1].replace("_", " ").capitalize(), []).append(name)
    return found


def write(app: Sphinx) -> None:
    """Write api.md, which git ignores, only when it changes, so that an unchanged page is not built again."""
    parts = [HEAD]
    for title, names in sections().items():
        body = "\n".join(directive(name) for name in names)
        parts.append(f"## {title}\n\n```{{eval-rst}}\n{body}```\n\n")
    parts.append(f"## Deprecations\n\n```{{eval-rst}}\n{module_directive('enginewright.deprecations')}```\n")
    page, content = Path(app.srcdir, "api.md"), "".join(parts)
    if not page.exists() or page.read_text(encoding="utf-8") != content:
        page.write_text(content, encoding="utf-8")


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """Find a name that is documented as `enginewright.X` and referred to by the module that defines it."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in ew._HOME:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", f"enginewright.{name}", node, content)


def escape(app: Sphinx, *event: object) -> None:
    """Docstrings are plain text with code in backticks: outside of it, no character is markup."""
    lines = event[-1]
    assert isinstance(lines, list)
    for number, line in enumerate(lines):
        parts = CODE.split(line)
        parts[::2] = [MARKUP.sub(r"\\\g<0>", part) for part in parts[::2]]
        lines[number] = "".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", escape)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
