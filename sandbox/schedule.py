"""The scheduled commands, every minute, as cron runs them in a shop: what nobody answered ends here too."""

from __future__ import annotations

import sys
import time
import traceback

#: In the order in which a shop's crontab has them. Each is safe at any time and says what it did.
COMMANDS = ("cybersource_reprocess", "cybersource_expire_attempts", "cybersource_reconcile")

SECONDS = 60


def run_once() -> None:
    """Run each command; one that fails says why, and keeps no other from running."""
    from django.core.management import call_command
    from django.db import connections

    for name in COMMANDS:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        try:
            call_command(name)
        except Exception:
            traceback.print_exc()
    sys.stdout.flush()
    connections.close_all()


def main() -> None:
    import django

    django.setup()
    while True:
        time.sleep(SECONDS)
        run_once()


if __name__ == "__main__":
    main()
