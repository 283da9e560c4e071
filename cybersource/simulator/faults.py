"""Faults on demand: what may go wrong between CyberSource, the browser and the shop, switched by rule.

A rule says which payments it is for (card, amount, surname, reference number, step; nothing means any), what happens to
them, from which of them on and how often. Rules are asked in the order they were added, the default comes last.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from cybersource.simulator.cards import by_tag
from cybersource.simulator.outcomes import VERDICTS
from cybersource.simulator.settings import MerchantPost


class Fault(StrEnum):
    """One thing that goes wrong. The comment says what the shop and the shopper see."""

    DROP_REPLY = "drop-reply"  #: processed, but the connection breaks at the first line of the page
    TAB_CLOSED = "tab-closed"  #: processed, the browser gets a page that posts nothing
    TRUNCATED = "truncated"  #: processed, the page breaks off in the middle of the form
    TWICE = "twice"  #: the browser posts its reply twice, and the merchant POST comes twice
    LATE = "late"  #: the merchant POST comes first, the page ``late_seconds`` later
    SWAPPED = "swapped"  #: the merchant POST comes before the browser's reply
    SLOW = "slow"  #: the page takes ``slow_seconds``, everything else as usual
    WRONG_SIGNATURE = "wrong-signature"  #: both copies carry a signature made with another secret
    TAMPERED = "tampered"  #: the browser's copy was changed on its way: another amount under the old signature
    EXTRA_FIELD = "extra-field"  #: both copies carry a field that no signature covers
    UNKNOWN_CODE = "unknown-code"  #: the decision stays, the reason code is one nobody has heard of
    UNKNOWN_DECISION = "unknown-decision"  #: the decision is a word that no guide lists
    ROTATED_KEY = "rotated-key"  #: signed with another live key of the profile, which req_access_key names
    FORBIDDEN = "forbidden"  #: nothing is processed: 403 page, no reply at all
    BAD_REQUEST = "bad-request"  #: nothing is processed: 400 page
    SERVER_ERROR = "server-error"  #: nothing is processed: 500 page
    SERVER_ERROR_AFTER = "server-error-after"  #: processed, but the browser gets a 500 page

    @property
    def meaning(self) -> str:
        """What happens, for people."""
        return _MEANINGS[self]


_MEANINGS: dict[Fault, str] = {
    Fault.DROP_REPLY: "Paid, but the connection breaks at the first line of the page.",
    Fault.TAB_CLOSED: "Paid, but the shopper closes the tab: the page posts nothing.",
    Fault.TRUNCATED: "Paid, but the page breaks off in the middle of the form.",
    Fault.TWICE: "The browser's reply and the merchant POST both arrive twice.",
    Fault.LATE: "The merchant POST arrives first, the browser's page some seconds later.",
    Fault.SWAPPED: "The merchant POST arrives before the browser's reply.",
    Fault.SLOW: "The page takes its time.",
    Fault.WRONG_SIGNATURE: "Both copies are signed with a secret that is not the shop's.",
    Fault.TAMPERED: "The browser's copy is changed on its way: another amount under the old signature.",
    Fault.EXTRA_FIELD: "Both copies carry a field that no signature covers.",
    Fault.UNKNOWN_CODE: "The reason code is one that nobody has heard of.",
    Fault.UNKNOWN_DECISION: "The decision is a word that no guide lists.",
    Fault.ROTATED_KEY: "Signed with another live key of the profile.",
    Fault.FORBIDDEN: "Not processed: 403 page, the shop hears nothing.",
    Fault.BAD_REQUEST: "Not processed: 400 page, the shop hears nothing.",
    Fault.SERVER_ERROR: "Not processed: 500 page, the shop hears nothing.",
    Fault.SERVER_ERROR_AFTER: "Paid, but the browser gets a 500 page.",
}

#: Faults after which nothing was processed, and the status of the page.
NOT_PROCESSED = {Fault.FORBIDDEN: 403, Fault.BAD_REQUEST: 400, Fault.SERVER_ERROR: 500}


class Step(StrEnum):
    """Which of the two hops of a two-step payment."""

    ANY = "any"
    PAY = "pay"  #: authorization or sale, with or without a token
    TOKEN = "token"  #: the bare creation or update of a token


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was switched for one payment."""

    faults: frozenset[Fault] = frozenset()
    merchant_post: MerchantPost | None = None  #: None: as in the settings
    outcome: str = ""  #: name of a verdict; empty: as card, amount and name say


