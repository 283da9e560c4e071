"""The gateway: posted forms in, signed replies out, payments and cases remembered. No network, no Flask, no threads.

``submit`` is the whole of Secure Acceptance, as a function of the form and the clock. What is to be delivered to the
shop is returned as data (:class:`Answer`); ``courier.Courier`` delivers it. Everything here may be called from several
threads at once.
"""

import base64
import re
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from cybersource.simulator import cards, reply
from cybersource.simulator.faults import NOT_PROCESSED, Fault, Faults, Plan
from cybersource.simulator.fields import decimals, money
from cybersource.simulator.fingerprint import Fingerprints, Profiling
from cybersource.simulator.outcomes import VERDICTS, Verdict, decide
from cybersource.simulator.page import Page, lost_page, plain_page, refusal_page, reply_page
from cybersource.simulator.reply import Pairs
from cybersource.simulator.request import Refused, Request, read
from cybersource.simulator.review import Case, Followon, Note, Update, notification_body, notification_xml
from cybersource.simulator.settings import MerchantPost, Profile, Settings
from cybersource.simulator.tokens import StoredCard, Tokens
from cybersource.simulator.validation import problems

Seen = TypeVar("Seen")

KEEP = 1000  #: payments, refusals and deliveries that are remembered

_DIGIT_RUNS = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)", re.ASCII)
#: Fields whose long digit runs are names of things, not cards.
_IDENTIFIERS = re.compile(
    r"(req_)?(payment_token|transaction_\w+|profile_id|access_key|device_fingerprint_id|\w*_trans_ref_no|request_token)"
)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message that was sent to the shop's server, and what came of it."""

    kind: str  #: ``merchant POST`` or ``review notification``
    payment_id: str
    url: str  #: without its query, which holds the shop's key
    at: datetime
    status: int | None = None  #: None: nothing was answered
    error: str = ""
    seconds: float = 0.0

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(kw_only=True)
class Payment:
    """One processed request, as the Business Center lists it. Holds a mask of the card, never its number."""

    id: str
    at: datetime
    path: str
    merchant_id: str
    reference_number: str
    transaction_uuid: str
    transaction_type: str
    amount: str
    currency: str
    decision: str
    reason_code: str
    message: str
    transaction_id: str | None
    card_number: str  #: masked
    card_type: str
    card_tag: str
    shopper: str
    payment_token: str
    receipt_page: str
    merchant_post_url: str
    invalid_fields: str
    required_fields: str
    faults: frozenset[Fault]
    remarks: list[str] = field(default_factory=list)
    reply: Pairs = field(default_factory=list, repr=False)  #: what the browser was given, signed
    merchant_post: Pairs = field(default_factory=list, repr=False)  #: the server-to-server copy, signed
    can_resend: bool = True
    case: Case | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def under_review(self) -> bool:
        return self.case is not None and self.case.is_open


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A form that got a bare page. The shop hears nothing of it, so the Business Center shows it."""

    at: datetime
    path: str
    status: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class PlannedPost:
    """A merchant POST that is due: to which URL, with which fields, how long after the reply page."""

    payment_id: str
    url: str
    pairs: Pairs = field(repr=False)
    before_page: bool = False
    after_seconds: float = 0.0

    @property
    def body(self) -> bytes:
        return urlencode(self.pairs).encode("ascii")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a posted form brings about: a page for the browser, and what is due to the shop's server."""

    page: Page
    payment: Payment | None = None
    reply: Pairs | None = field(default=None, repr=False)  #: what the page posts, ``utf8`` first; None: nothing
    action: str = ""  #: where it posts to
    delay_seconds: float = 0.0  #: how long the page is to be held back
    drop: bool = False  #: close the connection instead of sending the page
    merchant_posts: tuple[PlannedPost, ...] = ()

    @property
    def status(self) -> int:
        return self.page.status

    @property
    def refused(self) -> bool:
        """Whether nothing was processed and the shop will never hear of it."""
        return self.payment is None


@dataclass(frozen=True, kw_only=True)
class Notification:
    """An order-status notification that is due to the shop."""

    payment_id: str
    url: str = field(repr=False)  #: with the shop's key
    xml: str

    @property
    def body(self) -> bytes:
        return notification_body(self.xml)


