"""The session id of a profiled page, and the profiling URLs that carry it.

The profiling service gets the merchant id immediately followed by the session id; the payment request carries the
session id alone. Source: Decision Manager Device Fingerprinting Guide, September 2014 (classic tags and lengths), and
acquirers' manuals for the modern ``tags`` script and frame.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from .errors import InvalidRequest

#: kind -> (path, further parameters). Flash has had no effect since 2020 and stays for old templates only.
_KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "img-1": ("/fp/clear.png", {"m": "1"}),
    "img-2": ("/fp/clear.png", {"m": "2"}),
    "flash": ("/fp/fp.swf", {}),
    "js": ("/fp/check.js", {}),
    "tags": ("/fp/tags.js", {}),
    "tags-frame": ("/fp/tags", {}),
}

PROFILING_KINDS: tuple[str, ...] = tuple(_KINDS)

SESSION_ID_LENGTH = 88
MERCHANT_ID_LENGTH = 30

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,88}")
_MERCHANT_ID = re.compile(r"[A-Za-z0-9_-]{1,30}")
_ORG_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


def valid_session_id(session_id: str) -> bool:
    """Say whether ``session_id`` may name a profiled page: 1 to 88 of ``A-Z a-z 0-9 - _``.

    Two ids must not differ in letter case alone, so make them of one case, fresh for each page, and never of the
    session's own key: they are sent to a third party.
    """
    return _SESSION_ID.fullmatch(session_id) is not None


def profiling_url(
    kind: str,
    *,
    org_id: str,
    merchant_id: str,
    session_id: str,
    host: str = "h.online-metrix.net",
    protocol: str = "https",
) -> str:
    """Return the profiling service's URL for one kind of tag: ``img-1 img-2 flash js tags tags-frame``.

    Raises :class:`InvalidRequest`, naming what is wrong, for an unknown kind or a value that has no place in the URL.
    """
    if kind not in _KINDS:
        raise InvalidRequest("fingerprint-kind", "There is no such kind of profiling tag.", "kind")
    for name, value, shape in (
        ("org_id", org_id, _ORG_ID),
        ("merchant_id", merchant_id, _MERCHANT_ID),
        ("session_id", session_id, _SESSION_ID),
        ("host", host, _HOST),
        ("protocol", protocol, re.compile("https?")),
    ):
        if not shape.fullmatch(value):
            raise InvalidRequest("fingerprint-value", f"The profiling URL needs another {name}.", name)
    path, further = _KINDS[kind]
    query = urlencode({"org_id": org_id, "session_id": merchant_id + session_id, **further})
    return f"{protocol}://{host}{path}?{query}"
