"""The shopper's network address, believed only as far as the shop's own proxies vouch for it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest

from .conf import conf


def client_address(request: HttpRequest) -> str | None:
    """Return the shopper's IPv4 or IPv6 address, or None when the server knows none (a Unix socket, say).

    ``REMOTE_ADDR`` counts unless it is in ``CYBERSOURCE_TRUSTED_PROXIES``; then ``X-Forwarded-For`` is read from the
    right, past every trusted proxy, since everything left of the first untrusted address is what a stranger wrote.
    """
    networks = [ip_network(network, strict=False) for network in conf.trusted_proxies]

    def trusted(address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in networks)

    hops = [hop for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    address = parsed(request.META.get("REMOTE_ADDR", ""))
    while address and trusted(address) and hops:
        address = parsed(hops.pop()) or address
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