class Gateway:
    """CyberSource for the profiles of ``settings``, by the clock given (a callable returning an aware datetime)."""

    def __init__(self, settings: Settings | None = None, clock: Callable[[], datetime] | None = None) -> None:
        self._settings = settings or Settings()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._changed = threading.Condition(threading.RLock())
        self._payments: deque[Payment] = deque(maxlen=KEEP)
        self._refusals: deque[Refusal] = deque(maxlen=KEEP)
        self._deliveries: deque[Delivery] = deque(maxlen=KEEP)
        self._submitted: dict[tuple[str, str], datetime] = {}
        self._tokens = Tokens()
        self._fingerprints = Fingerprints()
        self._sequence = 0
        self._payment_count = 0
        self.faults = Faults()

    # ---------------------------------------------------------------- what can be seen

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def payments(self) -> tuple[Payment, ...]:
        """Processed requests, oldest first."""
        with self._changed:
            return tuple(self._payments)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Forms that got a bare page, oldest first."""
        with self._changed:
            return tuple(self._refusals)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Messages sent to the shop's server, oldest first, with their results."""
        with self._changed:
            return tuple(self._deliveries)

    @property
    def profilings(self) -> tuple[Profiling, ...]:
        """Fingerprint assets that pages asked for, oldest first."""
        with self._changed:
            return tuple(self._fingerprints.seen)

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
            stored = self._tokens.get(request["payment_token"], request.profile.merchant_id)
            plan = self.faults.take(
                last_four=stored.last_four if stored else request["card_number"][-4:],
                amount=_decimal(request["amount"]),
                surname=request["bill_to_surname"] or (stored.echo.get("bill_to_surname", "") if stored else ""),
                reference=request["reference_number"],
                pays=request.pays,
            )
            for fault in sorted(plan.faults & NOT_PROCESSED.keys()):
                return self._refuse(path, NOT_PROCESSED[fault], "A switch asked for this", now)
            answer = _Processing(self, request, stored, plan, now).answer()
            self._changed.notify_all()
            return answer

    def _refuse(self, path: str, status: int, reason: str, now: datetime) -> Answer:
        self._refusals.append(Refusal(at=now, path=path[:64], status=status, reason=reason))
        self._changed.notify_all()
        return Answer(page=refusal_page(status, reason))

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
            self._deliveries.append(delivery)
            for payment in self._payments:
                if payment.id == delivery.payment_id:
                    payment.deliveries.append(delivery)
            self._changed.notify_all()

    # ---------------------------------------------------------------- Decision Manager

    def take_ownership(self, payment_id: str, reviewer: str) -> Notification:
        """Make ``reviewer`` the owner of a case; the shop is told so, without a decision."""
        with self._changed:
            payment, case = self._case(payment_id)
            case.owner = reviewer
            return self._noted(payment, case, reviewer, "Took ownership.")

    def add_note(self, payment_id: str, reviewer: str, comment: str) -> Notification:
        """Add a note to a case; the shop is told all notes so far, without a decision."""
        with self._changed:
            payment, case = self._case(payment_id)
            return self._noted(payment, case, reviewer, comment)

    def decide(
        self,
        payment_id: str,
        decision: str,
        *,
        reviewer: str = "dm_api",
        comments: str = "",
        notes: Iterable[str] = (),
        settle: bool = False,
    ) -> Notification:
        """Decide a case, ``ACCEPT`` or ``REJECT``, also one decided before. ``settle`` captures with an ACCEPT.

        Source: Decision Manager guides: accepted orders can be rejected afterwards; a follow-on settlement is chosen
        by the reviewer.
        """
        if decision not in {"ACCEPT", "REJECT"}:
            raise ValueError("A case is decided ACCEPT or REJECT")
        with self._changed:
            payment, case = self._case(payment_id)
            now = self.now()
            case.notes += [Note(at=now, added_by=reviewer, comment=note) for note in notes]
            case.owner = case.owner or reviewer
            original, case.original_decision = case.original_decision, decision
            case.decision, case.comments, case.decided_at = decision, comments, now
            case.followon = Followon(request_id=self._request_id(now)) if settle and decision == "ACCEPT" else None
            self._changed.notify_all()
            return self._notification(payment, case, reviewer, original=original, told=decision)

    def notification_xml(
        self, updates: Iterable[Update], *, merchant_id: str | None = None, at: datetime | None = None
    ) -> str:
        """Return a genuine-looking order-status document about ``updates``."""
        return notification_xml(
            updates, merchant_id=merchant_id or self._settings.profiles[0].merchant_id, at=at or self.now()
        )

    def _case(self, payment_id: str) -> tuple[Payment, Case]:
        payment = self.payment(payment_id)
        if payment.case is None:
            raise ValueError("This payment never went to review")
        return payment, payment.case

    def _noted(self, payment: Payment, case: Case, reviewer: str, comment: str) -> Notification:
        case.notes.append(Note(at=self.now(), added_by=reviewer, comment=comment))
        self._changed.notify_all()
        return self._notification(payment, case, reviewer, original=case.original_decision)

    def _notification(
        self, payment: Payment, case: Case, reviewer: str, *, original: str, told: str = ""
    ) -> Notification:
        update = Update(
            reference_number=payment.reference_number,
            request_id=payment.transaction_id or "",
            original_decision=original,
            new_decision=told,
            reviewer=reviewer,
            comments=case.comments if told else "",
            notes=tuple(case.notes),
            queue=case.queue,
            profile=case.profile,
            followon=case.followon if told else None,
        )
        profile = next(each for each in self._settings.profiles if each.merchant_id == payment.merchant_id)
        return Notification(
            payment_id=payment.id,
            url=_with_key(profile.notification_url, profile.notification_key),
            xml=notification_xml([update], merchant_id=payment.merchant_id, at=self.now()),
        )

    # ---------------------------------------------------------------- device fingerprinting

    def profile_device(self, *, org_id: str, session_id: str, asset: str) -> None:
        """Remember that a page asked for a fingerprint asset."""
        with self._changed:
            self._fingerprints.record(org_id=org_id, session_id=session_id, asset=asset, at=self.now())
            self._changed.notify_all()

    # ---------------------------------------------------------------- ids

    def _request_id(self, now: datetime) -> str:
        """Return a new request id: 22 digits, begins with 7 like those of the years we play."""
        self._sequence += 1
        return f"7{int(now.timestamp() * 1_000_000) % 10**15:015d}60{self._sequence % 10_000:04d}"


