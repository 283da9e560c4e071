"""Staff of the shop who move money in the Business Center, behind the shop's back: nothing of it is told by a reply.

Each act is named by the id of what it follows on, and carries its reference number too, because nobody at the Business
Center knows what the shop would have called it. What is not allowed raises
:class:`~cybersource.simulator.rest.followon.NotAllowed` and does nothing.
"""

from decimal import ROUND_DOWN, Decimal, InvalidOperation
from threading import Condition

from cybersource.simulator.fields import decimals
from cybersource.simulator.records import Payment
from cybersource.simulator.rest.followon import Asked, NotAllowed
from cybersource.simulator.rest.services import RestServices
from cybersource.simulator.rest.transactions import HOLDS, Transaction

ACTS = ("capture", "reverse", "refund", "void")

_ASKED = Asked(by="Business Center")


class StaffDesk:
    """The Business Center's buttons, as methods. An ``amount`` that is left out is all there is."""

    def __init__(self, *, rest: RestServices, changed: Condition) -> None:
        self._rest = rest
        self._changed = changed

    def capture(self, id: str, amount: Decimal | str | None = None) -> Transaction:
        """Capture an authorization, by its id."""
        with self._changed:
            found = self._found(id)
            return self._done(self._rest.desk.capture(found, self._amount(found, amount), _ASKED))

    def refund(self, id: str, amount: Decimal | str | None = None) -> Transaction:
        """Refund a capture or a sale, by its id. Nothing stops an over-refund, as at CyberSource."""
        with self._changed:
            found = self._found(id)
            return self._done(self._rest.desk.refund(found, self._amount(found, amount), _ASKED))

    def void(self, id: str) -> Transaction:
        """Void a capture, a sale or a refund, by its id, before the batch runs."""
        with self._changed:
            return self._done(self._rest.desk.void(self._found(id), _ASKED))

    def reverse(self, id: str, amount: Decimal | str | None = None) -> Transaction:
        """Reverse an authorization, by its id."""
        with self._changed:
            found = self._found(id)
            return self._done(self._rest.desk.reverse(found, self._amount(found, amount), _ASKED))

    def money(self, payment: Payment) -> list[tuple[Transaction, str, tuple[str, ...]]]:
        """Return a payment and what followed on it, oldest first: each with its state and what can be done to it."""
        with self._changed:
            chain = self._rest.book.chain(payment.transaction_id or "")
            return [(each, self._rest.status(each.id), self._buttons(each)) for each in chain if each.amount]

    def _buttons(self, each: Transaction) -> tuple[str, ...]:
        return tuple(act for act in ACTS if self._rest.desk.allows(act, each))

    def _found(self, id: str) -> Transaction:
        found = next((each for each in self._rest.book if each.id == id), None)
        if found is None:
            raise KeyError(id)
        return found

    def _amount(self, found: Transaction, amount: Decimal | str | None) -> Decimal:
        if amount is None:
            return found.amount if found.kind not in HOLDS else self._rest.book.left(found) or found.amount
        try:
            exact = Decimal(amount)
        except InvalidOperation:
            exact = Decimal(0)
        if exact <= 0 or exact != exact.quantize(Decimal(1).scaleb(-decimals(found.currency)), ROUND_DOWN):
            raise NotAllowed("INVALID_AMOUNT", f"{amount} is no amount of {found.currency}.")
        return exact

    def _done(self, made: Transaction) -> Transaction:
        self._changed.notify_all()
        return made
