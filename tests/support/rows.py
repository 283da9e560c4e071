"""What a test must leave alone: all rows of all tables, in one statement."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection


def fingerprints(*, but: Collection[str]) -> dict[str, str]:
    """Table -> a hash over all of its rows, of every table of the database ``but`` these."""
    with connection.cursor() as cursor:
        names = sorted(set(connection.introspection.table_names(cursor)) - set(but))
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{name}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{name}\" t"
                for name in names
            )
        )
        return dict(cursor.fetchall())
