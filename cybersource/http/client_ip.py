"""The shopper's network address, believed only as far as the shop's own proxies vouch for it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest

from ..conf import conf

#: How servers and proxies write that the other end is a Unix socket.
SOCKETS = ("", "unix:")


def client_address(request: HttpRequest) -> str | None:
    """Return the shopper's IPv4 or IPv6 address, or None when the server knows none (a Unix socket, say).

    ``REMOTE_ADDR`` counts unless it is in ``CYBERSOURCE_TRUSTED_PROXIES``; then ``X-Forwarded-For`` is read from the
    right, past every trusted proxy, since everything left of the first untrusted hop is what a stranger wrote, also
    where that hop is no address (``unknown``). Where proxies are named, a Unix socket has one at its other end.
    """
    networks = [ip_network(network, strict=False) for network in conf.trusted_proxies]
    hops = [request.META.get("REMOTE_ADDR", "")]
    if networks:
        hops = [*request.META.get("HTTP_X_FORWARDED_FOR", "").split(","), *hops]
    address = None
    for hop in map(str.strip, reversed(hops)):
        found = parsed(hop)
        address = found or address
        if found is None and hop not in SOCKETS:
            break
        if found and not any(found in network for network in networks):
            break
    return str(address) if address else None


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Read ``203.0.113.7``, ``203.0.113.7:52100``, ``2001:db8::1``, ``[2001:db8::1]:443``; else None."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
