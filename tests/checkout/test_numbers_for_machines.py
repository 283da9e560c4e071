"""A number that a machine reads is written as machines write it, however the shop writes numbers for people."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.template import Context, Engine
from django.template.backends.django import get_installed_libraries
from django.test import Client
from oscar.core.loading import get_model

from cybersource.models import Attention, AttentionItem, CyberSourceReply, PaymentOperation
from tests.dashboard.test_operation_pages import ask, url
from tests.support.desk import source_of
from tests.support.shop import Shopper

Line = get_model("basket", "Line")
StockRecord = get_model("partner", "StockRecord")

#: Attributes that people read.
FOR_PEOPLE = {"title", "alt", "placeholder", "aria-label", "aria-description", "data-text"}

#: A thousand as English, German, French or Swiss readers have it.
GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[,.\u00a0\u202f'’]\d{3})+(?!\d)")

#: Ids from here on have a thousand in every language.
FIRST_ID = 1_234_501


@pytest.fixture(params=["en-us", "de"])
def grouping(request, settings):
    settings.LANGUAGE_CODE = request.param
    settings.USE_THOUSAND_SEPARATOR = True


@pytest.fixture
def large_ids(committed_db):
    """Every row that is written from now on has an id of seven digits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.relname FROM pg_class s WHERE s.relkind = 'S' AND (s.relname LIKE 'cybersource%' OR s.relname "
            "LIKE 'payment%' OR s.relname LIKE 'order%')"
        )
        names = [name for (name,) in cursor.fetchall()]
        before = {}
        for name in names:
            cursor.execute(f'SELECT last_value, is_called FROM "{name}"')
            before[name] = cursor.fetchone()
            cursor.execute("SELECT setval(%s, %s, false)", [name, FIRST_ID])
    yield
    with connection.cursor() as cursor:
        for name, (value, called) in before.items():
            cursor.execute("SELECT setval(%s, %s, %s)", [name, value, called])


class Machines(HTMLParser):
    """What of a page is no text for people: its attributes, and the content of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.in_script = tag == "script"
        self.found += [f"<{tag} {name}={value!r}>" for name, value in attrs if value and name not in FOR_PEOPLE]

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.found.append(data)


def wrong_in(page: str) -> list[str]:
    return [part for part in Machines(page).found if GROUPED.search(part)]


@pytest.mark.usefixtures("grouping", "large_ids", "one_step")
def test_staff_reach_every_page_and_capture_a_thousand_lines(desk):
    shopper = Shopper(gateway=desk.simulator.gateway)
    shopper.fill_basket("3.00")
    StockRecord.objects.update(num_in_stock=9000)
    Line.objects.update(quantity=1200)
    shopper.check_out()
    assert wrong_in(str(shopper.states)) == [] and dict(shopper.form())["amount"] == "3605.00"
    shopper.pay()
    order = shopper.attempt().order
    client = Client()
    client.force_login(desk.staff)
    hold = desk.authorization(order)
    row = CyberSourceReply.objects.latest("pk")
    items = [AttentionItem(kind=Attention.ORPHAN, transaction_uuid=str(number)) for number in range(52)]
    AttentionItem.objects.bulk_create(items)
    first = {
        f"/dashboard/orders/{order.number}/",
        "/api/cybersource/attention/",
        "/api/cybersource/payments/",
        "/api/cybersource/operations/",
        "/api/cybersource/reviews/",
        url(hold, "capture"),
        f"/api/cybersource/log/{row.pk}/",
    }
    page = client.get(url(hold, "capture")).content.decode()
    field = re.search(r'<input type="number"[^>]*>', page).group()
    assert 'max="1200"' in field and 'value="1200"' in field and 'data-left="1200"' in field
    name = re.search(r'name="(line_\d+)"', field).group(1)
    ask(client, hold, "capture", how="lines", **{name: "1100"})
    operation = PaymentOperation.objects.get()
    assert operation.amount == 3300
    seen: set[str] = set()
    waiting = first | {f"/api/cybersource/operations/{operation.pk}/"}
    while waiting:
        address = waiting.pop()
        seen.add(address)
        response = client.get(address)
        assert response.status_code == 200, address
        html = response.content.decode()
        # Oscar writes the ids of an order's lines into its own fields so; ours is the tab.
        start = 'id="card-payments"' if "/dashboard/" in address else '<div class="content">'
        ours = html.partition(start)[2] or html
        assert wrong_in(ours) == [], address
        assert "1,234,5" not in ours and "1.234.5" not in ours, "an id is a name, for people too"
        links = re.findall(r'href="((?:/api/cybersource/|\?)[^"#]*)"', ours)
        for link in {link.replace("&amp;", "&") for link in links}:
            target = address.partition("?")[0] + link if link.startswith("?") else link
            if target not in seen and "format=csv" not in target and len(seen) < 40:
                waiting.add(target)
    assert any("before=" in address or "after=" in address for address in seen), "a list has further pages"
    assert source_of(order)[1] == 3300


@pytest.mark.usefixtures("grouping", "large_ids", "one_step")
def test_the_spreadsheet_has_amounts_as_spreadsheets_read_them(desk):
    desk.order("1234567.50")
    client = Client()
    client.force_login(desk.staff)
    sheet = b"".join(client.get("/api/cybersource/payments/?format=csv")).decode()
    assert "1234572.50" in sheet and not GROUPED.search(sheet.replace("1234572.50", ""))


@pytest.mark.usefixtures("grouping", "large_ids")
def test_the_shoppers_pages_hold_no_number_in_words(shopper):
    """The two-step payment of a large amount, page after page, and its last form."""
    shopper.check_out("12345.60")
    handle = shopper.attempt().transaction_uuid
    pages = [f"/api/cybersource/pending/{handle}/", "/api/cybersource/cybersource-reply/"]
    for address in pages:
        assert wrong_in(shopper.client.get(address).content.decode()) == []
    shopper.deliver(shopper.submit())
    page = shopper.client.get(pages[0]).content.decode()
    assert wrong_in(page) == [] and 'name="amount" value="12350.60"' in page
    shopper.pay()
    assert shopper.attempt().state == "authorized"


@pytest.mark.usefixtures("grouping")
@pytest.mark.parametrize("seconds", [4, 60, 3600])
def test_the_pending_page_waits_as_long_as_it_is_told(seconds):
    """A shop may draw the page itself, and wait for as long as it likes."""
    layout = "{% block cybersource_head %}{% endblock %}{% block cybersource_content %}{% endblock %}"
    engine = Engine(
        loaders=[
            ("django.template.loaders.locmem.Loader", {"cybersource/base.html": layout}),
            "django.template.loaders.app_directories.Loader",
        ],
        libraries=get_installed_libraries(),
    )
    page = engine.get_template("cybersource/pending.html").render(
        Context({"refresh_url": "/x/", "refresh_seconds": seconds, "states_url": "/s/", "form": None})
    )
    assert f'content="{seconds}; url=/x/"' in page
    assert f'data-refresh-seconds="{seconds}"' in page
