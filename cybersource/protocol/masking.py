"""No card number is ever stored: what looks like one is masked, wherever it stands.

Shoppers type card numbers into names, phones and delivery notes, and other systems put them into ids. A verified reply
is never refused for one. Passed over is only what CyberSource or the shop issued: tokens of sixteen digits pass the
Luhn check by design, and masking a transaction id would destroy what the money can be found by.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from itertools import accumulate

#: Of a field's name and its value: the value as it may be kept.
Mask = Callable[[str, str], str]

#: Issued by CyberSource, or by the shop as keys and proofs.
_ISSUED = re.compile(
    r"(?:req_)?(?:payment_token(?:_instrument_identifier_id)?|transaction_id|request_token|access_key|profile_id"
    r"|signature)"
)
#: What is passed over only while it has its own shape: amounts, moments, and the uuids that the shop makes.
_AMOUNT = re.compile(r"(?:req_)?[a-z0-9_]*(?:amount|_unit_price)"), re.compile(r"\d{1,19}(?:\.\d{0,4})?")
_MOMENT = re.compile(r"[a-z0-9_]*_(?:date_time|time)"), re.compile(r"20\d{12}")
_UUID = (
    re.compile(r"(?:req_)?(?:transaction_uuid|device_fingerprint_id)|clientReferenceInformation\.transactionId"),
    re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24}|[0-9a-f]{32}"),
)
_SHAPED = (_AMOUNT, _MOMENT, _UUID)
#: What is no card number whatever its digits, wherever it stands: uuids, and IBANs whose own check digits are right.
_ANY_UUID = re.compile(r"(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])", re.I | re.A)
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d\d(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?(?![0-9A-Za-z])", re.A)
#: What people write honestly, and so is not refused: French and Brazilian companies, several American phones.
_PHONE = r"(?:1[ .\-])?\d{3}[ .\-]\d{3}[ .\-]\d{4}"
_HONEST = re.compile(
    rf"(?<!\d)\d\d\.\d{{3}}\.\d{{3}}/\d{{4}}-\d\d(?!\d)"
    rf"|(?<!\d)(?<!\d[ .\-])(?:\d{{3}} \d{{3}} \d{{3}} \d{{5}}|{_PHONE}(?:[\s,/+]{{1,3}}{_PHONE})+)(?![ .\-]?\d)",
    re.A,
)
_CARD_FIELD = re.compile(r"(?:req_)?card_(?:number|cvn)")

# A run of digits as people type card numbers: up to three blanks, dashes, dots, line breaks and the like between
# them. Colons and brackets are not among them: times of day and phones have those. What was read once is not read
# another way (the pattern is possessive), so that a hostile text takes no memory.
_RUN = re.compile(r"[0-9](?:[\s\-.,/_+*|\\~'#]{0,3}+[0-9]){12,}+")
_BLOCK = re.compile(r"[0-9]+")
#: Between digits also where no card number is: amounts, network addresses, dates, lines.
_LOOSE = re.compile(r"[\r\n\v\f.,/_+*|\\~'#]")

#: Longer runs are nobody's typing. Every digit in them is masked, which takes no search.
LONGEST_RUN = 1000

#: How the numbers of each brand begin, and how long they are.
_BRANDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-59]|[689]\d)\d{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}|(?:1800|2131)\d{11}"  # JCB
    r"|(?:6[0245]|8[12])\d{14,17}"  # Discover, UnionPay, RuPay
    r"|(?:5[06-9]|6[136-9])\d{11,17}"  # Maestro
    r"|220[0-4]\d{12,15}|9792\d{12}|2(?:014|149)\d{11}"  # Mir, Troy, enRoute
)

_LENGTHS = range(13, 20)
#: No phone number is longer, and hardly any is as long.
_LENGTHS_IN_PHONES = (15, 16)


def luhn_valid(digits: str) -> bool:
    """Say whether a string of decimal digits passes the Luhn check that every card number passes."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        digit = int(character)
        if position % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def mask_card_numbers(field_name: str, value: str, *, ours: Collection[str] = ()) -> str:
    """Return ``value`` with every likely card number masked but for its last four digits.

    Likely is: 13 to 19 digits that pass the Luhn check, also with blanks, dashes or dots between groups. In
    ``card_number`` fields any 13 to 19 digits are masked, and ``card_cvn`` whole. ``ours``: numbers of the shop's own
    orders, which stay whole wherever they stand.
    """
    if _CARD_FIELD.fullmatch(field_name):
        return re.sub(r"\d", "x", value) if field_name.endswith("cvn") else mask_card_number(value)
    if len(value) < 13 or _ISSUED.fullmatch(field_name):
        return value
    if any(name.fullmatch(field_name) and shape.fullmatch(value) for name, shape in _SHAPED):
        return value
    if not ours:
        return _masked(value)
    # What stands between two numbers of ours is looked at on its own.
    known = "|".join(re.escape(number) for number in sorted(ours, key=len, reverse=True))
    parts = re.split(rf"((?<!\d)(?:{known})(?!\d))", value)
    return "".join(part if place % 2 else _masked(part) for place, part in enumerate(parts))


