"""The test cards: one table, which the simulator's own page shows too.

Any other number that passes Luhn and fits its brand pays, as on CyberSource's test host. The cards below that end in
something else than a payment are this simulator's own invention, made so that the last four digits, which every mask
shows, are the reason code: ``…0203`` is declined with 203. They work in a two-step payment as well: the token
remembers which card it was made from (by name, never by number), and the authorization answers as that card does.
A card marked ``at_token`` ends so already when the token is created.

Source of the paying numbers: CyberSource testing guides; Silent Order POST guide, "Test card numbers".
"""

from dataclasses import dataclass

APPROVED = "4111111111111111"
APPROVED_MASTERCARD = "5555555555554444"
APPROVED_AMEX = "378282246310005"
LATE = "4111111111120005"
PARTIAL = "4111111111140110"
UNKNOWN = "4111111111150150"
TIMED_OUT = "4111111111140151"
AVS_FAILS = "4111111111150200"
EXPIRED = "4111111111130202"
DECLINED = "4111111111120203"
NO_FUNDS = "4111111111110204"
STOLEN = "4111111111100205"
ISSUER_UNAVAILABLE = "4111111111180207"
CVN_REFUSED = "4111111111120211"
CVN_FAILS = "4111111111190230"
PROCESSOR_FAILURE = "4111111111130236"
NOT_AUTHENTICATED = "4111111111130475"
AUTHENTICATION_FAILED = "4111111111120476"
REVIEW = "4111111111160480"
REJECTED = "4111111111150481"


@dataclass(frozen=True, kw_only=True)
class TestCard:
    """One documented number and what becomes of a payment with it."""

    __test__ = False  # pytest, this is no test

    tag: str  #: remembered with a token instead of the number
    number: str
    brand: str
    shows: str  #: for people: what happens
    reason_code: str = "100"
    at_token: bool = False  #: the same outcome already when a token is created alone
    late: bool = False  #: merchant POST first, the browser's page some seconds later

    @property
    def plain(self) -> bool:
        """Whether it simply pays."""
        return self.reason_code == "100" and not self.late

    @property
    def spaced(self) -> str:
        """The number as people read it."""
        if len(self.number) == 16:
            return " ".join(self.number[at : at + 4] for at in range(0, 16, 4))
        return f"{self.number[:4]} {self.number[4:10]} {self.number[10:]}"


def _card(tag: str, number: str, reason_code: str, shows: str, **more: bool) -> TestCard:
    return TestCard(tag=tag, number=number, brand="Visa", reason_code=reason_code, shows=shows, **more)


TEST_CARDS: tuple[TestCard, ...] = (
    TestCard(tag="visa", number=APPROVED, brand="Visa", shows="Pays."),
    _card("declined", DECLINED, "203", "Declined by the bank."),
    _card("review", REVIEW, "480", "Held for Decision Manager's review; decide it in the review queue."),
    _card("late", LATE, "100", "Pays, but late: the merchant POST comes first, the browser seconds after.", late=True),
    TestCard(tag="mastercard", number=APPROVED_MASTERCARD, brand="Mastercard", shows="Pays."),
    TestCard(tag="mastercard-2", number="2222420000001113", brand="Mastercard", shows="Pays; a 2-series number."),
    TestCard(tag="amex", number=APPROVED_AMEX, brand="American Express", shows="Pays; the CVN has four digits."),
    TestCard(tag="discover", number="6011111111111117", brand="Discover", shows="Pays."),
    TestCard(tag="jcb", number="3566111111111113", brand="JCB", shows="Pays."),
    TestCard(tag="diners", number="38000000000006", brand="Diners Club", shows="Pays; fourteen digits."),
    _card("rejected", REJECTED, "481", "Rejected by Decision Manager.", at_token=True),
    _card("no-funds", NO_FUNDS, "204", "Declined: not enough funds."),
    _card("stolen", STOLEN, "205", "Declined: stolen or lost.", at_token=True),
    _card("expired", EXPIRED, "202", "Declined as expired, whatever date is typed.", at_token=True),
    _card("cvn-refused", CVN_REFUSED, "211", "Declined for its CVN, whatever is typed.", at_token=True),
    _card("partial", PARTIAL, "110", "Approved for half of the amount only."),
    _card("avs-fails", AVS_FAILS, "200", "Approved, but the address check fails."),
    _card("cvn-fails", CVN_FAILS, "230", "Approved, but the CVN check fails."),
    _card("unknown", UNKNOWN, "150", "General failure: nobody knows whether money is held."),
    _card("timed-out", TIMED_OUT, "151", "Server time-out: nobody knows whether money is held."),
    _card("issuer-unavailable", ISSUER_UNAVAILABLE, "207", "The issuing bank does not answer: no real decline."),
    _card("processor-failure", PROCESSOR_FAILURE, "236", "The processor fails: no real decline."),
    _card("not-authenticated", NOT_AUTHENTICATED, "475", "Declined: enrolled in 3-D Secure, not authenticated."),
    _card("authentication-failed", AUTHENTICATION_FAILED, "476", "Declined: 3-D Secure failed."),
)

