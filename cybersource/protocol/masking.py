"""No card number is ever stored: what looks like one is masked, identifiers that merely look alike are not.

A verified reply is never refused for a card number in it. Tokens of sixteen digits pass the Luhn check by design, and
transaction ids, phones and amounts are digits too: masking those would destroy what the money can be found by.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from itertools import accumulate

_EXEMPT = re.compile(
    r"(?:req_)?(?:"
    r"payment_token(?:_instrument_identifier_id)?|transaction_id|request_token|access_key|profile_id|signature"
    r"|signed_field_names|unsigned_field_names|signed_date_time|device_fingerprint_id|payment_account_reference"
    r"|[a-z0-9_]*(?:_uuid|_trans_ref_no|_transaction_id|_reconciliation_reference_number|_phone|amount|_unit_price"
    r"|(?<!_expiry)_date|_time|_date_time|_xid|_cavv|_ip_?address)"
    r"|score_device_fingerprint_[a-z0-9_]+"
    r")"
)
_CARD_FIELD = re.compile(r"(?:req_)?card_(?:number|cvn)")

# A run of digits as people type card numbers: one or two blanks, dashes or non-breaking blanks between them. What was
# read once is not read another way (the pattern is possessive), so that a hostile text takes no memory.
_RUN = re.compile(r"\d(?:[ \-\u00a0\u2010-\u2015]{0,2}+\d){12,}+")
_BLOCK = re.compile(r"\d+")

#: Longer runs are nobody's typing. Every digit in them is masked, which takes no search.
LONGEST_RUN = 1000


def luhn_valid(digits: str) -> bool:
    """Say whether a string of decimal digits passes the Luhn check that every card number passes."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        digit = int(character)
        if position % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def mask_card_numbers(field_name: str, value: str) -> str:
    """Return ``value`` with every likely card number masked but for its last four digits.

    Likely is: 13 to 19 digits that pass the Luhn check, also with blanks or dashes between groups. In ``card_number``
    fields any 13 to 19 digits are masked, and ``card_cvn`` whole. Fields that identify a payment are left as they are.
    """
    if _CARD_FIELD.fullmatch(field_name):
        return re.sub(r"\d", "x", value) if field_name.endswith("cvn") else mask_card_number(value)
    if len(value) < 13 or _EXEMPT.fullmatch(field_name):
        return value
    return _RUN.sub(_mask_within, value)


def mask_card_number(value: str) -> str:
    """Return a card number, whether it passes the Luhn check or not, masked but for its last four digits."""
    return _RUN.sub(_mask_all, value)


def _mask_all(run: re.Match[str]) -> str:
    return _masked(run[0])


def _masked(text: str) -> str:
    """Replace all digits but the last four by ``x``, leaving what stands between them."""
    hidden = sum(map(str.isdecimal, text)) - 4
    return re.sub(r"\d", "x", text, count=hidden)


def _mask_within(run: re.Match[str]) -> str:
    """Mask each group of whole blocks that could be a card number, such as ``4111 1111 1111 1111`` before ``12 31``."""
    text = run[0]
    if len(text) > LONGEST_RUN:
        return re.sub(r"\d", "x", text)
    blocks = [block.span() for block in _BLOCK.finditer(text)]
    # Digits before each block, and behind the last: where a card may begin and end, without what stands between.
    bounds = [0, *accumulate(end - start for start, end in blocks)]
    checks = _luhn_sums(text)
    pieces: list[str] = []
    done = first = 0
    while first < len(blocks):
        behind = _card_from(bounds, checks, first)
        if behind is None:
            first += 1
            continue
        start, end = blocks[first][0], blocks[behind - 1][1]
        pieces += text[done:start], _masked(text[start:end])
        done, first = end, behind
    return "".join([*pieces, text[done:]])


def _luhn_sums(text: str) -> tuple[list[int], list[int]]:
    """Return the running Luhn sums of a text's digits, every second one doubled: from the first on, from the second on.

    The check of any stretch of them is then one subtraction, however many stretches there are to try.
    """
    plain = [int(character) for character in text if character.isdecimal()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in plain]
    mixed = (list(doubled), list(plain))
    for which, other in ((0, plain), (1, doubled)):
        mixed[which][1::2] = other[1::2]
    return [0, *accumulate(mixed[0])], [0, *accumulate(mixed[1])]


def _card_from(bounds: list[int], checks: tuple[list[int], list[int]], first: int) -> int | None:
    """Return the block behind the longest card number that begins with block ``first``, if there is one."""
    begin = bounds[first]
    for behind in range(bisect_right(bounds, begin + 19) - 1, bisect_left(bounds, begin + 13) - 1, -1):
        # Of a card's digits the last is taken as it is, the one before it doubled, and so on.
        sums = checks[bounds[behind] % 2]
        if (sums[bounds[behind]] - sums[begin]) % 10 == 0:
            return behind
    return None
