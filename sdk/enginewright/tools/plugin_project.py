"""Writes the project of a new plugin: a package that builds, tests and publishes, with one operator to begin with."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from enginewright.device.c_compiler import header_folder
from enginewright.errors import UsageError
from enginewright.registry.discovery import NAMESPACE
from enginewright.registry.keys import is_reserved

TEMPLATES = Path(__file__).parent / "templates" / "plugin"
NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*")
TACTICS = {0: "", 1: "tactic_source.py", 2: "tactic_cuda.py", 3: "tactic_library.py"}
TESTS = {0: "", 1: "test_tactic.py", 2: "test_tactic_cuda.py", 3: "test_tactic.py"}
SETUPTOOLS = '[tool.setuptools.packages.find]\nwhere = ["src"]\n\n[tool.setuptools.package-data]\n"*" = ["py.typed"]'
CMAKE = '[tool.scikit-build]\nminimum-version = "0.10"\nwheel.py-api = "py3"\nwheel.packages = ["src/@MODULE@"]'
EXTENSIONS = """
# Imported at the start of each build: replacement rules, and tactics for operators of others.
[project.entry-points."enginewright.extensions"]
@NAMESPACE@ = "@MODULE@.rules"
"""


def new_plugin(
    parent: Path, name: str, *, level: int = 0, namespace: str | None = None, replaces: bool = False
) -> list[Path]:
    """Write the project into the new folder `name`; the files written. `UsageError` for a name that can't be used."""
    words = _words(name, level, namespace)
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{name} exists already", hint="Give another name, or remove the folder.")
    files = _files(words, level, replaces=replaces)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    made = [folder / path for path in files]
    if level == 3:
        made.append(folder / "native" / "enginewright.h")  # a copy: building needs no installed enginewright
        shutil.copyfile(header_folder() / "enginewright.h", made[-1])
    return sorted(made)


def _words(name: str, level: int, namespace: str | None) -> dict[str, str]:
    """What stands for each placeholder of the templates."""
    if not NAME.fullmatch(name) or len(name) > 100:
        raise UsageError(
            f"{name!r} is no name of a distribution that works everywhere",
            hint="Use lower-case words joined by -, beginning with a letter, such as acme-plugins.",
        )
    module = re.sub(r"[-.]", "_", name)
    found = namespace or re.sub(r"_(plugins?|ops|operators)$", "", module)
    if not NAMESPACE.fullmatch(found) or is_reserved(found):
        raise UsageError(
            f"{found!r} can be no namespace of yours", hint="Use lower-case words joined by . as --namespace."
        )
    requires, backend, build = '"setuptools>=68"', "setuptools.build_meta", SETUPTOOLS
    if level == 3:
        requires, backend, build = '"scikit-build-core>=0.10"', "scikit_build_core.build", CMAKE
    return {
        "NAME": name,
        "NAMESPACE": found,
        "REQUIRES": requires,
        "BACKEND": backend,
        "BUILD": build.replace("@MODULE@", module),
        "MODULE": module,
        "SDIST": " --sdist" if level == 3 else "",  # a library for one machine is not for the index
        "TACTIC_NAME": {1: "swish_c", 2: "swish_cuda", 3: "swish_library"}.get(level, ""),
    }


def _files(words: Mapping[str, str], level: int, *, replaces: bool) -> dict[str, str]:
    """The files by path."""
    module = f"src/{words['MODULE']}"
    extensions = _filled(EXTENSIONS, words) if replaces else ""
    tactic = _read(TACTICS[level], words) if level else ""
    test = _read(TESTS[level], words) if level else ""
    files = {
        "pyproject.toml": _read("pyproject.toml", {**words, "EXTENSIONS": extensions}),
        "README.md": _read("README.md", words),
        ".gitignore": _read("gitignore", words),
        ".github/workflows/ci.yml": _read("ci.yml", words),
        f"{module}/__init__.py": _read("operator.py", words) + tactic,
        f"{module}/py.typed": "",
        "tests/test_swish.py": _read("test_swish.py", {**words, "TACTIC": test}).rstrip() + "\n",
    }
    if replaces:
        files[f"{module}/rules.py"] = _read("rules.py", words)
        files["tests/test_rules.py"] = _read("test_rules.py", words)
    if level == 3:
        files["CMakeLists.txt"] = _read("CMakeLists.txt", words)
        files["native/kernels.c"] = _read("kernels.c", words)
    return files


def _read(name: str, words: Mapping[str, str]) -> str:
    return _filled((TEMPLATES / f"{name}.in").read_text(encoding="utf-8"), words)


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda found: words[found[1]], text)
