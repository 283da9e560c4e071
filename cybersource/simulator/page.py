"""The pages that a shopper's browser gets: the one that posts the reply to the shop, and the refusals.

Source: a recorded exchange with the test host: HTTP 200 with a form ``custom_redirect`` that a script submits, hidden
fields in no particular order, ``utf8=✓`` first, a Continue button without scripts, and these response headers.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from random import Random

_BANNER = '<p style="color:#555;font:14px/1.5 sans-serif">Simulator &#8211; not CyberSource</p>'


@dataclass(frozen=True, kw_only=True)
class Page:
    """An answer to the browser, whole."""

    status: int
    html: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()


def headers() -> tuple[tuple[str, str], ...]:
    """Return the response headers of the real page; the session cookie is a new one each time and means nothing."""
    return (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Set-Cookie", f"JSESSIONID={secrets.token_hex(16).upper()}; Path=/; Secure; HttpOnly"),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
        ("Pragma", "no-cache"),
        ("Expires", "Fri, 01 Jan 1990 00:00:00 GMT"),
        ("X-UA-Compatible", "IE=Edge,chrome=1"),
        ("X-Request-Id", secrets.token_hex(16)),
        ("X-Runtime", "0.104217"),
    )


def reply_page(action: str, pairs: Sequence[tuple[str, str]], *, twice: bool = False, truncated: bool = False) -> Page:
    """Return the page that posts ``pairs`` to ``action`` as soon as it has loaded.

    ``twice`` sends them once more by a request of its own first; ``truncated`` breaks off in the middle of the form.
    """
    fields = [(name, value) for name, value in pairs if name != "utf8"]
    Random(len(fields)).shuffle(fields)
    inputs = "\n".join(
        f'<input type="hidden" name="{escape(name)}" id="{escape(name)}" value="{escape(value)}" />'
        for name, value in fields
    )
    again = (
        "fetch(form.action,{method:'POST',mode:'no-cors',credentials:'include',keepalive:true,"
        "body:new URLSearchParams(new FormData(form))}).catch(function(){}).then(function(){form.submit()});"
    )
    html = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Payment</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"></head>
<body>
<form accept-charset="UTF-8" action="{escape(action)}" id="custom_redirect" method="post">
<input name="utf8" type="hidden" value="&#x2713;" />
{inputs}
<noscript>
<p style="font:16px/1.5 sans-serif">Your payment was processed. Continue to return to the shop.</p>
<input type="submit" name="commit" value="Continue" />
{_BANNER}
</noscript>
</form>
<script>
var form = document.getElementById('custom_redirect');
{again if twice else "form.submit();"}
</script>
</body>
</html>
"""
    if truncated:
        html = html[: html.index(inputs) + len(inputs) // 2]
    return Page(status=200, html=html, headers=headers())


def plain_page(status: int, title: str, text: str, remark: str = "") -> Page:
    """Return a page that posts nothing. ``remark`` is the simulator's own, for the developer."""
    html = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
body {{ font: 16px/1.6 system-ui, sans-serif; color: #1d2733; max-width: 36rem; margin: 12vh auto; padding: 0 1.25rem }}
h1 {{ font-size: 1.4rem; line-height: 1.3 }}
aside {{ margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid #d5dbe2; color: #4c5967; font-size: .9rem }}
</style></head>
<body>
<main><h1>{escape(title)}</h1>
<p>{escape(text)}</p></main>
<aside><strong>Simulator &#8211; not CyberSource.</strong> {escape(remark)}</aside>
</body>
</html>
"""
    return Page(status=status, html=html, headers=headers())


def refusal_page(status: int, remark: str) -> Page:
    """Return the page of a request that was not processed, or of which the browser hears nothing better."""
    if status == 403:
        title, text = "Not authorized", "You are not authorized to view this page. The transaction was not processed."
    elif status < 500:
        title, text = "Bad request", "The request could not be understood. The transaction was not processed."
    else:
        number = secrets.token_hex(6)
        title, text = "Server error", f"Something went wrong. Please quote the error reference number {number}."
    return plain_page(status, title, text, remark)


def lost_page() -> Page:
    """Return the page of a shopper who is gone: it posts nothing."""
    return plain_page(
        200,
        "The shopper closed this tab",
        "The payment was processed, but the browser does not take the reply back to the shop.",
        "A switch asked for this. Only the merchant POST can tell the shop.",
    )