class _Processing:
    """One well-signed request on its way to an answer. The gateway's lock is held."""

    def __init__(
        self, gateway: Gateway, request: Request, stored: StoredCard | None, plan: Plan, now: datetime
    ) -> None:
        self.gateway = gateway
        self.settings = gateway._settings
        self.request = request
        self.stored = stored
        self.plan = plan
        self.now = now
        self.card = cards.by_tag(stored.tag if stored else cards.tag_of(request["card_number"]))
        self.remarks: list[str] = []
        if request.unlisted:
            self.remarks.append(f"Posted but in neither list of names: {', '.join(request.unlisted)}")

    def answer(self) -> Answer:
        request = self.request
        invalid, required = problems(request, self.settings)
        if request["payment_token"] and not self.stored and "payment_token" not in invalid:
            invalid = sorted([*invalid, "payment_token"])
        echoed = self._echo()

        if invalid or required:
            verdict = Verdict(decision="ERROR", reason_code="102", message="Request parameters are invalid or missing")
            transaction_id = None
            token = ""
            told = {"decision": "ERROR", **echoed}
            told |= {"invalid_fields": ",".join(invalid)} if invalid else {}
            told |= {"required_fields": ",".join(required)} if required else {}
            told |= {"reason_code": "102", "message": verdict.message}
        else:
            verdict = self._verdict()
            transaction_id = None if verdict.decision == "CANCEL" else self.gateway._request_id(self.now)
            token = self._token(verdict, transaction_id) if transaction_id else ""
            told = self._told(verdict, echoed, transaction_id, token)
        return self._deliver(verdict, transaction_id, token, told)

    # -------------------------------------------------- what happens

    def _verdict(self) -> Verdict:
        request, submitted = self.request, self.gateway._submitted
        oldest = self.now - self.settings.duplicate_window
        for key in [key for key, at in submitted.items() if at < oldest]:
            del submitted[key]
        key = (request.access_key, request["transaction_uuid"])
        if key in submitted:
            return VERDICTS["104"]
        submitted[key] = self.now
        stored = self.stored
        return decide(
            request,
            settings=self.settings,
            now=self.now,
            card=self.card,
            surname=request["bill_to_surname"] or (stored.echo.get("bill_to_surname", "") if stored else ""),
            expiry=request["card_expiry_date"] or (stored.expiry if stored else ""),
            override=self.plan.outcome,
        )

    def _token(self, verdict: Verdict, transaction_id: str) -> str:
        """Create or update a token if this verdict does, and return the one created.

        A token comes only with a payment that stands; a bare token creation under review creates none.
        Source: recorded declines carry none; integrators' fixtures for the bare REVIEW.
        """
        request, tokens = self.request, self.gateway._tokens
        stands = verdict.decision == "ACCEPT" or (verdict.decision == "REVIEW" and verdict.authorized and request.pays)
        if not stands or not (request.creates_token or request.updates_token):
            return ""
        number, old = request["card_number"], self.stored
        last_four = number[-4:] if number else old.last_four if old else ""
        mark = tokens.mark(number) if number else old.mark if old else ""
        name = request["payment_token"]
        if request.creates_token:
            name = tokens.name(
                self.settings.token_format, transaction_id=transaction_id, mark=mark, last_four=last_four
            )
        given = {name: value for name, value in request.fields.items() if name.startswith("bill_to_")}
        tokens.put(
            StoredCard(
                token=name,
                merchant_id=request.profile.merchant_id,
                mask=reply.masked(number, self.settings.card_mask) if number else old.mask if old else "",
                last_four=last_four,
                card_type=request["card_type"] or (old.card_type if old else ""),
                expiry=request["card_expiry_date"] or (old.expiry if old else ""),
                tag=cards.tag_of(number) if number else old.tag if old else "",
                mark=mark,
                echo={**(old.echo if old else {}), **given},
            )
        )
        return name if request.creates_token else ""

    # -------------------------------------------------- what is told

    def _echo(self) -> dict[str, str]:
        fields = dict(self.request.fields)
        if "card_number" in fields:
            fields["card_number"] = reply.masked(fields["card_number"], self.settings.card_mask)
        if self.stored:
            stored = {
                **self.stored.echo,
                "card_number": self.stored.mask,
                "card_type": self.stored.card_type,
                "card_expiry_date": self.stored.expiry,
            }
            fields = {**stored, **fields}
        return reply.echo(fields)

    def _told(
        self, verdict: Verdict, echoed: Mapping[str, str], transaction_id: str | None, token: str
    ) -> dict[str, str]:
        request = self.request
        if transaction_id is None:
            return {"decision": verdict.decision, **echoed, "message": verdict.message}
        told = {"transaction_id": transaction_id, "decision": verdict.decision, **echoed}
        told |= {"message": verdict.message, "reason_code": verdict.reason_code}
        if request.pays:
            told |= reply.authorization(
                verdict, amount=self._authorized_amount(verdict), transaction_id=transaction_id, now=self.now
            )
        elif verdict.decision != "ACCEPT":
            told |= reply.authorization(
                replace(verdict, authorized=False), amount="", transaction_id=transaction_id, now=self.now
            )
        told["request_token"] = "Ahj" + base64.b64encode(secrets.token_bytes(48)).decode("ascii")
        if request.sale and verdict.decision == "ACCEPT":
            told["bill_trans_ref_no"] = transaction_id
        told |= reply.payer_authentication(verdict)
        if token:
            told["payment_token"] = token
        if self.settings.verbose and verdict.decision != "ERROR" and request["skip_decision_manager"] != "true":
            told |= reply.scores(
                verdict, device=self._device_seen(), ip_address=request["customer_ip_address"], now=self.now
            )
        return told

    def _amount(self) -> Decimal:
        """The amount asked for; the total of the lines when only they were given."""
        request = self.request
        if request["amount"]:
            return Decimal(request["amount"])
        total = Decimal(0)
        for number in range(int(request["line_item_count"] or 0)):
            item = f"item_{number}_"
            total += Decimal(request[item + "unit_price"]) * int(request[item + "quantity"] or 1)
            total += Decimal(request[item + "tax_amount"] or 0)
        return total

    def _authorized_amount(self, verdict: Verdict) -> str:
        amount, currency = self._amount(), self.request["currency"]
        if verdict.reason_code == "110":
            amount = (amount / 2).quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_DOWN)
        return money(amount, currency)

    def _device_seen(self) -> bool:
        session_id = self.request["device_fingerprint_id"]
        return bool(session_id) and self.gateway._fingerprints.matches(
            self.request.profile.merchant_id, session_id, now=self.now, life=self.settings.fingerprint_life
        )

    # -------------------------------------------------- how it travels

    def _deliver(self, verdict: Verdict, transaction_id: str | None, token: str, told: dict[str, str]) -> Answer:
        request, settings, faults = self.request, self.settings, set(self.plan.faults)
        if self.card and self.card.late and request.pays:
            faults.add(Fault.LATE)
        if Fault.UNKNOWN_CODE in faults:
            told["reason_code"] = "999"
        if Fault.UNKNOWN_DECISION in faults:
            told["decision"] = "PENDING"
        secret_key = self._signing_key(faults, told)

        uuid = request["transaction_uuid"]
        arbitrary = uuid if settings.shuffled_signing or verdict.decision == "CANCEL" else None
        browser = reply.sign(told, secret_key=secret_key, now=self.now, shuffled_by=arbitrary)
        copied = dict(told)
        if request["card_type"] or self.stored:
            # Told to the server only. Source: Checkout API guide, card_type_name.
            copied["card_type_name"] = cards.CARD_TYPES.get(told.get("req_card_type", ""), "")
        merchant = reply.sign(
            {name: value for name, value in copied.items() if value},
            secret_key=secret_key,
            now=self.now,
            shuffled_by=f"merchant {uuid}",
        )
        if Fault.TAMPERED in faults:
            browser = [(name, "0.01" if name == "req_amount" else value) for name, value in browser]
        if Fault.EXTRA_FIELD in faults:
            extra = ("extra_note", "No signature covers this.")
            browser, merchant = [*browser, extra], [*merchant, extra]
        browser = [("utf8", "✓"), *browser]

        payment = self._payment(verdict, transaction_id, token, told, faults)
        payment.reply, payment.merchant_post = _without_cards(browser), _without_cards(merchant)
        payment.can_resend = payment.reply == browser and payment.merchant_post == merchant
        self.gateway._payments.append(payment)

        mode = self.plan.merchant_post or _merchant_post(faults) or settings.merchant_post
        return Answer(
            payment=payment,
            merchant_posts=self._merchant_posts(payment, merchant, mode),
            delay_seconds=(settings.late_seconds if Fault.LATE in faults else 0)
            + (settings.slow_seconds if Fault.SLOW in faults else 0),
            **self._for_browser(payment, browser, mode, faults),
        )

    def _signing_key(self, faults: set[Fault], told: dict[str, str]) -> str:
        profile = self.request.profile
        if Fault.WRONG_SIGNATURE in faults:
            return "this-is-not-the-secret-of-the-shop"
        if Fault.ROTATED_KEY in faults:
            keys = {profile.access_key: profile.secret_key, **profile.other_keys}
            keys.pop(self.request.access_key)
            for access_key, secret_key in keys.items():
                told["req_access_key"] = access_key
                return secret_key
            self.remarks.append("The profile has no other key to sign with")
        return self.request.secret_key

    def _payment(
        self,
        verdict: Verdict,
        transaction_id: str | None,
        token: str,
        told: Mapping[str, str],
        faults: Iterable[Fault],
    ) -> Payment:
        request = self.request
        if request["device_fingerprint_id"]:
            self.remarks += self.gateway._fingerprints.remarks(
                request.profile.merchant_id, request["device_fingerprint_id"], reference=request["reference_number"]
            )
        shopper = f"{told.get('req_bill_to_forename', '')} {told.get('req_bill_to_surname', '')}".strip()
        held = verdict.decision == "REVIEW" and transaction_id is not None
        self.gateway._payment_count += 1
        return Payment(
            id=str(self.gateway._payment_count),
            at=self.now,
            path=request.path,
            merchant_id=request.profile.merchant_id,
            reference_number=_without_card(request["reference_number"]),
            transaction_uuid=request["transaction_uuid"],
            transaction_type=request["transaction_type"],
            amount=request["amount"],
            currency=request["currency"],
            decision=told["decision"],
            reason_code=told.get("reason_code", ""),
            message=verdict.message,
            transaction_id=transaction_id,
            card_number=told.get("req_card_number", ""),
            card_type=told.get("req_card_type", ""),
            card_tag=self.card.tag if self.card else "",
            shopper=_without_card(shopper),
            payment_token=token,
            receipt_page=request["override_custom_receipt_page"] or request.profile.receipt_page,
            merchant_post_url=request["override_backoffice_post_url"] or request.profile.merchant_post_url,
            invalid_fields=told.get("invalid_fields", ""),
            required_fields=told.get("required_fields", ""),
            faults=frozenset(faults),
            remarks=self.remarks,
            case=Case(original_decision="REVIEW", opened_at=self.now) if held else None,
        )

    def _merchant_posts(self, payment: Payment, pairs: Pairs, mode: MerchantPost) -> tuple[PlannedPost, ...]:
        url, after = payment.merchant_post_url, self.settings.after_seconds
        if not url or mode is MerchantPost.NEVER:
            return ()
        due = {MerchantPost.TWICE: (after, after * 2), MerchantPost.SLOW: (self.settings.slow_seconds,)}
        return tuple(
            PlannedPost(
                payment_id=payment.id,
                url=url,
                pairs=pairs,
                before_page=mode is MerchantPost.BEFORE,
                after_seconds=0 if mode is MerchantPost.BEFORE else seconds,
            )
            for seconds in due.get(mode, (after,))
        )

    def _for_browser(
        self, payment: Payment, browser: Pairs, mode: MerchantPost, faults: Iterable[Fault]
    ) -> dict[str, Any]:
        """Return the parts of the answer that the browser sees."""
        if Fault.SERVER_ERROR_AFTER in faults:
            return {"page": refusal_page(500, "A switch asked for this, after the payment was processed")}
        if Fault.DROP_REPLY in faults:
            return {"page": refusal_page(502, "A switch asked for a dropped connection"), "drop": True}
        if Fault.TAB_CLOSED in faults or mode is MerchantPost.ONLY:
            return {"page": lost_page()}
        action = payment.receipt_page
        if not action:
            return {
                "page": plain_page(
                    200,
                    "Receipt",
                    f"{payment.decision}: {payment.message}",
                    "The profile has no customer response page and the form named none, so no reply is posted.",
                )
            }
        if Fault.TRUNCATED in faults:
            return {"page": reply_page(action, browser, truncated=True)}
        return {"page": reply_page(action, browser, twice=Fault.TWICE in faults), "reply": browser, "action": action}


def _merchant_post(faults: Iterable[Fault]) -> MerchantPost | None:
    """Return the order of deliveries that faults bring with them."""
    if Fault.TWICE in faults:
        return MerchantPost.TWICE
    if Fault.LATE in faults or Fault.SWAPPED in faults:
        return MerchantPost.BEFORE
    return None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _with_key(url: str, key: str) -> str:
    if not (url and key):
        return url
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"key": key})]))
    return urlunsplit(parts._replace(query=query))


def _without_card(text: str) -> str:
    """Return ``text`` with whatever could be a card number masked: nothing of the kind is kept."""

    def hide(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match[0])
        return cards.mask(digits) if cards.luhn(digits) else match[0]

    return _DIGIT_RUNS.sub(hide, text)


def _without_cards(pairs: Pairs) -> Pairs:
    return [(name, value if _IDENTIFIERS.fullmatch(name) else _without_card(value)) for name, value in pairs]
