#!/usr/bin/env python
"""Django's manage.py for the sandbox: ``.venv/bin/python sandbox/manage.py shell``, for example.

With no ``DATABASE_URL`` it uses the sandbox's own PostgreSQL, started for as long as the command runs unless
``make sandbox`` runs it already.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Commands that are of use without a database.
NO_DATABASE = {"help", "version", "--help", "--version", "findstatic", "diffsettings"}


def main() -> None:
    # Python puts this file's directory first on the path; the packages `sandbox` and `cybersource` are one up.
    sys.path[0] = str(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")

    from django.core.management import execute_from_command_line

    from sandbox import postgres

    if NO_DATABASE.intersection(sys.argv[1:2] or {"help"}):
        execute_from_command_line(sys.argv)
        return
    with postgres.server(ROOT / ".sandbox" / "postgres") as url:
        os.environ["DATABASE_URL"] = url
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