def mask_card_number(value: str) -> str:
    """Return a card number, whether it passes the Luhn check or not, masked but for its last four digits."""
    plain = _plain(value)
    spans = [run.span() for run in _RUN.finditer(plain)]
    return _with_masks(value, plain, spans)


def likely_card_numbers(value: str) -> list[str]:
    """Return what :func:`mask_card_numbers` masks in a text, each as it stands there."""
    return [value[start:end] for start, end in _likely(value, _searched(value))] if len(value) >= 13 else []


def holds_card_number(value: str, *, is_phone: bool = False) -> bool:
    """Say whether somebody typed a card number: one that begins as a brand's, is as long, and passes the Luhn check.

    Narrower than what is masked, since people are then asked to type something else. In a phone field only fifteen
    and sixteen digits are one, and in any other text a number of thirteen behind a plus sign is a phone's.
    """
    plain = _HONEST.sub(_as_letters, _searched(value))
    if is_phone and _is_cards("".join(_BLOCK.findall(plain)), _LENGTHS_IN_PHONES):
        return True
    for run in _RUN.finditer(plain):
        blocks = list(_blocks(value, plain, *run.span()))
        for first, (start, _end) in enumerate(blocks):
            lengths: Collection[int] = _LENGTHS_IN_PHONES if is_phone else _LENGTHS
            if plain[:start].endswith("+"):
                lengths = [length for length in lengths if length != 13]
            digits = ""
            for begin, end in blocks[first:]:
                digits += plain[begin:end]
                if _is_cards(digits, lengths):
                    return True
                if len(digits) > 19:
                    break
    return False


def _is_cards(digits: str, lengths: Collection[int]) -> bool:
    return len(digits) in lengths and _is_brands(digits) and luhn_valid(digits)


def _is_brands(digits: str) -> bool:
    return _BRANDS.fullmatch(digits) is not None


# -- reading ---------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Return a text, character for character, with every script's digits, blanks, dashes and dots as ASCII has them."""
    return text if text.isascii() else "".join(map(_plain_character, text))


@lru_cache(maxsize=4096)
def _plain_character(character: str) -> str:
    digit = unicodedata.digit(character, None)  # also a superscript, and a digit in a circle
    if digit is not None:
        return str(digit)
    if character in "\u00b7\u2022\u2027\u2219\u22c5\u3002\uff0e\uff61":
        return "."
    if character in "\u2018\u2019\u02bc\u2032\u00b4":
        return "'"
    category = unicodedata.category(character)
    if category in ("Zl", "Zp") or character == "\x85":
        return "\n"
    if category == "Pd" or character in "\u2212\u00ad":
        return "-"
    # What shows as nothing between two digits: a joiner, a mark that makes a key or a ring of the digit.
    return " " if category in ("Zs", "Cf", "Mn", "Me") else character


