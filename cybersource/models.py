"""What is remembered: what we asked, what came back, what it did.

Every column takes its field at the length CyberSource documents; a longer value is cut in the column and kept whole
in the log's ``data``. No card number, CVN or readable secret is ever in a row.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import HStoreField
from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from oscar.apps.payment.abstract_models import AbstractTransaction

from .clock import MomentField, local
from .conf import conf
from .encryption import EncryptedTextField, Unreadable
from .protocol import AmountNotRepresentable, format_amount


class SecureAcceptanceProfile(models.Model):
    """One security key of one Secure Acceptance profile. Several rows may be live at once while keys rotate."""

    hostname = models.CharField(
        _("Hostname"),
        max_length=100,
        blank=True,
        help_text=_("Forms shown on this host are signed with this key. Leave blank for a key that any host may use."),
    )
    profile_id = models.CharField(_("Profile ID"), max_length=50)
    access_key = models.CharField(_("Access key"), max_length=50, unique=True)
    secret_key = EncryptedTextField(_("Secret key"), help_text=_("Stored encrypted and never shown again."))
    is_default = models.BooleanField(
        _("Default"), default=False, help_text=_("Used for hosts that have no profile of their own.")
    )
    active = models.BooleanField(
        _("Active"),
        default=True,
        help_text=_("An inactive key neither signs forms nor verifies replies. Keep a replaced key active for a day."),
    )
    date_created = MomentField(_("Created"), default=timezone.now)

    class Meta:
        verbose_name = _("Secure Acceptance profile")
        verbose_name_plural = _("Secure Acceptance profiles")
        ordering = ["-date_created", "-pk"]

    def __str__(self) -> str:
        return _("Secure Acceptance profile %(profile)s on %(host)s") % {
            "profile": self.profile_id,
            "host": self.hostname or "*",
        }

    @property
    def is_readable(self) -> bool:
        """False when none of today's encryption keys opens the stored secret."""
        return not isinstance(self.secret_key, Unreadable)


