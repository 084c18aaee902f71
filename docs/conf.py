"""The site: `make docs`. Everything on it comes from this folder and the code; building asks no network."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "extensions")]

project = "Conditional Grad-TTS"
copyright = "its authors; MIT licence"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "equations", "from_the_code"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # a notebook is shown as it was executed; python -m tests.notebook does it anew

autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# what is only there on request
autodoc_mock_imports = [
    name
    for name in ("distillmos", "faster_whisper", "gradio", "onnx", "onnxruntime", "openvino", "resemblyzer", "wordfreq")
    if find_spec(name) is None
]
python_display_short_literal_types = True
suppress_warnings = ["ref.python"]  # two classes may have one name: their annotations then lead to either
maximum_signature_line_length = 100

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = project
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
pygments_style = "friendly"
