"""``manage.py cybersource_webhooks``: what CyberSource announces to this shop, and with which key."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from cybersource.conf import conf
from cybersource.gateway import client, credentials
from cybersource.inbound.webhooks import EventSubject
from cybersource.protocol import ProtocolError
from cybersource.protocol.rest import (
    Call,
    NewKey,
    NotSent,
    Processed,
    Product,
    Refused,
    Subscription,
    create_webhook,
    delete_webhook,
    list_webhooks,
    set_webhook_status,
    webhook_key,
    webhook_products,
)

#: Whose events we look into; which events these have is asked. The last two may tell the same once more.
PRODUCTS = ("payments", "decisionManager", "tokenManagement", "cardProcessing", "fraudManagementEssentials")

#: What a subscription's status means for the person who made it.
MEANINGS = {
    "PENDING_REVIEW": "People at CyberSource look at the URL first, which takes a day or two.",
    "INACTIVE": "It becomes active once the health URL has answered, within ten minutes; or say: activate ID.",
    "ACTIVE": "Events are delivered.",
    "SUSPENDED": "The URL did not answer. Events wait until the health URL does.",
    "BLOCKED": "CyberSource does not accept the URL. Ask its support.",
}


class Command(BaseCommand):
    help = (
        "Subscribes this shop to CyberSource's webhooks: shows what there is, makes the key that signs deliveries, "
        "makes, lists, activates and deletes subscriptions. Needs the CYBERSOURCE_REST_… settings."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("products", help="list what the account may subscribe to; * is what this app looks into")
        key = actions.add_parser("key", help="have a key made that signs deliveries, and show it once")
        key.add_argument("--noinput", "--no-input", action="store_false", dest="interactive", help="do not ask")
        create = actions.add_parser("create", help="subscribe this shop")
        create.add_argument("--url", required=True, help="origin of the shop, such as https://shop.example")
        create.add_argument("--product", action="append", dest="products", metavar="ID", help="only these products")
        create.add_argument("--name", default="django-oscar-cybersource", help="how CyberSource lists it")
        actions.add_parser("list", help="list subscriptions")
        for action, what in (("activate", "switch a subscription on"), ("delete", "delete a subscription")):
            actions.add_parser(action, help=what).add_argument("id", help="as list shows it")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            credentials.access()
            getattr(self, f"do_{action}")(**options)
        except ImproperlyConfigured as problem:
            raise CommandError(str(problem)) from None
        except ProtocolError as problem:
            raise CommandError(problem.explanation) from None

    # -- the actions

    def do_products(self, **options: Any) -> None:
        offered = products()
        for product in offered:
            self.stdout.write(product.id)
            for event in product.event_types:
                ours = "*" if is_ours(product, event) else " "
                self.stdout.write(f"  {ours} {event}{' (encrypted)' if event in product.encrypted else ''}")
        if not offered:
            self.stdout.write("CyberSource offers this account no events.")

    @sensitive_variables()
    def do_key(self, *, interactive: bool, **options: Any) -> None:
        if conf.webhook_keys and interactive and not self.confirmed():
            raise CommandError("No key was made.")
        made = NewKey.read(answer_to(webhook_key(conf.merchant_id)))
        if made is None:
            raise CommandError("CyberSource made a key and did not show it. Make another one.")
        self.stdout.write(
            "Put this key into the settings, beside those that are there. It is shown this once and kept nowhere.\n\n"
            f'CYBERSOURCE_WEBHOOK_KEYS = {{"{made.key_id}": "{made.key}"}}\n'
        )
        self.stdout.write(f"It expires {made.expires or 'after a year'}.")

    def confirmed(self) -> bool:
        self.stdout.write(
            "CyberSource signs with a new key at once. What it delivers is refused until the settings have the key, "
            "and tried again for a day."
        )
        try:
            return input("Make a new key? Type 'yes' to do so: ").strip().lower() == "yes"
        except EOFError:  # no terminal
            self.stdout.write("")
            return False

    def do_create(self, *, url: str, products: list[str] | None, name: str, **options: Any) -> None:
        origin = origin_of(url)
        if not conf.webhook_keys:
            raise CommandError(
                "CYBERSOURCE_WEBHOOK_KEYS is empty, so every delivery would be refused. Make a key first: "
                "manage.py cybersource_webhooks key"
            )
        address = origin + reverse("cybersource-webhooks")
        wanted = self.wanted(products)
        for subscription in subscriptions():
            if subscription.url == address:
                raise CommandError(
                    f"{address} is subscribed already, as {subscription.id} ({subscription.status}). Delete that first "
                    "to change its events."
                )
        call = create_webhook(
            conf.merchant_id,
            name=name,
            products=wanted,
            url=address,
            health_url=origin + reverse("cybersource-webhooks-health"),
        )
        self.tell(Subscription.read({**(call.body or {}), **answer_to(call)}))

    def wanted(self, only: list[str] | None) -> Mapping[str, list[str]]:
        """The events to subscribe to, by product: what is looked into, once each, as far as it can be read."""
        offered = {product.id: product for product in products()}
        missing = set(only or ()) - set(offered)
        if missing:
            raise CommandError(f"CyberSource does not offer this account: {', '.join(sorted(missing))}.")
        chosen: dict[str, list[str]] = {}
        taken: set[str] = set()
        for id in only or [id for id in PRODUCTS if id in offered]:
            events = [event for event in offered[id].event_types if is_ours(offered[id], event) and event not in taken]
            unreadable = [
                event for event in events if event in offered[id].encrypted and not conf.rest_mle_response_key
            ]
            if unreadable:
                self.stderr.write(
                    f"Left out, since they come encrypted and CYBERSOURCE_REST_MLE_RESPONSE_KEY is not set: {id} "
                    f"{', '.join(unreadable)}"
                )
            events = [event for event in events if event not in unreadable]
            taken.update(events)
            if events:
                chosen[id] = events
        if not chosen:
            raise CommandError("There is no event to subscribe to. See: manage.py cybersource_webhooks products")
        return chosen

    def do_list(self, **options: Any) -> None:
        found = list(subscriptions())
        for subscription in found:
            self.tell(subscription)
        if not found:
            self.stdout.write("There is no subscription.")

    def do_activate(self, *, id: str, **options: Any) -> None:
        answer_to(set_webhook_status(id, "ACTIVE"))
        self.stdout.write(f"{id} is active.")

    def do_delete(self, *, id: str, **options: Any) -> None:
        answer_to(delete_webhook(id))
        self.stdout.write(f"{id} is deleted.")

    def tell(self, subscription: Subscription) -> None:
        self.stdout.write(f"{subscription.id}: {subscription.status}")
        self.stdout.write(f"  delivers to {subscription.url}")
        self.stdout.write(f"  asks {subscription.health_url or 'no URL'} for its health")
        for event in subscription.event_types:
            self.stdout.write(f"  {event}")
        if subscription.status in MEANINGS:
            self.stdout.write(f"  {MEANINGS[subscription.status]}")


# -- what is asked ---------------------------------------------------------------------------------------------------


def products() -> tuple[Product, ...]:
    return Product.read_all(answer_to(webhook_products(conf.merchant_id)))


def subscriptions() -> Iterator[Subscription]:
    """Each subscription to anything we look into. CyberSource lists them by product and event."""
    seen: set[str] = set()
    for product in products():
        for event in product.event_types:
            if is_ours(product, event):
                call = list_webhooks(conf.merchant_id, product_id=product.id, event_type=event)
                for subscription in Subscription.read_all(answer_to(call, or_nothing=True)):
                    if subscription.id not in seen:
                        seen.add(subscription.id)
                        yield subscription


def is_ours(product: Product, event: str) -> bool:
    return product.id in PRODUCTS and EventSubject.of(event) is not EventSubject.NOTHING


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise CommandError("--url is the shop's scheme and host only, such as https://shop.example")
    if parts.scheme != "https" and not (parts.scheme == "http" and credentials.is_this_machine(url)):
        raise CommandError("CyberSource delivers to https only; plain http is for a simulator on this machine.")
    return credentials.origin(url)


@sensitive_variables()
def answer_to(call: Call, *, or_nothing: bool = False) -> Mapping[str, Any]:
    """Ask CyberSource and return what it answers. Raises CommandError for everything else, in plain words."""
    exchange = client.send(call)
    outcome, row = exchange.outcome, f"log row {exchange.entry.pk}"
    if isinstance(outcome, Processed):
        return outcome.content or {}
    if isinstance(outcome, NotSent):
        raise CommandError(f"CyberSource cannot be reached ({outcome.cause}). Nothing was sent.")
    if isinstance(outcome, Refused):
        if outcome.is_not_found and or_nothing:
            return {}
        if outcome.is_not_authenticated:
            raise CommandError(
                f"CyberSource does not accept these credentials, or the account may not do this (HTTP "
                f"{outcome.http_status}, {row}). See: manage.py cybersource_check"
            )
        fields = [f"{detail.field} ({detail.reason})" for detail in outcome.answer.details]
        said = [outcome.answer.reason, outcome.answer.message, *fields]
        raise CommandError(f"CyberSource refused: {' '.join(filter(None, said)) or outcome.http_status} ({row})")
    raise CommandError(
        f"CyberSource gave no clear answer ({outcome.why}, {row}). Whether it was done is not known: look, before you "
        "do it again."
    )