class AmountField(models.DecimalField):
    """An amount of any currency, read with two decimals where these say all of it. The column is Django's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 15, "decimal_places": 3, **kwargs})

    def from_db_value(self, value: Decimal | None, expression: Any, connection: Any) -> Decimal | None:
        if value is None or value != (short := value.quantize(Decimal("0.01"))):
            return value
        return short

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DecimalField", args, kwargs


def merchant_now() -> str:
    """Our merchant id: kept with each operation and each message, since it may be another one later."""
    return str(conf.merchant_id)[:64]


def environment_now() -> str:
    return str(conf.environment)[:16]


def endpoint_now() -> str:
    """Where the REST API is reached; empty where the settings do not say."""
    try:
        return str(conf.rest_endpoint).rstrip("/")[:200]
    except ImproperlyConfigured:
        return ""


class ReplyType(models.TextChoices):
    """Which door a reply came through."""

    BROWSER = "browser", _("Browser")
    MERCHANT_POST = "merchant-post", _("Merchant POST")
    REST = "rest", _("REST API")


class AttemptState(models.TextChoices):
    OPEN = "open", _("Waiting for the shopper")
    UNKNOWN = "unknown", _("Outcome unknown")
    TOKENIZED = "tokenized", _("Card stored, authorization next")
    REVIEW = "review", _("Under review")
    AUTHORIZED = "authorized", _("Authorized")
    PARTIAL = "partial", _("Partially approved")
    DECLINED = "declined", _("Declined")
    FAILED = "failed", _("Not processed")
    REPLACED = "replaced", _("Replaced by another attempt")
    EXPIRED = "expired", _("No answer came")
    REVERSED = "reversed", _("Authorized, and given back")


#: States in which the shopper may still be sent, or may still be at, CyberSource.
UNSETTLED_STATES = (AttemptState.OPEN, AttemptState.UNKNOWN)


class Attention(models.TextChoices):
    """Why staff should look at an attempt."""

    NONE = "", _("Nothing")
    EXTRA_CHARGE = "extra-charge", _("A second charge on an order that was already paid")
    EXCESS_CHARGE = "excess-charge", _("Together with other payments this is more than the order costs")
    REPLACED_CHARGE = "replaced-charge", _("A charge for an attempt that had been replaced")
    KEPT_AUTHORIZATION = "kept-authorization", _("A payment that the shopper's last checkout does not use")
    PARTIAL = "partial", _("Only part of the amount was approved")
    AFTER_DECLINE = "after-decline", _("A charge for an attempt that had been declined")
    CLOSED_ORDER = "closed-order", _("A charge on an order that no longer waits for payment")
    LATE_CHARGE = "late-charge", _("A charge for an attempt that had ended without an answer")
    ORPHAN = "orphan", _("A charge that answers no payment of this shop")
    MISFIT = "misfit", _("A charge that differs from what the shop asked")
    NO_ANSWER = "no-answer", _("No clear answer came, and the card may have been charged")
    UNPAID_REST = "unpaid-rest", _("Part of the order is paid or may be, and the rest was never paid")
    UNRECORDED = "unrecorded", _("An answer came and could not be recorded")
    HOLD_LEFT = "hold-left", _("A payment was rejected after the bank had approved it, so its hold may remain")
    UNKNOWN_OPERATION = "unknown-operation", _("Nobody could find out whether money was moved")
    WAITING_OPERATION = "waiting-operation", _("What is to be done waits: it could not be sent yet")
    GIVEN_BACK_IN_PART = "given-back-in-part", _("Only a part of what was to go back went back")
    DRIFT = "drift", _("CyberSource's books and the shop's differ")
    SHORT = "short", _("Taken up again after a decline, and others have got what it had released")


#: What an attempt is left with as long as nobody knows whether its card was charged, or its order can go on.
WAITS_FOR_STAFF = (Attention.NO_ANSWER, Attention.UNPAID_REST)


def new_transaction_uuid() -> str:
    return str(uuid.uuid4())


class PaymentAttempt(models.Model):
    """One signed form: what we asked CyberSource, under which ``transaction_uuid``, and how it ended.

    Written and committed before the form leaves. A reply is believed only for the attempt it names, and only as far as
    it equals what stands here.
    """

    class Door(models.TextChoices):
        SECURE_ACCEPTANCE = "secure-acceptance", _("Secure Acceptance")
        REST = "rest", _("REST API")

    transaction_uuid = models.CharField(
        _("Transaction UUID"), max_length=50, unique=True, default=new_transaction_uuid, editable=False
    )
    door = models.CharField(_("Door"), max_length=24, choices=Door.choices, default=Door.SECURE_ACCEPTANCE)
    order = models.ForeignKey(
        "order.Order", on_delete=models.CASCADE, related_name="cybersource_attempts", verbose_name=_("Order")
    )
    method_key = models.CharField(_("Payment method key"), max_length=64)
    flow = models.CharField(_("Flow"), max_length=24)
    transaction_type = models.CharField(_("Transaction type"), max_length=60)
    reference_number = models.CharField(_("Reference number"), max_length=50)
    amount = AmountField(_("Amount"))
    currency = models.CharField(_("Currency"), max_length=3)
    profile_id = models.CharField(_("Profile ID"), max_length=50, blank=True)
    access_key = models.CharField(_("Access key"), max_length=50, blank=True)
    hostname = models.CharField(_("Hostname"), max_length=100, blank=True)
    language = models.CharField(
        _("Language"),
        max_length=16,
        blank=True,
        help_text=_("In which the shopper checked out and is told of the payment."),
    )
    session_hash = models.CharField(
        _("Session hash"), max_length=64, blank=True, help_text=_("Hash of a random value in the shopper's session.")
    )
    customer_ip_address = models.GenericIPAddressField(_("Shopper's address"), null=True, blank=True)
    is_limited = models.BooleanField(
        _("Limited"), default=True, help_text=_("Counts for limits: was not begun by a member of staff.")
    )
    device_fingerprint_id = models.CharField(_("Device fingerprint"), max_length=88, blank=True)
    extra_fields = models.JSONField(_("Extra fields"), default=dict, blank=True)
    next_extra_fields = models.JSONField(_("Extra fields of the next step"), default=dict, blank=True)
    previous = models.OneToOneField(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="next", verbose_name=_("Previous step")
    )
    token = models.ForeignKey(
        "cybersource.PaymentToken", on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("Token")
    )
    state = models.CharField(_("State"), max_length=16, choices=AttemptState.choices, default=AttemptState.OPEN)
    attention = models.CharField(_("Needs attention"), max_length=24, choices=Attention.choices, blank=True, default="")
    source = models.ForeignKey(
        "payment.Source",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_attempts",
        verbose_name=_("Source"),
    )
    settling_reply = models.ForeignKey(
        "cybersource.CyberSourceReply",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Settled by"),
    )
    date_created = MomentField(_("Created"), default=timezone.now, db_index=True)
    date_signed = MomentField(_("Signed"), default=timezone.now)
    date_shown = MomentField(
        _("Shown"), null=True, blank=True, help_text=_("When the form first left the shop; empty if it never did.")
    )
    date_settled = MomentField(_("Settled"), null=True, blank=True)

    class Meta:
        verbose_name = _("Payment attempt")
        verbose_name_plural = _("Payment attempts")
        ordering = ["-date_created", "-pk"]
        indexes = [
            models.Index(fields=["order", "method_key"], name="cybersource_attempt_method"),
            models.Index(fields=["reference_number"], name="cybersource_attempt_reference"),
            models.Index(fields=["state", "-date_created", "-id"], name="cybersource_attempt_state"),
            models.Index(fields=["session_hash", "-id"], name="cybersource_attempt_session"),
            models.Index(
                fields=["-date_created"],
                name="cybersource_needs_attention",
                condition=~models.Q(attention=""),
            ),
            models.Index(
                fields=["order"],
                name="cybersource_attempt_waiting",
                condition=models.Q(state__in=["open", "unknown"]),
            ),
        ]

    def __str__(self) -> str:
        return _("%(amount)s %(currency)s, %(type)s, for order %(number)s") % {
            "amount": self.amount,
            "currency": self.currency,
            "type": self.transaction_type,
            "number": self.reference_number,
        }


class CyberSourceReply(models.Model):
    """The log: every verified delivery is one row, committed before it has any effect.

    ``data`` holds exactly the fields the signature covered; the columns are those fields, normalised and indexed.
    A REST call is one row too, committed before it leaves and completed by what came back: ``data`` then holds the
    listed parts of both bodies (``request.…``), and ``outcome`` stays empty if this process died meanwhile.
    """

    class Result(models.TextChoices):
        RECEIVED = "received", _("Received, not yet acted on")
        SETTLED = "settled", _("Took effect")
        REPEATED = "repeated", _("Told again, nothing to do")
        SUPERSEDED = "superseded", _("Too late to change anything")
        REFUSED = "refused", _("Fits no attempt of ours")
        SENT = "sent", _("Sent over REST")
        NOT_OURS = "not-ours", _("Looked up, of no payment of ours")

    class RestOutcome(models.TextChoices):
        PROCESSED = "processed", _("Processed")
        REFUSED = "refused", _("Refused: nothing was done")
        UNKNOWN = "unknown", _("Unknown: it may have been done")
        NOT_SENT = "not-sent", _("Not sent")

    reply_type = models.CharField(_("Came by"), max_length=16, choices=ReplyType.choices)
    # No foreign key constraints: PostgreSQL would have a new row wait for whoever holds the row it points to locked,
    # and evidence waits for nobody.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="cybersource_replies",
        verbose_name=_("User"),
    )
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="cybersource_replies",
        verbose_name=_("Order"),
    )
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="replies",
        verbose_name=_("Attempt"),
    )
    operation = models.ForeignKey(
        "cybersource.PaymentOperation",
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="calls",
        verbose_name=_("Operation"),
    )
    data = HStoreField(_("Signed fields"))

    decision = models.CharField(_("Decision"), max_length=16, blank=True)
    reason_code = models.PositiveIntegerField(_("Reason code"), null=True, blank=True)
    message = models.CharField(_("Message"), max_length=255, blank=True)
    transaction_id = models.CharField(_("Transaction ID"), max_length=64, blank=True)
    transaction_type = models.CharField(_("Transaction type"), max_length=60, blank=True)
    transaction_uuid = models.CharField(_("Transaction UUID"), max_length=50, blank=True)
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    amount = models.DecimalField(_("Amount asked"), max_digits=15, decimal_places=3, null=True, blank=True)
    auth_amount = models.DecimalField(_("Amount approved"), max_digits=15, decimal_places=3, null=True, blank=True)
    currency = models.CharField(_("Currency"), max_length=3, blank=True)
    auth_code = models.CharField(_("Authorization code"), max_length=16, blank=True)
    auth_avs_code = models.CharField(_("AVS"), max_length=8, blank=True)
    auth_cv_result = models.CharField(_("CVN"), max_length=8, blank=True)
    request_token = models.CharField(_("Request token"), max_length=256, blank=True)
    card_number = models.CharField(_("Card"), max_length=20, blank=True)
    card_type = models.CharField(_("Card type"), max_length=3, blank=True)
    card_expiry_date = models.CharField(_("Card expiry"), max_length=7, blank=True)
    signed_date_time = MomentField(_("Signed"), null=True, blank=True)

    outcome = models.CharField(_("Outcome"), max_length=16, choices=RestOutcome.choices, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    rest_status = models.CharField(_("Status"), max_length=64, blank=True)
    rest_reason = models.CharField(_("Reason"), max_length=64, blank=True)
    correlation_id = models.CharField(_("Correlation ID"), max_length=64, blank=True)
    merchant_id = models.CharField(_("Merchant ID"), max_length=64, blank=True, default=merchant_now)
    environment = models.CharField(_("Environment"), max_length=16, blank=True, default=environment_now)
    endpoint = models.CharField(_("Endpoint"), max_length=200, blank=True, default=endpoint_now)
    milliseconds = models.PositiveIntegerField(_("Milliseconds"), null=True, blank=True)

    result = models.CharField(_("Result"), max_length=16, choices=Result.choices, default=Result.RECEIVED)
    refused_because = models.CharField(_("Refused because"), max_length=64, blank=True)
    date_created = MomentField(_("Received"), default=timezone.now)
    date_processed = MomentField(_("Acted on"), null=True, blank=True)

    class Meta:
        verbose_name = _("CyberSource reply")
        verbose_name_plural = _("CyberSource replies")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["transaction_id"], name="cybersource_reply_transaction"),
            models.Index(fields=["transaction_uuid"], name="cybersource_reply_uuid"),
            models.Index(fields=["reference_number"], name="cybersource_reply_reference"),
            # For the admin's filters, newest first; the second also for what has yet to be acted on.
            models.Index(fields=["decision", "id"], name="cybersource_reply_decision"),
            models.Index(fields=["result", "id"], name="cybersource_reply_result"),
            models.Index(fields=["reply_type", "id"], name="cybersource_reply_door"),
            models.Index(
                fields=["date_created"], name="cybersource_reply_refused", condition=models.Q(result="refused")
            ),
        ]

    def __str__(self) -> str:
        return _("%(decision)s %(code)s for %(reference)s") % {
            "decision": self.decision or self.rest_status or self.outcome,
            "code": self.reason_code or self.rest_reason,
            "reference": self.reference_number,
        }


class RefusedPost(models.Model):
    """Evidence of a post that was no reply of ours: the rule it broke and a few harmless values, nothing more.

    Anybody may post here, so rows are small and few an hour (:mod:`cybersource.evidence`).
    """

    reply_type = models.CharField(_("Came by"), max_length=16, choices=ReplyType.choices)
    rule = models.CharField(_("Rule broken"), max_length=64)
    remote_address = models.GenericIPAddressField(_("Sender"), null=True, blank=True)
    summary = models.JSONField(_("Summary"), default=dict, blank=True)
    date_created = MomentField(_("Received"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Refused post")
        verbose_name_plural = _("Refused posts")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["reply_type", "id"], name="cybersource_refused_door")]

    def __str__(self) -> str:
        return self.rule


class PaymentToken(models.Model):
    """A card that CyberSource keeps for us. ``token`` is its handle there; here stands only the mask."""

    class Kind(models.TextChoices):
        """What the token names at CyberSource, as ``paymentInformation`` of a REST call spells it."""

        CUSTOMER = "customer", _("Customer")
        LEGACY = "legacyToken", _("Legacy token")

    log = models.ForeignKey(
        CyberSourceReply, on_delete=models.SET_NULL, null=True, blank=True, related_name="tokens", verbose_name=_("Log")
    )
    token = models.CharField(_("Token"), max_length=64, unique=True)
    kind = models.CharField(
        _("Kind"),
        max_length=24,
        choices=Kind.choices,
        blank=True,
        default="",
        help_text=_("Empty until the token was first used over REST: its looks do not tell."),
    )
    masked_card_number = models.CharField(_("Card"), max_length=25, blank=True)
    card_type = models.CharField(_("Card type"), max_length=10, blank=True)
    card_expiry_date = models.CharField(_("Card expiry"), max_length=7, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_tokens",
        verbose_name=_("Owner"),
    )
    date_created = MomentField(_("Created"), default=timezone.now)
    date_gone = MomentField(
        _("Gone"), null=True, blank=True, help_text=_("When CyberSource was found not to keep the card any more.")
    )

    class Meta:
        verbose_name = _("Payment token")
        verbose_name_plural = _("Payment tokens")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.masked_card_number

    @property
    def card_last4(self) -> str:
        """The last four digits, or an empty string where the profile hides them."""
        last4 = self.masked_card_number[-4:]
        return last4 if last4.isdigit() else ""


class TransactionMixin(models.Model):
    """For the shop's forked ``payment.Transaction``: what CyberSource said about it, and where that stands.

    ``status`` holds CyberSource's decision: ``ACCEPT``, ``REVIEW``, or ``REJECT`` once a reviewer refused it.
    """

    REVIEW = "REVIEW"

    log = models.ForeignKey(
        CyberSourceReply,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=_("CyberSource reply"),
    )
    token = models.ForeignKey(
        PaymentToken,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=_("Payment token"),
    )
    request_token = models.CharField(_("Request token"), max_length=256, blank=True, default="")
    processed_datetime = MomentField(_("Processed"), null=True, blank=True)

    class Meta(AbstractTransaction.Meta):  # a fork that names the mixin first inherits Oscar's order and names
        abstract = True
        # Oscar's columns, by which a charge is found and what waits for a reviewer is listed.
        indexes = [
            models.Index(fields=["reference"], name="cybersource_txn_reference"),
            models.Index(fields=["status"], name="cybersource_txn_status"),
        ]

    @property
    def is_pending_review(self) -> bool:
        return self.status == self.REVIEW  # type: ignore[attr-defined,no-any-return]


class ReviewNotification(models.Model):
    """One Decision Manager POST, stored as it came before anything in it was believed."""

    class State(models.TextChoices):
        RECEIVED = "received", _("Received, not yet acted on")
        HANDLED = "handled", _("Handled")
        UNREADABLE = "unreadable", _("Not readable")

    content = models.TextField(_("Content"), help_text=_("The XML; values that look like card numbers are masked."))
    merchant_id = models.CharField(_("Merchant ID"), max_length=64, blank=True)
    remote_address = models.GenericIPAddressField(_("Sender"), null=True, blank=True)
    state = models.CharField(_("State"), max_length=16, choices=State.choices, default=State.RECEIVED)
    problem = models.CharField(_("Problem"), max_length=64, blank=True)
    date_created = MomentField(_("Received"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Review notification")
        verbose_name_plural = _("Review notifications")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "id"], name="cybersource_notified_state")]

    def __str__(self) -> str:
        date = date_format(local(self.date_created), "DATETIME_FORMAT")
        return _("Review notification of %(date)s") % {"date": date}


class ReviewNotificationUpdate(models.Model):
    """What became of one ``Update`` of a notification, matched or not."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waits for its transaction")
        RECORDED = "recorded", _("Took effect")
        REPEATED = "repeated", _("Told again, nothing to do")
        NOTED = "noted", _("Stored, changes nothing")
        CONFLICTING = "conflicting", _("Against what was decided before: noted, nothing changed")
        FOREIGN = "foreign", _("Belongs to another merchant")
        FAILED = "failed", _("Failed, to be tried again")

    notification = models.ForeignKey(
        ReviewNotification, on_delete=models.CASCADE, related_name="updates", verbose_name=_("Notification")
    )
    position = models.PositiveSmallIntegerField(_("Position"))
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    request_id = models.CharField(_("Request ID"), max_length=64, blank=True, db_index=True)
    decision = models.CharField(_("Decision"), max_length=64, blank=True)
    reviewer = models.CharField(_("Reviewer"), max_length=255, blank=True)
    payload = models.JSONField(_("What it told"), default=dict, help_text=_("The update as it was understood."))
    state = models.CharField(_("State"), max_length=16, choices=State.choices, default=State.WAITING)
    transaction = models.ForeignKey(
        "payment.Transaction",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Transaction"),
    )
    date_handled = MomentField(_("Handled"), null=True, blank=True)

    class Meta:
        verbose_name = _("Review update")
        verbose_name_plural = _("Review updates")
        ordering = ["notification", "position"]
        indexes = [
            models.Index(
                fields=["id"], name="cybersource_update_pending", condition=models.Q(state__in=["waiting", "failed"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference_number}: {self.decision or '-'}"


class FollowonResult(models.Model):
    """A settlement or reversal that a reviewer started together with the decision."""

    update = models.ForeignKey(
        ReviewNotificationUpdate, on_delete=models.CASCADE, related_name="+", verbose_name=_("Review update")
    )
    transaction = models.ForeignKey(
        "payment.Transaction", on_delete=models.CASCADE, related_name="+", verbose_name=_("Reviewed transaction")
    )
    application = models.CharField(_("Application"), max_length=64, blank=True)
    status = models.CharField(_("Status"), max_length=32, blank=True)
    request_id = models.CharField(_("Request ID"), max_length=64)
    decision = models.CharField(_("Decision"), max_length=32, blank=True)
    reason_code = models.CharField(_("Reason code"), max_length=16, blank=True)
    message = models.CharField(_("Message"), max_length=255, blank=True)
    date_created = MomentField(_("Recorded"), default=timezone.now)

    class Meta:
        verbose_name = _("Follow-on result")
        verbose_name_plural = _("Follow-on results")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["transaction", "request_id"], name="cybersource_followon_once"),
        ]

    def __str__(self) -> str:
        return f"{self.application}: {self.status}"


class OperationState(models.TextChoices):
    QUEUED = "queued", _("Waits to be sent")
    SENT = "sent", _("Under way")
    UNKNOWN = "unknown", _("Outcome unknown")
    DONE = "done", _("Done")
    LAPSING = "lapsing", _("Not released by CyberSource: left to lapse at the bank")
    DECLINED = "declined", _("Declined")
    REFUSED = "refused", _("Refused: nothing was done")
    NOT_SENT = "not-sent", _("Not sent")
    UNDONE = "undone", _("Taken back, since its outcome could not be known")
    DROPPED = "dropped", _("Not asked any more")


#: States in which an operation may still move money. What it is about counts as moved until that is known.
UNDER_WAY = (OperationState.QUEUED, OperationState.SENT, OperationState.UNKNOWN)


def new_idempotency_id() -> str:
    """30 letters and digits at most: the length that the REST door is known to take."""
    return uuid.uuid4().hex[:24]


class PaymentOperation(models.Model):
    """One thing asked of a payment after it was made: who wanted what, why, and how it ended.

    The row is the intent. It is committed, under its own reference number and idempotency id, before anything leaves;
    so whatever happens then can be looked up at CyberSource, and no operation is sent twice.
    """

    class Kind(models.TextChoices):
        AUTHORIZE = "authorize", _("Authorize")
        CAPTURE = "capture", _("Capture")
        REFUND = "refund", _("Refund")
        VOID = "void", _("Void")
        REVERSE = "reverse", _("Reverse")
        ACCEPT_REVIEW = "accept-review", _("Accept the review")
        REJECT_REVIEW = "reject-review", _("Reject the review")

    kind = models.CharField(_("Operation"), max_length=16, choices=Kind.choices)
    state = models.CharField(_("State"), max_length=16, choices=OperationState.choices, default=OperationState.SENT)
    # What was asked outlives what it was asked for: money may be on its way when somebody deletes an order.
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_operations",
        verbose_name=_("Order"),
    )
    order_number = models.CharField(_("Order number"), max_length=128, blank=True, db_index=True)
    source = models.ForeignKey(
        "payment.Source",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_operations",
        verbose_name=_("Source"),
    )
    transaction = models.ForeignKey(
        "payment.Transaction",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_operations",
        verbose_name=_("Acts on"),
    )
    made = models.ForeignKey(
        "payment.Transaction",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Recorded as"),
    )
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="operations",
        verbose_name=_("Attempt"),
    )
    payment_id = models.CharField(
        _("Acts on request ID"), max_length=64, blank=True, help_text=_("CyberSource's id of what is acted on.")
    )
    amount = models.DecimalField(_("Amount"), max_digits=15, decimal_places=3)
    currency = models.CharField(_("Currency"), max_length=3)
    lines = models.JSONField(
        _("Lines"), default=dict, blank=True, help_text=_("Quantities by the id of the order's line; empty: by amount.")
    )
    is_last = models.BooleanField(_("Last capture"), default=True)
    is_sale = models.BooleanField(
        _("Sale"), default=False, help_text=_("An authorization that takes the money at once.")
    )
    plan = models.CharField(
        _("Plan"),
        max_length=24,
        blank=True,
        default="",
        help_text=_("The same for all steps by which money goes back together."),
    )
    position = models.PositiveSmallIntegerField(_("Step of the plan"), default=0)
    is_automatic = models.BooleanField(
        _("By the shop itself"), default=False, help_text=_("Asked by nobody: CYBERSOURCE_AUTO_REVERSE.")
    )
    reason = models.CharField(_("Reason"), max_length=255, blank=True)
    reference = models.CharField(_("Shop's reference"), max_length=64, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Asked by"),
    )
    user_name = models.CharField(_("Asked by, by name"), max_length=150, blank=True)
    key = models.CharField(
        _("Idempotency key"),
        max_length=64,
        unique=True,
        null=True,
        blank=True,
        help_text=_("Whoever asks again under the same key is told of this operation, and nothing is sent."),
    )
    asked = models.JSONField(
        _("What was asked"), default=dict, blank=True, help_text=_("The same key has to ask the same.")
    )
    merchant_id = models.CharField(_("Merchant ID"), max_length=64, blank=True, default=merchant_now)
    environment = models.CharField(_("Environment"), max_length=16, blank=True, default=environment_now)
    endpoint = models.CharField(_("Endpoint"), max_length=200, blank=True, default=endpoint_now)
    reference_number = models.CharField(_("Reference number"), max_length=50, unique=True)
    idempotency_id = models.CharField(
        _("Idempotency ID"), max_length=30, unique=True, default=new_idempotency_id, editable=False
    )
    request_id = models.CharField(_("Request ID"), max_length=64, blank=True, db_index=True)
    rest_status = models.CharField(_("Status"), max_length=64, blank=True)
    rest_reason = models.CharField(_("Reason given"), max_length=64, blank=True)
    message = models.CharField(_("Message"), max_length=255, blank=True)
    log = models.ForeignKey(
        CyberSourceReply,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Settled by"),
    )
    date_created = MomentField(_("Asked"), default=timezone.now, db_index=True)
    date_sent = MomentField(_("Sent"), null=True, blank=True)
    look_ups = models.PositiveSmallIntegerField(_("Times looked up"), default=0)
    date_looked_up = MomentField(_("Last looked up"), null=True, blank=True)
    is_being_looked_up = models.BooleanField(_("Being looked up"), default=False, editable=False)
    date_settled = MomentField(_("Ended"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Outcome recorded by"),
    )
    resolved_by_name = models.CharField(_("Outcome recorded by, by name"), max_length=150, blank=True)
    resolution = models.CharField(
        _("What was found"), max_length=255, blank=True, help_text=_("By staff, in the CyberSource Business Center.")
    )

    class Meta:
        verbose_name = _("Payment operation")
        verbose_name_plural = _("Payment operations")
        ordering = ["-pk"]
        default_permissions = ("view",)
        permissions = [
            ("move_money", "Can capture, refund, void and reverse card payments"),
            ("decide_review", "Can accept and reject card payments under review"),
        ]
        indexes = [
            models.Index(fields=["transaction", "state"], name="cybersource_operation_on"),
            models.Index(fields=["plan", "position"], name="cybersource_operation_plan", condition=~models.Q(plan="")),
            models.Index(
                fields=["id"],
                name="cybersource_operation_open",
                condition=models.Q(state__in=["queued", "sent", "unknown"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount} {self.currency}: {self.get_state_display()}"

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY


class WebhookDelivery(models.Model):
    """One event as CyberSource delivered it: stored before it is handled, and no more than a hint to look."""

    class State(models.TextChoices):
        RECEIVED = "received", _("Received, not yet looked up")
        HANDLED = "handled", _("Looked up")
        REPEATED = "repeated", _("Told again, nothing to do")
        NOTED = "noted", _("Stored, changes nothing")
        FAILED = "failed", _("Could not be looked up yet")
        REFUSED = "refused", _("Not believed")

    event_type = models.CharField(_("Event"), max_length=100, blank=True)
    product_id = models.CharField(_("Product"), max_length=64, blank=True)
    webhook_id = models.CharField(_("Webhook ID"), max_length=64, blank=True)
    trace_id = models.CharField(_("Trace ID"), max_length=64, blank=True)
    organization_id = models.CharField(_("Organization ID"), max_length=64, blank=True)
    key_id = models.CharField(_("Key ID"), max_length=64, blank=True)
    request_id = models.CharField(_("Request ID"), max_length=64, blank=True)
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    status = models.CharField(_("Status"), max_length=64, blank=True)
    is_retry = models.BooleanField(_("Delivered again"), default=False)
    fingerprint = models.CharField(
        _("Fingerprint"),
        max_length=64,
        unique=True,
        null=True,
        blank=True,
        editable=False,
        help_text=_("Of the signed message: the very same one is stored once, however often it is sent."),
    )
    payload = models.JSONField(_("Payload"), default=dict, blank=True, help_text=_("Listed parts of it only."))
    remote_address = models.GenericIPAddressField(_("Sender"), null=True, blank=True)
    state = models.CharField(_("State"), max_length=16, choices=State.choices, default=State.RECEIVED)
    problem = models.CharField(_("Problem"), max_length=64, blank=True)
    tries = models.PositiveSmallIntegerField(_("Times tried"), default=0)
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="cybersource_webhooks",
        verbose_name=_("Order"),
    )
    date_created = MomentField(_("Received"), default=timezone.now, db_index=True)
    date_handled = MomentField(_("Handled"), null=True, blank=True)

    class Meta:
        verbose_name = _("Webhook delivery")
        verbose_name_plural = _("Webhook deliveries")
        ordering = ["-pk"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["request_id"], name="cybersource_webhook_request"),
            models.Index(
                fields=["id"], name="cybersource_webhook_open", condition=models.Q(state__in=["received", "failed"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type}: {self.get_state_display()}"


class AttentionItem(models.Model):
    """One thing for staff to look at: money that nobody waited for, or an attempt that may have been charged.

    Written once, in the transaction that finds it out, and cleared once, with a reason. It says by itself what it is
    about, so it outlives its order, and a list of items is one statement.
    """

    kind = models.CharField(_("What happened"), max_length=24, choices=Attention.choices)
    order = models.ForeignKey(
        "order.Order",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="cybersource_attention",
        verbose_name=_("Order"),
    )
    attempt = models.ForeignKey(
        PaymentAttempt,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="attention_items",
        verbose_name=_("Attempt"),
    )
    reply = models.ForeignKey(
        CyberSourceReply, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("Reply")
    )
    reference_number = models.CharField(_("Reference number"), max_length=50, blank=True)
    transaction_uuid = models.CharField(_("Transaction UUID"), max_length=50, blank=True)
    transaction_id = models.CharField(_("Transaction ID"), max_length=64, blank=True)
    amount = models.DecimalField(_("Amount"), max_digits=15, decimal_places=3, null=True, blank=True)
    currency = models.CharField(_("Currency"), max_length=3, blank=True)
    card_last4 = models.CharField(_("Card's last four digits"), max_length=4, blank=True)
    detail = models.CharField(_("Detail"), max_length=64, blank=True, help_text=_("The rule that a reply broke."))
    evidence = models.JSONField(
        _("Evidence"), default=dict, blank=True, help_text=_("What each side says, where their books differ.")
    )
    operation = models.ForeignKey(
        "cybersource.PaymentOperation",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Operation"),
    )
    cleared_by_operation = models.ForeignKey(
        "cybersource.PaymentOperation",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Cleared by operation"),
    )
    date_created = MomentField(_("Found"), default=timezone.now)
    date_cleared = MomentField(_("Cleared"), null=True, blank=True)
    cleared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("Cleared by"),
    )
    cleared_by_name = models.CharField(_("Cleared by, by name"), max_length=150, blank=True)
    reason = models.CharField(_("Reason"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("Item that needs attention")
        verbose_name_plural = _("Items that need attention")
        ordering = ["-pk"]
        default_permissions = ("view",)
        permissions = [("clear_attentionitem", "Can clear items that need attention and give orders up")]
        constraints = [
            models.UniqueConstraint(
                fields=["transaction_uuid", "transaction_id", "kind"], name="cybersource_attention_once"
            ),
        ]
        indexes = [
            models.Index(fields=["transaction_id"], name="cybersource_attention_charge"),
            models.Index(fields=["id"], name="cybersource_attention_open", condition=models.Q(date_cleared=None)),
            models.Index(
                fields=["kind", "id"], name="cybersource_attention_kind", condition=models.Q(date_cleared=None)
            ),
            models.Index(
                fields=["kind", "id"],
                name="cybersource_attention_done",
                condition=models.Q(date_cleared__isnull=False),
            ),
        ]

    @property
    def amount_text(self) -> str:
        """``69.50 USD``, in the currency's own decimals; a dash where no amount is known."""
        if self.amount is None:
            return "-"
        try:
            return f"{format_amount(self.amount, self.currency)} {self.currency}"
        except AmountNotRepresentable:
            return f"{self.amount} {self.currency}".strip()

    def __str__(self) -> str:
        return _("%(what)s: order %(number)s") % {"what": self.get_kind_display(), "number": self.reference_number}


class OrderConfirmation(models.Model):
    """One row an order that was authorized: claimed before its signal and e-mail go out, so they go out once.

    Written in the transaction that authorizes the order. A claim that never became ``date_sent`` (the process died)
    is taken over by ``cybersource_reprocess`` once it is older than the lease.
    """

    order = models.OneToOneField(
        "order.Order", on_delete=models.CASCADE, related_name="cybersource_confirmation", verbose_name=_("Order")
    )
    date_created = MomentField(_("Authorized"), default=timezone.now)
    date_claimed = MomentField(_("Claimed"), null=True, blank=True)
    date_sent = MomentField(_("Sent"), null=True, blank=True)

    class Meta:
        verbose_name = _("Order confirmation")
        verbose_name_plural = _("Order confirmations")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["order"], name="cybersource_unsent", condition=models.Q(date_sent=None))]

    def __str__(self) -> str:
        return str(self.order_id)


class ReleasedAllocation(models.Model):
    """What a declined order released: its row is written as that happens, and deleted as it is allocated again.

    It is about the order's lines as they were. Once api-checkout's retry has replaced these it means nothing any more.
    """

    order = models.OneToOneField(
        "order.Order", on_delete=models.CASCADE, related_name="cybersource_released", verbose_name=_("Order")
    )
    lines = models.JSONField(
        _("Lines"), default=dict, help_text=_("Quantities that were allocated, by the id of each of the order's lines.")
    )
    deleted = models.JSONField(
        _("Deleted"),
        default=list,
        encoder=DjangoJSONEncoder,
        help_text=_("Discounts, prices of lines and uses of vouchers that were deleted with the decline."),
    )
    for_retry = models.JSONField(
        _("For a retry"),
        default=dict,
        blank=True,
        help_text=_("Quantities allocated for a retry to cancel, by the id of each stock record."),
    )
    date_created = MomentField(_("Released"), default=timezone.now, db_index=True)
    date_retried = MomentField(_("Retry began"), null=True, blank=True)

    class Meta:
        verbose_name = _("Released allocation")
        verbose_name_plural = _("Released allocations")
        ordering = ["-pk"]
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["date_retried"],
                name="cybersource_released_retry",
                condition=models.Q(date_retried__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return str(self.order_id)

    def is_about(self, lines: Iterable[Any]) -> bool:
        """Whether any of these lines is one that released something: a retry replaces all of them."""
        return any(str(line.pk) in self.lines for line in lines)


class PaymentNote(models.Model):
    """Marks an order's note as one of ours: Oscar shows notes to partners' users too, who see nothing of the money."""

    note = models.OneToOneField(
        "order.OrderNote",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="cybersource_note",
        verbose_name=_("Order note"),
    )

    class Meta:
        verbose_name = _("Payment note")
        verbose_name_plural = _("Payment notes")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.note_id)


class ExactAmount(models.Model):
    """What a Transaction moved, to the last decimal of its currency, where Oscar's column has it rounded down."""

    transaction = models.OneToOneField(
        "payment.Transaction",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="cybersource_exact",
        verbose_name=_("Transaction"),
    )
    amount = AmountField(_("Amount"))

    class Meta:
        verbose_name = _("Exact amount")
        verbose_name_plural = _("Exact amounts")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.amount)


class ExactSource(models.Model):
    """The sums of a Source, to the last decimal of its currency, where Oscar's columns have them rounded down."""

    source = models.OneToOneField(
        "payment.Source",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="cybersource_exact",
        verbose_name=_("Source"),
    )
    amount_allocated = AmountField(_("Amount allocated"), default=0)
    amount_debited = AmountField(_("Amount debited"), default=0)
    amount_refunded = AmountField(_("Amount refunded"), default=0)

    class Meta:
        verbose_name = _("Exact sums")
        verbose_name_plural = _("Exact sums")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.source_id)


def clipped(model: type[models.Model], **values: Any) -> dict[str, Any]:
    """Cut each text to its column's length: a longer value must never make a reply a 500."""
    cut: dict[str, Any] = {}
    for name, value in values.items():
        limit = getattr(model._meta.get_field(name), "max_length", None)
        cut[name] = value[:limit] if limit and isinstance(value, str) else value
    return cut
