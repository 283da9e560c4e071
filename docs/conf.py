"""The documentation as a site: ``make docs``. It reads no code of the app; tests hold its tables and examples to it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "django-oscar-cybersource"
author = "the authors of django-oscar-cybersource"
(release,) = re.findall(r'^    version="(.+)",$', (ROOT / "setup.py").read_text(encoding="utf-8"), re.M)
version = release

extensions: list[str] = []
exclude_patterns = ["_build"]
highlight_language = "none"
nitpicky = True

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_short_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "logo": {"text": project},
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "navigation_with_keys": False,
    "navbar_end": ["theme-switcher"],
    # The widest tables have the room of the page's own contents too.
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        **dict.fromkeys(
            ("reference/settings", "reference/checks", "reference/reason-codes", "reference/operations"), []
        ),
    },
    "footer_start": ["sphinx-version"],
    "footer_end": [],
    "show_toc_level": 2,
    # No font, icon or script comes from another host.
    "icon_links": [],
}
html_sidebars = {"index": [], "tutorial": [], "changelog": []}
html_context = {"default_mode": "auto"}
