"""What of a message may be kept: named values that help to understand a payment, flat, and nothing else.

A list of what is kept, not of what is hidden: a field that CyberSource adds tomorrow stays out until somebody looks at
it. Names of what was left out are kept, so that a reader knows it was there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from ..masking import Mask, mask_card_numbers
from .answer import storable

#: Dotted paths, without positions in lists. One that ends in a point keeps all below it.
KEPT = frozenset(
    """
    id rootId searchId status reason message count totalCount offset limit query sort timezone name save
    submitTimeUtc submitTimeUTC reconciliationId merchantId correlationId
    clientReferenceInformation.code clientReferenceInformation.transactionId
    processingInformation.capture processingInformation.commerceIndicator processingInformation.actionList
    processingInformation.captureOptions.captureSequenceNumber processingInformation.captureOptions.totalCaptureCount
    orderInformation.amountDetails.totalAmount orderInformation.amountDetails.currency
    orderInformation.amountDetails.authorizedAmount orderInformation.amountDetails.settlementAmount
    reversalInformation.amountDetails.totalAmount reversalInformation.amountDetails.currency reversalInformation.reason
    refundAmountDetails.refundAmount refundAmountDetails.currency
    voidAmountDetails.voidAmount voidAmountDetails.currency
    reversalAmountDetails.reversedAmount reversalAmountDetails.originalTransactionAmount reversalAmountDetails.currency
    errorInformation.reason errorInformation.message errorInformation.details.field errorInformation.details.reason
    details.field details.reason errors.type errors.message errors.details.name errors.details.reason response.rmsg
    processorInformation.approvalCode processorInformation.responseCode processorInformation.networkTransactionId
    processorInformation.transactionId processorInformation.avs.code
    processorInformation.cardVerification.resultCode processorInformation.merchantAdvice.code
    riskInformation.profile.name riskInformation.profile.decision riskInformation.score.result
    applicationInformation.status applicationInformation.reasonCode applicationInformation.rCode
    applicationInformation.rFlag applicationInformation.applications.name
    applicationInformation.applications.status applicationInformation.applications.reasonCode
    applicationInformation.applications.rCode applicationInformation.applications.rFlag
    applicationInformation.applications.rMessage applicationInformation.applications.reconciliationId
    _embedded.transactionSummaries.id _embedded.transactionSummaries.submitTimeUtc
    _embedded.transactionSummaries.clientReferenceInformation.code
    _embedded.transactionSummaries.applicationInformation.reasonCode
    decisionInformation.decision _embedded.capture.status _embedded.reversal.status
    organizationId startTime endTime
    conversionDetails.merchantReferenceNumber conversionDetails.requestId conversionDetails.conversionTime
    conversionDetails.originalDecision conversionDetails.newDecision
    clientRequestAction keyInformation.keyId keyInformation.keyType keyInformation.status
    keyInformation.expirationDate keyInformation.expiryDuration
    webhookId products.productId products.eventTypes webhookUrl healthCheckUrl
    rows.webhookId rows.name rows.status rows.productId rows.webhookUrl
    """.split()
)

#: Of an answer about a stored card: its id is the token, and a message may name it.
KEPT_OF_TOKENS = KEPT - {"id", "message", "errors.message", "errorInformation.message"}

#: Of an event: what it is about stands in columns, and what it says of it is looked up.
KEPT_OF_EVENTS = frozenset(
    """
    status reason message type version referenceNumber clientReferenceInformation.code submitTimeUtc
    orderInformation.amountDetails.totalAmount orderInformation.amountDetails.currency errorInformation.reason
    """.split()
)

MOST_VALUES = 200  #: of one message
LONGEST = 500  #: characters of one value
DEEPEST = 12  #: levels
LEFT_OUT = "left_out"

_TIMES = re.compile(r"(submitTimeUtc:\[[0-9]{13} TO [0-9]{13}\})")
_POSITION = re.compile(r"\.\d+(?=\.|$)")


def for_storage(
    data: Mapping[str, Any] | None, *, kept_names: Set[str] = KEPT, mask: Mask = mask_card_numbers
) -> dict[str, str]:
    """Return a message flat (``details.0.field``): kept values, masked, and the names of the rest in ``left_out``.

    Ids are masked as all else: CyberSource's own have 22 digits, which is no card's length. ``mask`` is given each
    value with its name, and knows more than this module does.
    """
    kept: dict[str, str] = {}
    left_out: dict[str, None] = {}
    for path, value in _leaves(data or {}, ""):
        name = _POSITION.sub("", path)
        if name not in kept_names or len(kept) >= MOST_VALUES:
            left_out[name if len(name) <= 100 else name[:100]] = None
            continue
        text = storable(("true" if value else "false") if isinstance(value, bool) else str(value))
        # The times of a search have as many digits as a card's number, and are written by us.
        parts = _TIMES.split(text) if name == "query" else [text]
        kept[path] = "".join(part if at % 2 else mask(name, part) for at, part in enumerate(parts))[:LONGEST]
    if left_out:
        kept[LEFT_OUT] = mask_card_numbers("message", storable(", ".join(list(left_out)[:50])))
    return kept


def _leaves(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{position}", depth + 1)
    elif value is not None:
        yield path, value
