"""The admin's lists of what was logged, and a search in them."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from benchmarks.conftest import count_whole_tables_read, statements, timed
from benchmarks.table import FIGURES
from cybersource.models import CyberSourceReply

LISTS = {
    "log": "cybersourcereply",
    "attempts": "paymentattempt",
    "refused posts": "refusedpost",
    "notifications": "reviewnotification",
    "tokens": "paymenttoken",
}

#: Every choice of every filter, words that hardly occur among them.
FILTERS = {
    "log": "decision=ACCEPT decision=CANCEL result__exact=received result__exact=refused result__exact=repeated"
    " reply_type__exact=browser p=50".split(),
    "attempts": "attention=any attention=closed-order state__exact=review state__exact=authorized p=50".split(),
    "refused posts": ["reply_type__exact=merchant-post", "p=50"],
    "notifications": ["state__exact=unreadable", "p=50"],
    "tokens": ["p=50"],
}


@pytest.fixture(scope="session")
def staff(database) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss", "boss@shop.example", "-"))
    return client


@pytest.mark.parametrize("page", LISTS)
def test_a_list(benchmark, log, staff, page):
    def look(query=""):
        answer = staff.get(f"/admin/cybersource/{LISTS[page]}/{query}")
        assert answer.status_code in (200, 302), answer.status_code
        return answer

    look()
    ran = statements(look)
    FIGURES[f"{page} statements", log] = len(ran)
    if log == 1_000_000:
        asked = ran + [sql for query in FILTERS[page] for sql in statements(lambda query=query: look("?" + query))]
        count_whole_tables_read(asked)
    timed(benchmark, look, name=(f"{page} list", log), rounds=10)


@pytest.mark.parametrize(("name", "column"), [("by number", "reference_number"), ("by id", "transaction_id")])
def test_a_search(benchmark, log, staff, name, column):
    sought = getattr(CyberSourceReply.objects.first(), column)

    def search():
        found = staff.get("/admin/cybersource/cybersourcereply/", {"q": sought})
        assert sought in found.content.decode()

    if log == 1_000_000:
        count_whole_tables_read(statements(search))
    timed(benchmark, search, name=name, rounds=10)
