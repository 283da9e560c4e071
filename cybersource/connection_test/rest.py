"""The REST API: certificates that end, and one harmless call that proves host, keys, clock and encryption.

CyberSource has no call that only says "I am here". A search for one row reads, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ..conf import conf
from ..db import clock
from ..gateway import client, credentials
from ..protocol.rest import AuthMode, NotSent, PrivateKey, Processed, Refused, Unknown, UnknownReason, search
from .findings import Area, Finding, Reporter

report = Reporter(area=Area.REST)

#: A token is good for two minutes, so a clock that is minutes off gets every call refused.
DOUBTFUL_CLOCK = timedelta(seconds=60)
WRONG_CLOCK = timedelta(minutes=5)

CERTIFICATE_ENDS_SOON = timedelta(days=28)

#: What is searched for; whether it is found does not matter.
REFERENCE = "CONNECTION-TEST"


def is_configured() -> bool:
    return bool(conf.rest_key_id or conf.rest_p12)


def look(*, network: bool) -> Iterator[Finding]:
    """The REST API's settings have been found good before."""
    if not is_configured():
        yield report.note(_("The REST API is not set up: money is captured and refunded in the Business Center."))
        return
    yield from certificates()
    if network:
        yield from health()


def certificates() -> Iterator[Finding]:
    access = credentials.access()
    ends: dict[str, datetime | None] = {}
    if isinstance(access.key, PrivateKey):
        ends["CYBERSOURCE_REST_P12"] = access.key.valid_until
    if access.request_key:
        from_file = conf.rest_mle_certificate
        name = "CYBERSOURCE_REST_MLE_CERTIFICATE" if from_file else _("CyberSource's certificate in the .p12 file")
        ends[name] = access.request_key.valid_until
    for name, end in ends.items():
        if end is None:
            continue
        told = {"name": name, "date": date_format(clock.local(end), "DATE_FORMAT")}
        hint = _("Make or download a new one in the Business Center, and replace the file; no restart is needed.")
        if end <= clock.now():
            yield report.error("D050", _("%(name)s ended on %(date)s.") % told, hint)
        elif end - clock.now() < CERTIFICATE_ENDS_SOON:
            yield report.warning("D051", _("%(name)s ends on %(date)s.") % told, hint)
        else:
            yield report.good(_("%(name)s is valid until %(date)s.") % told)


def health() -> Iterator[Finding]:
    exchange = client.send(search([REFERENCE], days=1, limit=1))
    outcome, ahead = exchange.outcome, exchange.clock_ahead
    disbelieved = isinstance(outcome, Refused) and outcome.is_not_authenticated
    if ahead is not None and abs(ahead) > DOUBTFUL_CLOCK:
        yield clock_differs(ahead, is_wrong=disbelieved or abs(ahead) > WRONG_CLOCK)
        if disbelieved:
            return  # with such a clock that says nothing about the keys
    told = {"host": credentials.access().host, "milliseconds": exchange.entry.milliseconds}
    if isinstance(outcome, NotSent):
        yield from not_sent(outcome.cause, told)
    elif isinstance(outcome, Unknown):
        yield from unknown(outcome, exchange.entry.data.get("no_answer", ""), told)
    elif isinstance(outcome, Refused):
        yield from refused(outcome, told)
    elif isinstance(outcome, Processed):
        yield report.good(_("%(host)s answered in %(milliseconds)s ms and accepts the shop's key.") % told)
        yield from encryption()


def clock_differs(ahead: timedelta, *, is_wrong: bool) -> Finding:
    seconds = round(abs(ahead).total_seconds())
    what = (
        _("This machine's clock is %(seconds)s seconds ahead of CyberSource's.")
        if ahead > timedelta(0)
        else _("This machine's clock is %(seconds)s seconds behind CyberSource's.")
    ) % {"seconds": seconds}
    hint = _("Synchronize the clock (NTP): tokens are good for two minutes, and forms must not be old.")
    return report.error("D052", what, hint) if is_wrong else report.warning("D053", what, hint)


