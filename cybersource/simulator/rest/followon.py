"""The money desk: what may follow on a payment, whoever asks. REST asks for the shop, the Business Center for staff.

Money is only ever taken where a real processor would: captures within the authorization. Refunds are *not* limited,
because CyberSource does not limit them.

Source: payments guides; REST API field reference for the reasons. Where those are silent the reasons are ours.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cybersource.simulator.rest.transactions import Book, Transaction
from cybersource.simulator.rest_access import RestAccess
from cybersource.simulator.store import Memory


class NotAllowed(ValueError):
    """The state of the transaction does not allow it; nothing was done."""

    def __init__(self, reason: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason  #: in CyberSource's words
        self.message = message
        self.field = field  #: of the request, where one is to blame


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asks for a follow-on, and what they call it."""

    by: str
    reference: str = ""
    idempotency_id: str = ""
    id: str = ""  #: the request id, if it was given out already


class Desk:
    """Captures, refunds, voids and reversals over one book. The gateway's lock is held."""

    def __init__(
        self,
        *,
        book: Book,
        memory: Memory,
        access: Callable[[], RestAccess],
        clock: Callable[[], datetime],
        now: Callable[[], datetime],
    ) -> None:
        self.book = book
        self._memory = memory
        self._access = access
        self._clock = clock
        self._now = now
        #: told of every follow-on that was refused: its kind, on what, who asked, why
        self.refused: Callable[[str, Transaction, Asked, NotAllowed], None] = lambda *told: None

    def capture(
        self, payment: Transaction | None, amount: Decimal, asked: Asked, *, sequence: tuple[int, int] | None = None
    ) -> Transaction:
        """Take what was held. ``sequence`` is (number of this capture, how many there will be)."""
        with self._telling("capture", payment, asked):
            payment = self._capturable(payment)
            if sequence:
                self._check_sequence(payment, *sequence)
            if amount > self.book.left(payment):
                raise NotAllowed(
                    "EXCEEDS_AUTH_AMOUNT", "More than was authorized.", "orderInformation.amountDetails.totalAmount"
                )
            made = self._follow(payment, "capture", amount, "PENDING", asked)
            payment.closed = bool(sequence and sequence[0] == sequence[1])
            return made

    def refund(self, captured: Transaction | None, amount: Decimal, asked: Asked) -> Transaction:
        """Give money back of a capture or of a sale. No look at what was given back before."""
        with self._telling("refund", captured, asked):
            return self._follow(self._refundable(captured), "refund", amount, "PENDING", asked)

    def void(self, target: Transaction | None, asked: Asked) -> Transaction:
        """Take back a capture, a sale or a refund that is in no batch yet. The hold of a capture stays."""
        with self._telling("void", target, asked):
            target = self._voidable(target)
            made = self._follow(target, "void", target.amount, "VOIDED", asked)
            target.undone = "VOIDED"
            return made

    def reverse(self, payment: Transaction | None, amount: Decimal, asked: Asked) -> Transaction:
        """Release what is held: the whole, or a part where the processor takes that."""
        with self._telling("reversal", payment, asked):
            payment = self._reversible(payment)
            left = self.book.left(payment)
            if amount > left:
                raise NotAllowed("INVALID_AMOUNT", "More than is held.")
            if amount != left and not self._partly_reversible(payment):
                raise NotAllowed("INVALID_AMOUNT", "A reversal is for the whole amount.")
            made = self._follow(payment, "reversal", amount, "REVERSED", asked)
            if self.book.released(payment) == payment.amount:
                payment.undone = "REVERSED"
            return made

    def allows(self, act: str, on: Transaction) -> bool:
        """Tell whether the state of a transaction allows an act by its name, of some amount."""
        checks = {
            "capture": self._capturable,
            "refund": self._refundable,
            "void": self._voidable,
            "reverse": self._reversible,
        }
        try:
            checks[act](on)
        except NotAllowed:
            return False
        return act != "capture" or self.book.left(on) > 0

    # ---------------------------------------------------------------- what a state allows

    def _capturable(self, payment: Transaction | None) -> Transaction:
        if payment is None or not payment.holds:
            raise NotAllowed("MISSING_AUTH", "There is no such authorization.")
        if payment.undone == "REVERSED":
            raise NotAllowed("AUTH_ALREADY_REVERSED", "The authorization has been reversed.")
        again = self.book.captured(payment) and not self._access().several_captures
        if payment.kind == "sale" or payment.closed or again:
            raise NotAllowed("TRANSACTION_ALREADY_SETTLED", "The authorization has been captured.")
        return payment

    def _refundable(self, captured: Transaction | None) -> Transaction:
        if captured is None or not captured.amount or captured.kind not in {"capture", "sale"}:
            raise NotAllowed("INVALID_DATA", "There is nothing captured under this id.", "id")
        if captured.undone:
            raise NotAllowed("CAPTURE_ALREADY_VOIDED", "The capture has been voided.")
        return captured

    def _voidable(self, target: Transaction | None) -> Transaction:
        voidable = target is not None and target.kind in {"sale", "capture", "refund"} and target.amount
        after = self._access().batch_after
        if target is None or not voidable or target.undone or self.book.batched(target, self._now(), after):
            raise NotAllowed("NOT_VOIDABLE", "It is in a batch already, or was voided, or is nothing to void.")
        return target

    def _reversible(self, payment: Transaction | None) -> Transaction:
        if payment is None or not payment.holds:
            raise NotAllowed("MISSING_AUTH", "There is no such authorization.")
        captured, left = self.book.captured(payment), self.book.left(payment)
        if payment.undone == "REVERSED" or (not left and self.book.released(payment)):
            raise NotAllowed("AUTH_ALREADY_REVERSED", "The authorization has been reversed.")
        if not left or (captured and not self._partly_reversible(payment)):
            raise NotAllowed("TRANSACTION_ALREADY_SETTLED", "The authorization has been captured.")
        return payment

    def _partly_reversible(self, payment: Transaction) -> bool:
        return self._access().partial_reversals and payment.kind != "sale"

    # ---------------------------------------------------------------- parts

    @contextmanager
    def _telling(self, kind: str, on: Transaction | None, asked: Asked) -> Iterator[None]:
        try:
            yield
        except NotAllowed as problem:
            if on is not None:
                self.refused(kind, on, asked, problem)
            raise

    def _check_sequence(self, payment: Transaction, number: int, count: int) -> None:
        """Refuse a number that is not the next. Voided captures had theirs.

        Source: payments guides, multiple partial captures: an unknown total is sent as number + 1 until the last.
        """
        under = "processingInformation.captureOptions"
        done = sum(each.parent == payment.id and each.kind == "capture" for each in self.book)
        if number != done + 1:
            raise NotAllowed("INVALID_DATA", f"Capture {done + 1} is the next.", f"{under}.captureSequenceNumber")
        if count < number:
            raise NotAllowed("INVALID_DATA", "The count is less than the number.", f"{under}.totalCaptureCount")

    def _follow(self, parent: Transaction, kind: str, amount: Decimal, status: str, asked: Asked) -> Transaction:
        # A timeout reversal or void names the call it undoes; that name is not its own.
        own = not (kind in {"void", "reversal"} and asked.idempotency_id == parent.idempotency_id)
        return self.book.add(
            Transaction(
                id=asked.id or self._memory.next_request_id(self._clock()),
                kind=kind,
                merchant_id=parent.merchant_id,
                amount=amount,
                asked=amount,
                currency=parent.currency,
                status=status,
                reference=asked.reference or parent.reference,
                idempotency_id=asked.idempotency_id if own else "",
                at=self._now(),
                by=asked.by,
                parent=parent.id,
                root=parent.root,
                card=parent.card,
                payment=parent.payment,
            )
        )
