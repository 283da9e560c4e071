"""The URLs of the profiled page, as the guides print them."""

from __future__ import annotations

from typing import Any

import pytest

from cybersource.protocol import PROFILING_KINDS, InvalidRequest, profiling_url, valid_session_id

SESSION_ID = "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"
QUERY = "org_id=1snn5n9w&session_id=acme_shopc0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"


def url(kind: str = "tags", **changes: Any) -> str:
    return profiling_url(
        kind, **{"org_id": "1snn5n9w", "merchant_id": "acme_shop", "session_id": SESSION_ID, **changes}
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("img-1", f"https://h.online-metrix.net/fp/clear.png?{QUERY}&m=1"),
        ("img-2", f"https://h.online-metrix.net/fp/clear.png?{QUERY}&m=2"),
        ("flash", f"https://h.online-metrix.net/fp/fp.swf?{QUERY}"),
        ("js", f"https://h.online-metrix.net/fp/check.js?{QUERY}"),
        ("tags", f"https://h.online-metrix.net/fp/tags.js?{QUERY}"),
        ("tags-frame", f"https://h.online-metrix.net/fp/tags?{QUERY}"),
    ],
)
def test_each_kind_of_tag_has_its_url(kind: str, expected: str) -> None:
    assert url(kind) == expected
    assert kind in PROFILING_KINDS and len(PROFILING_KINDS) == 6


def test_a_simulator_may_stand_in_for_the_host() -> None:
    assert url("js", host="127.0.0.1:8001", protocol="http") == f"http://127.0.0.1:8001/fp/check.js?{QUERY}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("org_id", ""),
        ("org_id", "a&b=c"),
        ("merchant_id", ""),
        ("merchant_id", "x" * 31),
        ("merchant_id", "acme shop"),
        ("session_id", ""),
        ("session_id", "x" * 89),
        ("session_id", "a&org_id=b"),
        ("session_id", "a\n"),
        ("host", "evil.example/path"),
        ("host", "user@evil.example"),
        ("host", ""),
        ("protocol", "javascript"),
        ("protocol", "https\n"),
    ],
)
def test_nothing_else_gets_into_the_url(field: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        url(**{field: value})
    assert (refused.value.rule, refused.value.field) == ("fingerprint-value", field)


def test_an_unknown_kind_is_refused() -> None:
    for kind in ("", "img-3", "tags.js", "../etc"):
        with pytest.raises(InvalidRequest) as refused:
            url(kind)
        assert refused.value.rule == "fingerprint-kind"


def test_the_longest_ids_fit() -> None:
    assert "session_id=" + "m" * 30 + "s" * 88 in url(merchant_id="m" * 30, session_id="s" * 88)


def test_session_ids() -> None:
    assert valid_session_id(SESSION_ID) and valid_session_id("A_b-9" * 17)
    for bad in ("", "a b", "a.b", "é", "x" * 89, "a\n", "a=b"):
        assert not valid_session_id(bad)
