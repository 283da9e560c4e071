"""The gateway: posted forms in, signed replies out, payments and cases remembered. No network, no Flask, no threads.

``submit`` is the whole of Secure Acceptance, as a function of the form and the clock. What is to be delivered to the
shop is returned as data (:class:`~cybersource.simulator.records.Answer`); ``courier.Courier`` delivers it. Everything
here may be called from several threads at once.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from cybersource.simulator import reply
from cybersource.simulator.case_management import Reviewing
from cybersource.simulator.faults import NOT_PROCESSED, Faults
from cybersource.simulator.fingerprint import Profiling
from cybersource.simulator.merchant_staff import StaffDesk
from cybersource.simulator.outbox import Due, Outbox
from cybersource.simulator.page import Page, refusal_page, reply_page
from cybersource.simulator.processing import Processing
from cybersource.simulator.records import Answer, Delivery, Notification, Payment, PlannedPost, Refusal
from cybersource.simulator.reply import Pairs
from cybersource.simulator.request import Refused, read
from cybersource.simulator.rest.decisions import REVIEWER, Decisions
from cybersource.simulator.rest.services import RestServices
from cybersource.simulator.rest_access import RestAccess
from cybersource.simulator.review import Update, notification_xml
from cybersource.simulator.settings import Profile, Settings
from cybersource.simulator.store import Memory
from cybersource.simulator.webhooks.publisher import Webhooks
from cybersource.simulator.webhooks.services import WebhookServices

Seen = TypeVar("Seen")


class Gateway:
    """CyberSource for the profiles of ``settings``, by the clock given (a callable returning an aware datetime)."""

    def __init__(self, settings: Settings | None = None, clock: Callable[[], datetime] | None = None) -> None:
        self._settings = settings or Settings()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._changed = threading.Condition(threading.RLock())
        self._memory = Memory()
        self.faults = Faults()
        #: payments, captures, refunds, voids, reversals, look-up and search over the same records
        self.rest = RestServices(memory=self._memory, access=self._rest_access, clock=self.now, changed=self._changed)
        #: staff who capture, refund, void and reverse behind the shop's back
        self.business_center = StaffDesk(rest=self.rest, changed=self._changed)
        self.outbox = Outbox()  #: what is due to the shop and nobody waits for
        self.webhooks = Webhooks(
            settings=lambda: self._settings,
            merchant_id=lambda: self._rest_access()[1],
            memory=self._memory,
            clock=self.now,
            outbox=self.outbox,
            changed=self._changed,
        )
        self.rest.book.heard = self.webhooks.transaction
        self.rest.desk.refused = self.webhooks.refused
        self.rest.batched = self.webhooks.batched
        self._reviewing = Reviewing(
            rest=self.rest,
            memory=self._memory,
            settings=lambda: self._settings,
            clock=self.now,
            announce=self.webhooks.case,
        )
        self.rest.offer(WebhookServices(hub=self.webhooks).routes)
        self.rest.offer(
            Decisions(
                payments=lambda: self._memory.payments,
                decide=self._decided_by_rest,
                comment=self._commented_by_rest,
            ).routes
        )

    # ---------------------------------------------------------------- what can be seen

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def payments(self) -> tuple[Payment, ...]:
        """Processed requests, oldest first."""
        with self._changed:
            return tuple(self._memory.payments)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Forms that got a bare page, oldest first."""
        with self._changed:
            return tuple(self._memory.refusals)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Messages sent to the shop's server, oldest first, with their results."""
        with self._changed:
            return tuple(self._memory.deliveries)

    @property
    def profilings(self) -> tuple[Profiling, ...]:
        """Fingerprint assets that pages asked for, oldest first."""
        with self._changed:
            return tuple(self._memory.fingerprints.seen)

    @property
    def cases(self) -> tuple[Payment, ...]:
        """Payments with a review case, oldest first, decided ones too."""
        return tuple(payment for payment in self.payments if payment.case)

    def payment(self, payment_id: str) -> Payment:
        """Return one payment, or raise KeyError."""
        for payment in self.payments:
            if payment.id == payment_id:
                return payment
        raise KeyError(payment_id)

    def now(self) -> datetime:
        """Return the gateway's time, UTC."""
        return self._clock().astimezone(UTC)

    def wait_for(self, look: Callable[[], Seen | None], *, timeout: float = 10.0) -> Seen:
        """Return what ``look`` returns once that is something, or raise TimeoutError. Wakes up at each change."""
        with self._changed:
            self._changed.wait_for(look, timeout)
            seen = look()
        if not seen:
            raise TimeoutError(f"The simulator did not see it within {timeout:g} seconds")
        return seen

    # ---------------------------------------------------------------- switches

    def configure(self, **changes: Any) -> Settings:
        """Replace some settings, by name, and return them all."""
        with self._changed:
            self._settings = replace(self._settings, **changes)
            return self._settings

    def set_shop(self, shop: str, *, mount: str = "/api/cybersource/") -> None:
        """Point every profile's URLs to a shop at ``shop`` (its origin)."""
        urls = Profile.for_shop(shop, mount=mount)
        with self._changed:
            profiles = tuple(
                replace(
                    profile,
                    receipt_page=urls.receipt_page,
                    merchant_post_url=urls.merchant_post_url,
                    notification_url=urls.notification_url,
                    notification_key=profile.notification_key or urls.notification_key,
                )
                for profile in self._settings.profiles
            )
            self._settings = replace(self._settings, profiles=profiles)

    # ---------------------------------------------------------------- Secure Acceptance

    def submit(self, path: str, pairs: Sequence[tuple[str, str]]) -> Answer:
        """Take one posted form, as the browser sent it, and return what follows."""
        with self._changed:
            now = self.now()
            try:
                request = read(path, pairs, settings=self._settings, now=now)
            except Refused as refused:
                return self._refuse(path, refused.status, refused.reason, now)
            stored = self._memory.tokens.get(request["payment_token"], request.profile.merchant_id)
            plan = self.faults.take(
                last_four=stored.last_four if stored else request["card_number"][-4:],
                amount=_decimal(request["amount"]),
                surname=request["bill_to_surname"] or (stored.echo.get("bill_to_surname", "") if stored else ""),
                reference=request["reference_number"],
                pays=request.pays,
            )
            for fault in sorted(plan.faults & NOT_PROCESSED.keys()):
                return self._refuse(path, NOT_PROCESSED[fault], "A switch asked for this", now)
            answer = Processing(
                memory=self._memory, settings=self._settings, request=request, stored=stored, plan=plan, now=now
            ).answer()
            if answer.payment:
                self.rest.adopt(answer.payment)
            self._changed.notify_all()
            return answer

    def _rest_access(self) -> tuple[RestAccess, str]:
        return self._settings.rest, self._settings.rest.merchant_id or self._settings.profiles[0].merchant_id

    def _refuse(self, path: str, status: int, reason: str, now: datetime) -> Answer:
        self._memory.refusals.append(Refusal(at=now, path=path[:64], status=status, reason=reason))
        self._changed.notify_all()
        return Answer(page=refusal_page(status, f"{reason}. The shop is told nothing of this."))

    def sign_reply(
        self, fields: Mapping[str, str], access_key: str | None = None, *, names: Sequence[str] | None = None
    ) -> Pairs:
        """Return ``fields`` as a complete signed reply, for tests that need odd ones.

        ``names`` is what the signature covers, all fields unless given. A ``signed_field_names`` or
        ``signed_date_time`` among ``fields`` is taken as it is.
        """
        key = access_key or fields.get("req_access_key") or self._settings.profiles[0].access_key
        profile = self._settings.profile_for(key)
        secret_key = profile.secret_for(key) if profile else None
        if secret_key is None:
            raise KeyError("No profile has this access key")
        return reply.sign(fields, secret_key=secret_key, now=self.now(), names=names)

    def resend(self, payment_id: str) -> PlannedPost:
        """Return a payment's merchant POST once more, the same signed bytes, due at once."""
        payment = self.payment(payment_id)
        if not payment.can_resend:
            raise ValueError("This payment cannot be sent again: what looked like a card number was taken out of it")
        return PlannedPost(payment_id=payment.id, url=payment.merchant_post_url, pairs=payment.merchant_post)

    def replay(self, payment_id: str) -> Page:
        """Return a payment's reply page once more: the replay of an old, genuine reply."""
        payment = self.payment(payment_id)
        if not (payment.can_resend and payment.receipt_page):
            raise ValueError("There is no reply that a browser could post again")
        return reply_page(payment.receipt_page, payment.reply)

    # ---------------------------------------------------------------- deliveries

    def record_delivery(self, delivery: Delivery) -> None:
        """Remember what became of a message to the shop, and wake up who waits for it."""
        with self._changed:
            self._memory.deliveries.append(delivery)
            for payment in self._memory.payments:
                if payment.id == delivery.payment_id:
                    payment.deliveries.append(delivery)
            self._changed.notify_all()

    # ---------------------------------------------------------------- Decision Manager

    def take_ownership(self, payment_id: str, reviewer: str) -> Notification:
        """Make ``reviewer`` the owner of a case; the shop is told so, without a decision."""
        with self._changed:
            self._changed.notify_all()
            return self._reviewing.take_ownership(self.payment(payment_id), reviewer)

    def add_note(self, payment_id: str, reviewer: str, comment: str) -> Notification:
        """Add a note to a case; the shop is told all notes so far, without a decision."""
        with self._changed:
            self._changed.notify_all()
            return self._reviewing.add_note(self.payment(payment_id), reviewer, comment)

    def decide(
        self,
        payment_id: str,
        decision: str,
        *,
        reviewer: str = "dm_api",
        comments: str = "",
        notes: Iterable[str] = (),
        settle: bool = False,
        reverse: bool = False,
    ) -> Notification:
        """Decide a case, ``ACCEPT`` or ``REJECT``, also one decided before.

        ``settle`` captures with an ACCEPT, ``reverse`` releases the hold with a REJECT.
        """
        with self._changed:
            self._changed.notify_all()
            return self._reviewing.decide(
                self.payment(payment_id),
                decision,
                reviewer=reviewer,
                comments=comments,
                notes=notes,
                settle=settle,
                reverse=reverse,
            )

    def _decided_by_rest(self, payment: Payment, decision: str, comments: str, follow_on: bool) -> None:
        self._due(
            self.decide(payment.id, decision, reviewer=REVIEWER, comments=comments, settle=follow_on, reverse=follow_on)
        )

    def _commented_by_rest(self, payment: Payment, comments: str) -> None:
        self._due(self.add_note(payment.id, REVIEWER, comments))

    def _due(self, notification: Notification) -> None:
        if notification.url and self._settings.rest.decisions_notified:
            self.outbox.put(Due(message=notification, after_seconds=self._settings.after_seconds))

    def notification_xml(
        self, updates: Iterable[Update], *, merchant_id: str | None = None, at: datetime | None = None
    ) -> str:
        """Return a genuine-looking order-status document about ``updates``."""
        return notification_xml(
            updates, merchant_id=merchant_id or self._settings.profiles[0].merchant_id, at=at or self.now()
        )

    # ---------------------------------------------------------------- device fingerprinting

    def profile_device(self, *, org_id: str, session_id: str, asset: str) -> None:
        """Remember that a page asked for a fingerprint asset."""
        with self._changed:
            self._memory.fingerprints.record(org_id=org_id, session_id=session_id, asset=asset, at=self.now())
            self._changed.notify_all()


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
