"""Sphinx's settings. `tools/make_site.py` copies them beside the pages and runs Sphinx there."""

import re
from pathlib import Path

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.util.logging import getLogger

ROOT = Path(__file__).resolve().parents[3]  # of build/site/source

project = "minidino"
author = "the authors of minidino"
copyright = f"{author}; Apache-2.0"
extensions = ["myst_nb", "autoapi.extension", "sphinx.ext.napoleon", "sphinx_design"]
exclude_patterns = ["site"]
suppress_warnings = [
    "myst.header",  # a notebook's exercise is "###", wherever it stands
    "autoapi.python_import_resolution",  # of constants, of which the site has none
]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3

autoapi_dirs = [str(ROOT / "minidino")]
autoapi_ignore = ["*/checks/*"]
autoapi_generate_api_docs = False
autoapi_python_class_content = "class"
add_module_names = False
toc_object_entries = False

# Equations are MathML, which browsers draw themselves: no script, and nothing from elsewhere.
html_math_renderer = "mathml"

html_theme = "sphinx_book_theme"
html_title = "minidino"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {
    "repository_url": "https://github.com/minidino/minidino",
    "use_repository_button": True,
    "show_toc_level": 2,
    "navbar_persistent": [],
}


def mathml(tex, display="inline"):
    """An equation as MathML, or a warning where the converter leaves TeX in it."""
    # The converter knows \big's family before (, [ and |, but not before \langle and \|.
    tex = re.sub(r"\\[bB]igg?[lrm]?(?=\\)", "", tex)
    drawn = convert(tex, display=display)
    if "\\" in drawn:
        getLogger(__name__).warning("no MathML for all of this equation: %s", tex)
    return drawn


def inline_math(writer, node):
    writer.body.append(mathml(node.astext()))
    raise SkipNode


def displayed_math(writer, node):
    writer.body.append(f'<div class="equation">{mathml(node.astext(), "block")}</div>')
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline_math, None), (displayed_math, None))