_BY_NUMBER = {card.number: card for card in TEST_CARDS}
_BY_TAG = {card.tag: card for card in TEST_CARDS}

#: card_type code -> name. Source: Secure Acceptance Checkout API guide, "Card types".
CARD_TYPES: dict[str, str] = {
    "001": "Visa",
    "002": "Mastercard",
    "003": "American Express",
    "004": "Discover",
    "005": "Diners Club",
    "006": "Carte Blanche",
    "007": "JCB",
    "014": "EnRoute",
    "021": "JAL",
    "024": "Maestro UK Domestic",
    "027": "Nicos",
    "031": "Delta",
    "033": "Visa Electron",
    "034": "Dankort",
    "036": "Cartes Bancaires",
    "037": "Carta Si",
    "042": "Maestro International",
    "043": "GE Money UK",
    "050": "Hipercard",
    "053": "Orico",
    "054": "Elo",
    "055": "Private Label",
    "062": "China UnionPay",
}

#: card_type codes whose numbers are known by their first digits; the rest are taken as the shopper says.
_PREFIXES: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
    (("34", "37"), frozenset({"003"})),
    (("300", "301", "302", "303", "304", "305", "309", "36", "38", "39"), frozenset({"005", "006"})),
    (tuple(str(bin4) for bin4 in range(3528, 3590)), frozenset({"007", "021"})),
    (("6011", "644", "645", "646", "647", "648", "649", "65"), frozenset({"004", "036", "054"})),
    (("62",), frozenset({"004", "062"})),
    (("50", "56", "57", "58", "600", "67"), frozenset({"024", "042", "036", "050", "054"})),
    (tuple(str(bin2) for bin2 in range(51, 56)), frozenset({"002", "036", "037"})),
    (tuple(str(bin4) for bin4 in range(2221, 2721)), frozenset({"002", "036"})),
    (("4",), frozenset({"001", "031", "033", "034", "036", "037", "054"})),
)


def luhn(number: str) -> bool:
    """Tell whether the last digit of ``number`` (digits only) is its Luhn check digit."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def fits_brand(number: str, card_type: str) -> bool:
    """Tell whether ``number`` may be of the brand ``card_type``. A prefix that we do not know fits any."""
    for prefixes, card_types in _PREFIXES:
        if number.startswith(prefixes):
            return card_type in card_types
    return card_type not in {"001", "002", "003", "004", "005", "006", "007"}


def tag_of(number: str) -> str:
    """Return the test card's tag, the one thing kept of a number; empty when it is no card of the table."""
    card = _BY_NUMBER.get(number)
    return card.tag if card else ""


def by_tag(tag: str) -> TestCard | None:
    """Return the test card with this tag, or None."""
    return _BY_TAG.get(tag)


def mask(number: str, *, show_bin: bool = False, show_last_four: bool = True) -> str:
    """Return ``number`` with one lower-case ``x`` for each hidden character.

    What is too short to be a card is hidden whole. Source: Silent Order POST guide, "Card number display".
    """
    if len(number) < 12:
        return "x" * len(number)
    head = number[:6] if show_bin else "x" * 6
    tail = number[-4:] if show_last_four else "xxxx"
    return head + "x" * (len(number) - 10) + tail
