"""How Sphinx builds these pages: `make docs`."""

import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

# pylint: disable=g-import-not-at-top
import dmjax  # noqa: E402
import docstrings  # noqa: E402
import generate  # noqa: E402

project = "dmjax"
version = release = dmjax.__version__

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["requirements.txt"]
highlight_language = "none"  # Of equations; code names its own.
html_theme = "furo"
html_show_copyright = False
html_title = f"dmjax {version}"

# Docstrings write `code` with one backtick.
default_role = "code"
autodoc_typehints = "none"
napoleon_use_rtype = False
napoleon_use_ivar = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# Pages are also read where they lie, by other programs.
suppress_warnings = ["myst.header"]


def setup(app):
  """Pages are generated first; docstrings are read as they are written."""
  app.connect("builder-inited", lambda app: generate.write(HERE / "generated"))
  app.connect("autodoc-process-docstring", docstrings.process, priority=400)
