"""The states and kinds that rows may have."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class ReplyType(models.TextChoices):
    """The channel that a reply came through."""

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
    REVERSED = "reversed", _("Authorization released")


#: States in which the shopper may still be sent, or may still be at, CyberSource.
UNSETTLED_STATES = (AttemptState.OPEN, AttemptState.UNKNOWN)


class Attention(models.TextChoices):
    """Why staff should look at an attempt."""

    NONE = "", _("Nothing")
    EXTRA_CHARGE = "extra-charge", _("A second charge on an order that was already paid")
    EXCESS_CHARGE = "excess-charge", _("With this charge, more is charged than the order costs")
    REPLACED_CHARGE = "replaced-charge", _("A charge for an attempt that had been replaced")
    KEPT_AUTHORIZATION = "kept-authorization", _("A payment that the shopper's last checkout does not use")
    PARTIAL = "partial", _("Only part of the amount was approved")
    AFTER_DECLINE = "after-decline", _("A charge for an attempt that had been declined")
    CLOSED_ORDER = "closed-order", _("A charge on an order that no longer waits for payment")
    LATE_CHARGE = "late-charge", _("A charge for an attempt that had ended without an answer")
    ORPHAN = "orphan", _("A charge that answers no payment of this shop")
    MISFIT = "misfit", _("A charge that differs from what the shop requested")
    NO_ANSWER = "no-answer", _("No clear answer came, and the card may have been charged")
    UNPAID_REST = "unpaid-rest", _("Part of the order is paid or may be, and the rest was never paid")
    UNRECORDED = "unrecorded", _("An answer came and could not be recorded")
    HOLD_LEFT = "hold-left", _("A payment was rejected after the bank had approved it, so its hold may remain")
    UNKNOWN_OPERATION = "unknown-operation", _("It could not be determined whether money was moved")
    WAITING_OPERATION = "waiting-operation", _("An operation is waiting: it could not be sent yet")
    GIVEN_BACK_IN_PART = "given-back-in-part", _("Only part of what was to be cancelled or refunded was")
    DRIFT = "drift", _("CyberSource's books and the shop's differ")
    SHORT = "short", _("Taken up again after a decline, and others have got what it had released")


#: What an attempt is left with as long as nobody knows whether its card was charged, or its order can go on.
WAITS_FOR_STAFF = (Attention.NO_ANSWER, Attention.UNPAID_REST)


class OperationState(models.TextChoices):
    QUEUED = "queued", _("Waiting to be sent")
    SENT = "sent", _("Under way")
    UNKNOWN = "unknown", _("Outcome unknown")
    DONE = "done", _("Done")
    LAPSING = "lapsing", _("Not released by CyberSource: left to lapse at the bank")
    DECLINED = "declined", _("Declined")
    REFUSED = "refused", _("Refused: nothing was done")
    NOT_SENT = "not-sent", _("Not sent")
    UNDONE = "undone", _("Undone, since its outcome could not be determined")
    DROPPED = "dropped", _("Dropped")


#: States in which an operation may still move money. What it is about counts as moved until that is known.
UNDER_WAY = (OperationState.QUEUED, OperationState.SENT, OperationState.UNKNOWN)
