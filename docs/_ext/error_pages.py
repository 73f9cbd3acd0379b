"""Writes one page for each error code, at the address that every message ends with."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from pathlib import Path

from sphinx.application import Sphinx

from enginewright import errors
from enginewright.errors import EnginewrightError

INDEX = """# Errors

Every exception that leaves Enginewright derives from {py:class}`enginewright.EnginewrightError` and has a code that is
never reused. The message names what was found and what was expected; `hint` is the next step; `details` holds the same
facts, typed. Native status codes become exceptions, too: no call answers with `None`.

| code | exception | meaning | exit code |
|---|---|---|---|
"""
PAGE = """# {code} {name}

{{py:class}}`enginewright.{name}`

{doc}

| | |
|---|---|
| is also | {bases} |
| exit code of the command line | {exit_code} |
"""


DETAILS = """
## Details

Frozen dataclasses: what an exception carries as `details`.

```{{eval-rst}}
{directives}
```
"""


def classes() -> list[type[EnginewrightError]]:
    """Return every exception class, by code."""
    found = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, EnginewrightError)]
    return sorted(found, key=lambda cls: cls.code)


def page(cls: type[EnginewrightError]) -> str:
    """Return the page of one code."""
    bases = ", ".join(f"`{base.__name__}`" for base in cls.__mro__[1:-2] if base is not Exception)
    return PAGE.format(
        code=cls.code, name=cls.__name__, doc=inspect.getdoc(cls), bases=bases or "-", exit_code=cls.exit_code
    )


def row(cls: type[EnginewrightError]) -> str:
    """Return the line of one code in the overview."""
    meaning = (inspect.getdoc(cls) or "").splitlines()[0].replace("|", "\\|")
    return f"| [{cls.code}]({cls.code}.md) | `{cls.__name__}` | {meaning} | {cls.exit_code} |\n"


def details() -> str:
    """Return the section on the dataclasses that travel in errors."""
    found = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if is_dataclass(cls)]
    return DETAILS.format(directives="\n".join(f".. autoclass:: enginewright.errors.{cls.__name__}" for cls in found))


def write(app: Sphinx) -> None:
    """Write the pages into errors/, which git ignores."""
    folder = Path(app.srcdir, "errors")
    folder.mkdir(exist_ok=True)
    found = classes()
    toctree = "\n```{toctree}\n:hidden:\n\n" + "\n".join(cls.code for cls in found) + "\n```\n"
    pages = {cls.code: page(cls) for cls in found} | {"index": INDEX + "".join(map(row, found)) + details() + toctree}
    for name, content in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
