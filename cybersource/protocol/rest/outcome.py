"""What became of one call. "Not sent", "refused" and "unknown" are three different things, and so three types.

=============  ==================================================  =================================================
``NotSent``    no byte of the request's body left this machine      may be sent again, newly signed, same ids
``Refused``    the gateway answered that it did nothing             mend what it says; sending again changes nothing
``Unknown``    it may have been done                                never sent again blindly: look it up
``Processed``  it was done, or declined: read ``answer.status``     record it
=============  ==================================================  =================================================

Source: REST response-code table (on SERVER_TIMEOUT look the transaction up before sending anything again); replies
seen by integrators, who met HTML, 201 for declines and 401 bodies of another shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from .answer import Answer, SearchPage, parse, parse_rows, text
from .calls import Operation
from .keys import PrivateKey
from .message_encryption import Undecryptable, open_response

#: Statuses of money calls that were done, or are under way.
DONE = frozenset(
    {
        "AUTHORIZED",
        "PARTIAL_AUTHORIZED",
        "AUTHORIZED_PENDING_REVIEW",
        "PENDING_REVIEW",
        "PENDING_AUTHENTICATION",
        "PENDING",
        "TRANSMITTED",
        "REVERSED",
        "VOIDED",
        "CANCELLED",
    }
)

#: What the decision about a review may have been answered as.
DECIDED = frozenset({"ACCEPTED", "REJECTED"})

#: Calls that are done when the gateway says so by its HTTP status, with whatever body or none.
_WITHOUT_STATUS = frozenset({Operation.DELETE_CUSTOMER, Operation.DELETE_WEBHOOK, Operation.SET_WEBHOOK_STATUS})

#: Calls that make something, and the name without which nobody could say that it was made.
_MAKING = {Operation.WEBHOOK_KEY: "keyInformation.keyId", Operation.CREATE_WEBHOOK: "webhookId"}

#: Calls that are answered by a list, kept under ``rows``.
_LISTING = frozenset({Operation.WEBHOOK_PRODUCTS, Operation.LIST_WEBHOOKS})

#: Statuses of money calls that were looked at and declined. AUTHORIZED_RISK_DECLINED leaves a hold on the card.
DECLINED = frozenset({"DECLINED", "AUTHORIZED_RISK_DECLINED", "FAILED"})

#: The gateway found the request itself wrong and did nothing, also where it says so with HTTP 201.
INVALID = frozenset({"INVALID_REQUEST"})

#: HTTP statuses that say "nothing was done", whatever the body is. 408 may come from a proxy that had sent it on.
NOTHING_DONE = frozenset({400, 401, 403, 404, 405, 406, 409, 410, 411, 412, 413, 414, 415, 422, 424, 429})

_DELAY = re.compile(r"[0-9]{1,5}")


class UnknownReason(StrEnum):
    """Why an outcome is unknown."""

    NO_ANSWER = "no-answer"  #: the connection ended, or the time did, after the request had begun to leave
    SERVER_ERROR = "server-error"  #: 5xx: CyberSource's own, or a proxy's
    UNREADABLE = "unreadable"  #: no JSON object, or a truncated one
    UNDECRYPTABLE = "undecryptable"
    UNRECOGNISED = "unrecognised"  #: an HTTP status, or a status in the body, that we do not know


@dataclass(frozen=True, kw_only=True)
class NotSent:
    """No byte of the request's body left. Sending it again cannot do anything twice."""

    cause: str  #: a class of failure, safe to log


@dataclass(frozen=True, kw_only=True)
class _Answered:
    http_status: int
    answer: Answer
    content: Mapping[str, Any] | None = field(default=None, repr=False)  #: the whole of it, opened; None: no JSON
    correlation_id: str = ""  #: ``v-c-correlation-id``: support asks for it


