"""A form is posted, as a shopper's browser does, where the card's endpoint is a simulator on this machine.

Never elsewhere: at CyberSource every posted form is a request of a shopper's, and posting from a server is forbidden.
The form has no card, so the simulator refuses its contents in a signed reply, which is read here, verified, and goes
nowhere: to the shop it would be an answer to an attempt that it never began.
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from django.utils.translation import gettext as _

from .. import profiles
from ..conf import conf
from ..gateway import credentials as gateway_credentials
from ..protocol import ProtocolError, Reply
from .findings import Area, Finding, Reporter
from .keys import sample

report = Reporter(area=Area.KEYS)

SECONDS = 5


class HiddenFields(HTMLParser):
    """What a page would post."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.pairs.append((given.get("name") or "", given.get("value") or ""))


def look() -> Iterator[Finding]:
    url = conf.endpoint_pay
    if not gateway_credentials.is_this_machine(url):
        return
    try:
        credentials = profiles.for_signing("")
    except profiles.NoSigningKey:
        return  # told, or every key is for one host
    # Imported here: a process that asks nobody does without its memory.
    import requests

    told = {"url": url}
    form = sample(credentials, answered_to=f"{url.partition('/silent/')[0]}/health")
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy does not know the way back
            answer = session.post(
                url,
                data=[(each.key, each.value) for each in form.fields],
                timeout=SECONDS,
                allow_redirects=False,
            )
    except requests.RequestException as problem:
        yield report.error(
            "D039",
            _("There is no answer at %(url)s (%(problem)s).") % {**told, "problem": type(problem).__name__},
            _("Start the simulator, or remove CYBERSOURCE_ENDPOINT_PAY to use CyberSource's own host."),
        )
        return
    try:
        Reply.from_post(HiddenFields(answer.text).pairs, secret_for=profiles.secret_for)
    except ProtocolError:
        yield report.error(
            "D040",
            _("The simulator at %(url)s did not answer a signed form with a signed reply (HTTP %(status)s).")
            % {**told, "status": answer.status_code},
            _("Give shop and simulator the same profile id, access key and secret key."),
        )
        return
    yield report.good(_("A form posted to %(url)s was answered, and the answer's signature verifies.") % told)