def encryption() -> Iterator[Finding]:
    access = credentials.access()
    if access.request_key:
        yield report.good(_("The request was encrypted, and CyberSource could open it."))
    if access.response_key:
        yield report.good(_("Encrypted replies were requested, and the reply could be read."))
    if access.mode is not AuthMode.HTTP_SIGNATURE and not (access.request_key and access.response_key):
        yield report.note(
            _("Message-level encryption is off, or on one side only. CyberSource wants it by March 2027.")
        )


def not_sent(cause: str, told: dict[str, object]) -> Iterator[Finding]:
    if cause == client.NAME_NOT_KNOWN:
        yield report.error(
            "D054",
            _("The name of %(host)s is not known to this machine.") % told,
            _("Check DNS on this machine, and CYBERSOURCE_REST_ENDPOINT if it is set."),
        )
    elif cause == "SSLError":
        yield report.error(
            "D055",
            _("No trusted TLS connection to %(host)s comes about.") % told,
            _(
                "Update this machine's CA certificates (certifi); if a proxy opens connections here, name its "
                "certificate in REQUESTS_CA_BUNDLE. TLS 1.2 is the least that CyberSource takes."
            ),
        )
    else:
        yield report.error(
            "D056",
            _("No connection to %(host)s comes about (%(cause)s).") % {**told, "cause": cause},
            _("Let this machine's firewall or proxy (HTTPS_PROXY) connect to that host."),
        )


def unknown(outcome: Unknown, no_answer: str, told: dict[str, object]) -> Iterator[Finding]:
    if outcome.why is UnknownReason.NO_ANSWER:
        yield report.error(
            "D057",
            _("%(host)s received the request and did not answer in time (%(cause)s).") % {**told, "cause": no_answer},
            _(
                "Try again. If the problem stays, see CyberSource's status page, then ask the administrators of "
                "the network between."
            ),
        )
    elif outcome.why is UnknownReason.UNDECRYPTABLE:
        yield report.error(
            "D058",
            _("The reply of %(host)s is encrypted, and CYBERSOURCE_REST_MLE_RESPONSE_KEY does not open it.") % told,
            _("Key id and private key must be of the same “REST - API Response MLE” key. Make a new one if in doubt."),
        )
    elif outcome.why is UnknownReason.SERVER_ERROR:
        yield report.error(
            "D059",
            _("%(host)s is in trouble (HTTP %(status)s).") % {**told, "status": outcome.http_status},
            _("Nothing to do here. Try again later."),
        )
    else:
        yield report.error(
            "D060",
            _("%(host)s does not answer as CyberSource does (HTTP %(status)s).")
            % {**told, "status": outcome.http_status},
            _("Something else answers: a proxy's sign-in page, or another host in CYBERSOURCE_REST_ENDPOINT."),
        )


def refused(outcome: Refused, told: dict[str, object]) -> Iterator[Finding]:
    told = {**told, "status": outcome.http_status, "reason": outcome.answer.reason or "-"}
    if outcome.is_not_authenticated:
        yield report.error(
            "D061",
            _("%(host)s does not accept the shop's key (HTTP %(status)s).") % told,
            _(
                "Check CYBERSOURCE_MERCHANT_ID, key id and secret (or the .p12 file): the key may have ended, or be of "
                "the other environment."
            ),
        )
    elif outcome.http_status == 429:
        yield report.warning(
            "D062", _("%(host)s refused for now: too many calls.") % told, _("Try again in a few minutes.")
        )
    else:
        yield report.error(
            "D063",
            _("%(host)s refused a harmless search (HTTP %(status)s, %(reason)s).") % told,
            _(
                "Have CyberSource enable transaction search for the key. With message-level encryption the certificate "
                "may be of another account; 404 means that the host has no REST services."
            ),
        )
