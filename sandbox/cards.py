"""The cards to try at the simulator, for the payment page and for what ``make sandbox`` prints."""

from typing import NamedTuple

from cybersource.simulator import cards


class Card(NamedTuple):
    number: str
    outcome: str


def _spaced(number: str) -> str:
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


TEST_CARDS = (
    Card(_spaced(cards.APPROVED), "pays"),
    Card(_spaced(cards.DECLINED), "is declined"),
    Card(_spaced(cards.REVIEW), "goes to review: decide it in the Business Center"),
    Card(_spaced(cards.LATE), "pays, but the answer is late"),
    Card(_spaced(cards.NO_FUNDS), "is declined for want of money"),
    Card(_spaced(cards.UNKNOWN), "ends in doubt: nobody knows whether it paid"),
)
