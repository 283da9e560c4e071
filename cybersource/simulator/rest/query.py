"""The query language of transaction search, as far as a shop needs it.

Source: transaction search guide: ``field:value``, ``AND``, ``OR``, parentheses, ranges ``[a TO b]`` and half-open
``[a TO b}``, dates with Solr's mathematics (``NOW/DAY-2DAYS``) or as milliseconds since 1970.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

_TOKEN = re.compile(r"\s*(?:(\()|(\))|(AND|OR)\b|([A-Za-z.]+):(\[[^\]}]*[\]}]|[^\s()]+))")
_STEP = re.compile(r"/(MONTH|DAY|HOUR|MINUTE)|([+-]\d+)(MONTH|DAY|HOUR|MINUTE)S?")
_UNITS = {"DAY": timedelta(days=1), "HOUR": timedelta(hours=1), "MINUTE": timedelta(minutes=1)}
_SMALLER = {
    "MONTH": {"day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0},
    "DAY": {"hour": 0, "minute": 0, "second": 0, "microsecond": 0},
    "HOUR": {"minute": 0, "second": 0, "microsecond": 0},
    "MINUTE": {"second": 0, "microsecond": 0},
}

FIELDS = frozenset(
    {
        "clientReferenceInformation.code",
        "id",
        "submitTimeUtc",
        "merchantId",
        "reconciliationId",
        "orderInformation.amountDetails.totalAmount",
    }
)

#: Tells whether a row, by field, is found.
Predicate = Callable[[Mapping[str, object]], bool]


class BadQuery(ValueError):
    """The query cannot be read."""


def parse(text: str, now: datetime) -> Predicate:
    """Return the test of a query, or raise :class:`BadQuery`. AND binds closer than OR."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if not found:
            raise BadQuery(f"at {at}")
        tokens.append(found.groups())
        at = found.end()
    predicate, rest = _alternatives(tokens, now)
    if rest:
        raise BadQuery("at its end")
    return predicate


def _alternatives(tokens: list[tuple[str | None, ...]], now: datetime) -> tuple[Predicate, list]:
    choices, tokens = _sequence(tokens, now, "OR", lambda rest: _sequence_of_terms(rest, now))
    return (lambda row: any(each(row) for each in choices)), tokens


def _sequence_of_terms(tokens: list, now: datetime) -> tuple[Predicate, list]:
    terms, tokens = _sequence(tokens, now, "AND", lambda rest: _term(rest, now))
    return (lambda row: all(each(row) for each in terms)), tokens


def _sequence(tokens: list, now: datetime, word: str, part: Callable) -> tuple[list[Predicate], list]:
    first, tokens = part(tokens)
    found = [first]
    while tokens and tokens[0][2] == word:
        following, tokens = part(tokens[1:])
        found.append(following)
    return found, tokens


def _term(tokens: list, now: datetime) -> tuple[Predicate, list]:
    if not tokens:
        raise BadQuery("it ends too early")
    opening, _, _, field, value = tokens[0]
    if opening:
        inner, rest = _alternatives(tokens[1:], now)
        if not rest or not rest[0][1]:
            raise BadQuery("a parenthesis is open")
        return inner, rest[1:]
    if field not in FIELDS:
        raise BadQuery(f"{field or 'a word'} is no field to search by")
    if value.startswith("["):
        low, _, high = value[1:-1].partition(" TO ")
        start, end, closed = _moment(low, now), _moment(high, now), value.endswith("]")
        return (lambda row: start <= row[field] < end or (closed and row[field] == end)), tokens[1:]
    return (lambda row: row[field] == value), tokens[1:]


def _moment(text: str, now: datetime) -> datetime:
    if re.fullmatch(r"\d{12,13}", text):
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    if not text.startswith("NOW"):
        try:
            read = datetime.fromisoformat(text)
        except ValueError as problem:
            raise BadQuery("a date cannot be read") from problem
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    at, moment = 3, now
    while at < len(text):
        step = _STEP.match(text, at)
        if not step:
            raise BadQuery("a date cannot be read")
        down, number, unit = step.groups()
        moment = moment.replace(**_SMALLER[down]) if down else _moved(moment, int(number), unit)
        at = step.end()
    return moment


def _moved(moment: datetime, number: int, unit: str) -> datetime:
    """Return the moment so many units on. Of a month that is too short it is the last day."""
    if unit in _UNITS:
        return moment + number * _UNITS[unit]
    year, month = divmod(moment.year * 12 + moment.month - 1 + number, 12)
    last = monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
