"""Django's system checks: what of the set-up would keep the app from working, with an id and a hint for each.

Importing this room registers all of them. The connection test asks :mod:`.published` and :mod:`.settings` too.
"""

from __future__ import annotations

from . import deployment, project, published, rest, settings

__all__ = ["deployment", "project", "published", "rest", "settings"]
