"""Settings of Sphinx: ``make site`` builds these pages into ``site/``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import hybrid_pde  # noqa: E402

project = "hybrid-pde"
author = "hybrid-pde contributors"
copyright = author
version = release = hybrid_pde.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["measurements"]
# the JSON schema of experiment files has an address of its own
html_extra_path = [str(ROOT / "config/experiment.schema.json")]

html_theme = "furo"
html_title = "hybrid-pde"
html_static_path = ["static"]
html_css_files = ["wide_tables.css"]
html_copy_source = False
html_show_sourcelink = False

# anchors as GitHub makes them, so that a link works there and here
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
# the stored outputs are shown; `pytest -m nightly tests/docs` runs the notebook
nb_execution_mode = "off"
# outputs of commands are plain text
highlight_language = "text"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
