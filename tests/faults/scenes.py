"""Payments of every kind, brought to the moment at which the reply arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.test import override_settings

from cybersource.simulator import cards
from tests.support.shop import MERCHANT_POST, Shopper, card, post_reply


@dataclass(frozen=True)
class Scene:
    """A reply that is about to be delivered."""

    shopper: Shopper
    reply: Any
    merchant_post: Any

    def browser(self) -> Any:
        return post_reply(self.reply)

    def merchant(self) -> Any:
        return post_reply(self.merchant_post, url=MERCHANT_POST)


#: name -> (flow, card, which of the flow's replies, from 0)
SCENES = {
    "one step, accepted": ("one-step", cards.APPROVED, 0),
    "one step, declined": ("one-step", cards.DECLINED, 0),
    "one step, under review": ("one-step", cards.REVIEW, 0),
    "sale, accepted": ("sale", cards.APPROVED, 0),
    "two steps, the card is stored": ("two-step", cards.APPROVED, 0),
    "two steps, authorized": ("two-step", cards.APPROVED, 1),
}


def scene(name: str, *, shopper: Shopper | None = None) -> Scene:
    flow, number, step = SCENES[name]
    shopper = shopper or Shopper()
    with override_settings(CYBERSOURCE_FLOW=flow):
        shopper.check_out("10.00", "5.00")
        for _earlier in range(step):
            shopper.deliver(shopper.submit(card(number)))
        answer = shopper.submit(card(number))
    return Scene(shopper, answer.reply, answer.merchant_posts[0].pairs if answer.merchant_posts else answer.reply)
