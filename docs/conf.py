"""How the guide is built (`make docs`): no network, and no torch, for which something stands."""

import sys
from pathlib import Path

# SciPy asks of what is loaded whether it is torch: all else is imported before the stand-ins.
from sphinx.ext.autodoc.mock import mock

import mia_sklearn.attacks
import mia_sklearn.defenses
import mia_sklearn.disclosure
import mia_sklearn.selection

# Pages of networks are made from docstrings alone, with torch installed and without.
with mock(["torch", "skorch", "opacus"]):
    import mia_sklearn.torch

sys.path[:0] = [str(Path(__file__).parent / "_ext")]

project = "mia-sklearn"
author = "The mia-sklearn developers"
copyright = f"2026, {author}"
version = release = mia_sklearn.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "changes",
    "gallery",
    "typesetting",
]
exclude_patterns = ["_build", "_examples", "kept"]
templates_path = ["_templates"]
default_role = "py:obj"
add_module_names = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "_examples",
    "gallery_dirs": "examples",
    "within_subsection_order": "gallery.place",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"__init__\.py",
    "doc_module": ("mia_sklearn",),
    "backreferences_dir": "examples/used",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "plot_gallery": True,
    "capture_repr": (),
    "default_thumb_file": str(Path(__file__).parent / "pictures" / "report.png"),
    "reference_url": {"mia_sklearn": None},
}

html_math_renderer = "plain"
html_theme = "pydata_sphinx_theme"
html_title = "mia-sklearn"
html_static_path = ["_static"]
html_css_files = ["guide.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "navigation_with_keys": False,
    "navigation_depth": 2,
    "navbar_align": "left",
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
}
suppress_warnings = ["config.cache"]
