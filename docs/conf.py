"""The site of the documentation: ``make docs``. Sources are Markdown, here and in the root."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "python")]

project = "qaconv-ext"
root_doc = "docs/index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
include_patterns = ["*.md", "docs/**", "tools/people_kit/README.md"]
exclude_patterns = ["docs/conf.py"]

myst_enable_extensions = ["colon_fence"]
#: Anchors as GitHub makes them: pages link to headings.
myst_heading_anchors = 4

# Docstrings are Google's style, and a name in single backticks is code.
default_role = "py:obj"
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_rtype = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "qaconv-ext"
html_copy_source = False
