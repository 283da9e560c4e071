"""``python -m sandbox.schedule``: the commands that a shop has cron run, once a minute while the sandbox runs."""

from __future__ import annotations

import time

import django
from django.core.management import call_command
from django.db import close_old_connections

COMMANDS = ("cybersource_reprocess", "cybersource_expire_attempts", "cybersource_reconcile")
A_MINUTE = 60


def main() -> None:
    django.setup()
    while True:
        time.sleep(A_MINUTE)
        close_old_connections()
        for command in COMMANDS:
            print(f"-- {command}", flush=True)
            try:
                call_command(command)
            except Exception as problem:  # what cron would mail; the next minute tries again
                print(f"{type(problem).__name__}: {problem}", flush=True)


if __name__ == "__main__":
    main()