@dataclass(frozen=True, kw_only=True)
class Refused(_Answered):
    """The gateway did nothing."""

    retry_after: int | None = None  #: seconds, where it only asks to come back later (HTTP 429)

    @property
    def is_duplicate(self) -> bool:
        """Whether it was refused as a repeat: then the first one arrived, and can be looked up."""
        if self.answer.reason == "DUPLICATE_REQUEST":
            return True
        named = {detail.field for detail in self.answer.details}
        return self.answer.reason == "INVALID_DATA" and "clientReferenceInformation.transactionId" in named

    @property
    def is_not_authenticated(self) -> bool:
        """Whether the gateway did not believe who we are: wrong key or host, clock skew, expired key."""
        return self.http_status in (401, 403)

    @property
    def is_not_found(self) -> bool:
        """Whether a look-up found nothing. A very young transaction may be found a little later."""
        return self.http_status == 404

    @property
    def is_gone(self) -> bool:
        """Whether what was named does not exist any more, or not under this name."""
        return self.http_status in (404, 410)


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """It may have been done. Look it up before anything else."""

    why: UnknownReason
    http_status: int | None = None
    answer: Answer = field(default_factory=Answer)
    content: Mapping[str, Any] | None = field(default=None, repr=False)
    correlation_id: str = ""
    retry_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Processed(_Answered):
    """The gateway did what was asked, or looked at it and declined."""

    search: SearchPage | None = None  #: for a search

    @property
    def succeeded(self) -> bool:
        """Whether it was done. For what reads, that there was an answer at all."""
        return self.answer.status not in DECLINED


Outcome = Processed | Refused | Unknown | NotSent


def outcome_of(
    operation: Operation,
    *,
    http_status: int,
    body: bytes,
    correlation_id: str = "",
    retry_after: str = "",
    response_key: PrivateKey | None = None,
) -> Processed | Refused | Unknown:
    """Return what an HTTP answer to ``operation`` comes to. Never raises.

    An HTTP status alone never tells success: a declined card is 201. A reply that contradicts itself is unknown.
    """
    wait = int(retry_after) if _DELAY.fullmatch(retry_after) else None
    try:
        opened = open_response(body, key=response_key)
        data = (parse_rows(opened) if operation in _LISTING else None) or parse(opened)
        unreadable = UnknownReason.UNREADABLE
    except Undecryptable:
        data, unreadable = None, UnknownReason.UNDECRYPTABLE
    answer = Answer.read(data)
    if operation.names_a_token:
        answer = replace(answer, id="", message="", links={})

    def unknown(why: UnknownReason) -> Unknown:
        return Unknown(
            why=why,
            http_status=http_status,
            answer=answer,
            content=data,
            correlation_id=correlation_id,
            retry_after=wait,
        )

    def processed(search: SearchPage | None = None) -> Processed:
        return Processed(
            http_status=http_status, answer=answer, content=data, correlation_id=correlation_id, search=search
        )

    refused = Refused(
        http_status=http_status, answer=answer, content=data, correlation_id=correlation_id, retry_after=wait
    )
    if http_status >= 500:
        return unknown(UnknownReason.SERVER_ERROR)
    done = DECIDED if operation is Operation.DECIDE_REVIEW else DONE
    if http_status in NOTHING_DONE:
        return unknown(UnknownReason.UNRECOGNISED) if answer.status in done and not operation.reads else refused
    if http_status not in (200, 201, 204):
        return unknown(UnknownReason.UNRECOGNISED)
    if operation in _WITHOUT_STATUS:
        return refused if answer.status in INVALID else processed()
    if http_status == 204:
        return unknown(UnknownReason.UNRECOGNISED)
    if data is None:
        return unknown(unreadable)
    if operation.reads:
        return processed(SearchPage.read(data) if operation is Operation.SEARCH else None)
    if answer.status in INVALID:
        return refused
    if operation in _MAKING:
        return processed() if text(data, _MAKING[operation]) else unknown(UnknownReason.UNRECOGNISED)
    if answer.id and answer.status in done | DECLINED:
        return processed()
    return unknown(UnknownReason.UNRECOGNISED)