@dataclass(frozen=True, kw_only=True)
class Rule:
    """For which payments, what, and how often."""

    number: int
    plan: Plan
    card: str = ""  #: last four digits
    amount: Decimal | None = None
    surname: str = ""
    reference: str = ""
    step: Step = Step.ANY
    skip: int = 0  #: how many fitting payments it still lets pass
    left: int | None = None  #: how many payments it is still for after those; None: every one

    def fits(self, *, last_four: str, amount: Decimal | None, surname: str, reference: str, pays: bool) -> bool:
        """Tell whether the rule is for such a payment."""
        return (
            self.card in {"", last_four}
            and (self.amount is None or self.amount == amount)
            and self.surname.casefold() in {"", surname.casefold()}
            and self.reference in {"", reference}
            and self.step in {Step.ANY, Step.PAY if pays else Step.TOKEN}
        )


class Faults:
    """The switches: a list of rules and a default. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rules: list[Rule] = []
        self._default = Plan()
        self._numbers = 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        with self._lock:
            return tuple(self._rules)

    @property
    def default(self) -> Plan:
        """What happens to payments that no rule is for."""
        return self._default

    def set_default(
        self, *faults: Fault | str, merchant_post: MerchantPost | str | None = None, outcome: int | str = ""
    ) -> None:
        """Make every payment that no rule is for go like this; no argument makes it ordinary again."""
        with self._lock:
            self._default = plan(faults, merchant_post, outcome)

    def add(
        self,
        *faults: Fault | str,
        merchant_post: MerchantPost | str | None = None,
        outcome: int | str = "",
        card: str = "",
        amount: str | Decimal | None = None,
        surname: str = "",
        reference: str = "",
        step: Step | str = Step.ANY,
        nth: int = 1,
        times: int | None = None,
    ) -> Rule:
        """Add a rule and return it. ``card`` is a test card's tag or a number, of which the last four digits count.

        ``nth`` is the first payment that the rule is for, among those that fit; ``times`` is for how many from there
        on: every one, or that one alone where ``nth`` is more than 1. Raises ValueError for a word that means nothing.
        """
        try:
            wanted = None if amount in {None, ""} else Decimal(str(amount))
        except InvalidOperation:
            raise ValueError("The amount is no number") from None
        if nth < 1 or (times is not None and times < 1):
            raise ValueError("nth and times count from 1")
        known = by_tag(card)
        with self._lock:
            self._numbers += 1
            rule = Rule(
                number=self._numbers,
                plan=plan(faults, merchant_post, outcome),
                card=(known.number if known else card)[-4:],
                amount=wanted,
                surname=surname,
                reference=reference,
                step=Step(step),
                skip=nth - 1,
                left=1 if times is None and nth > 1 else times,
            )
            self._rules.append(rule)
            return rule

    def next(
        self,
        *faults: Fault | str,
        merchant_post: MerchantPost | str | None = None,
        outcome: int | str = "",
        step: Step | str = Step.ANY,
    ) -> Rule:
        """Add a rule for the next request only, or for the next of a ``step``."""
        return self.add(*faults, merchant_post=merchant_post, outcome=outcome, step=step, times=1)

    def remove(self, number: int) -> None:
        """Take a rule away; one that is gone already is no error."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rule.number != number]

    def clear(self) -> None:
        """Take all rules away and make the default ordinary."""
        with self._lock:
            self._rules.clear()
            self._default = Plan()

    def take(self, *, last_four: str, amount: Decimal | None, surname: str, reference: str, pays: bool) -> Plan:
        """Return the plan for such a payment, and count it."""
        with self._lock:
            for at, rule in enumerate(self._rules):
                if not rule.fits(last_four=last_four, amount=amount, surname=surname, reference=reference, pays=pays):
                    continue
                if rule.skip:
                    self._rules[at] = replace(rule, skip=rule.skip - 1)
                    continue
                if rule.left is not None:
                    if rule.left > 1:
                        self._rules[at] = replace(rule, left=rule.left - 1)
                    else:
                        del self._rules[at]
                return rule.plan
            return self._default


def plan(faults: Iterable[Fault | str], merchant_post: MerchantPost | str | None, outcome: int | str) -> Plan:
    """Return a :class:`Plan` from words, or raise ValueError naming the word that is none."""
    name = str(outcome)
    if name and name not in VERDICTS:
        raise ValueError(f"No outcome is called {name!r}; there are {', '.join(VERDICTS)}")
    return Plan(
        faults=frozenset(Fault(each) for each in faults),
        merchant_post=MerchantPost(merchant_post) if merchant_post else None,
        outcome=name,
    )