def _searched(text: str) -> str:
    """Return the plain text, character for character, with letters in the place of what is no card number."""
    return _IBAN.sub(_unless_iban, _ANY_UUID.sub(_as_letters, _plain(text)))


def _as_letters(match: re.Match[str]) -> str:
    return "x" * len(match[0])


def _unless_iban(match: re.Match[str]) -> str:
    account = match[0].replace(" ", "")
    number = "".join(str(int(character, 36)) for character in account[4:] + account[:4])
    return _as_letters(match) if int(number) % 97 == 1 else match[0]


def _masked(value: str) -> str:
    plain = _searched(value)
    return _with_masks(value, plain, list(_likely(value, plain)))


def _with_masks(value: str, plain: str, spans: list[tuple[int, int]]) -> str:
    """Replace the digits within each span by ``x``, but for its last four; a run too long for anything whole."""
    if not spans:
        return value
    characters = list(value)
    for start, end in spans:
        places = [place for place in range(start, end) if "0" <= plain[place] <= "9"]
        for place in places if end - start > LONGEST_RUN else places[:-4]:
            characters[place] = "x"
    return "".join(characters)


def _blocks(value: str, plain: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where digits stand side by side, all of them written as ASCII has them or none."""
    for block in _BLOCK.finditer(plain, start, end):
        if value.isascii():
            yield block.span()
            continue
        begin, behind = block.span()
        for place in range(begin + 1, behind):
            if value[place].isascii() != value[begin].isascii():
                yield begin, place
                begin = place
        yield begin, behind


def _likely(value: str, plain: str) -> Iterator[tuple[int, int]]:
    """Where groups of whole blocks could be a card number, such as ``4111 1111 1111 1111`` before ``12 31``."""
    for run in _RUN.finditer(plain):
        start, end = run.span()
        if end - start > LONGEST_RUN:
            yield start, end
            continue
        blocks = list(_blocks(value, plain, start, end))
        search = _Search(plain[start:end], blocks, plain)
        first = 0
        while first < len(blocks):
            behind = search.card_from(first)
            if behind is None:
                first += 1
                continue
            yield blocks[first][0], blocks[behind - 1][1]
            first = behind


class _Search:
    """Every stretch of a run's blocks, each tried in one subtraction, however many there are."""

    def __init__(self, text: str, blocks: list[tuple[int, int]], plain: str) -> None:
        self.digits = "".join(_BLOCK.findall(text))
        # Digits before each block, and behind the last: where a card may begin and end, without what stands between.
        self.bounds = [0, *accumulate(end - start for start, end in blocks)]
        gaps = (plain[end:start] for (_, end), (start, _) in zip(blocks, blocks[1:], strict=False))
        #: How many gaps before each block are written as between the parts of other numbers too.
        self.loose = [0, *accumulate(_LOOSE.search(gap) is not None for gap in gaps)]
        self.checks = _luhn_sums(self.digits)

    def card_from(self, first: int) -> int | None:
        """Return the block behind the longest card number that begins with block ``first``, if there is one."""
        begin = self.bounds[first]
        lowest, highest = bisect_left(self.bounds, begin + 13), bisect_right(self.bounds, begin + 19) - 1
        for behind in range(highest, lowest - 1, -1):
            end = self.bounds[behind]
            # Of a card's digits the last is taken as it is, the one before it doubled, and so on.
            sums = self.checks[end % 2]
            if (sums[end] - sums[begin]) % 10:
                continue
            if self.loose[behind - 1] == self.loose[first] or _is_brands(self.digits[begin:end]):
                return behind
        return None


def _luhn_sums(digits: str) -> tuple[list[int], list[int]]:
    """Return the running Luhn sums of digits, every second one doubled: from the first on, from the second on."""
    plain = [int(character) for character in digits]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in plain]
    mixed = (list(doubled), list(plain))
    for which, other in ((0, plain), (1, doubled)):
        mixed[which][1::2] = other[1::2]
    return [0, *accumulate(mixed[0])], [0, *accumulate(mixed[1])]
