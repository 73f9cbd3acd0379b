"""Settings of the documentation site: `make docs` builds it without a warning."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Enginewright"
author = "The Enginewright authors"
copyright = "The Enginewright authors"  # Sphinx asks for this name
_pyproject = Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
release = tomllib.loads(_pyproject)["project"]["version"]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["public_names", "error_pages", "operator_pages", "command_pages", "load_rules"]  # ours, in _ext
extensions += ["deprecation_pages"]
exclude_patterns = ["_build", "changelog.d"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "code"

html_theme = "pydata_sphinx_theme"
html_title = "Enginewright"
html_show_sourcelink = False
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_use_unqualified_type_names = True

# Names of other packages, and of types that are no public names, stay plain text: no inventory is fetched, so that the
# site builds without a network.
nitpick_ignore_regex = [(r"py:.*", r"(?!enginewright\.\w+$).*")]
