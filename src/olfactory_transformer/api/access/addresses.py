"""Where a request comes from: past proxies that are trusted, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple

_MOST_HOPS = 20
_LONGEST = 2000  # bytes of X-Forwarded-For that are looked at, from the right
UNKNOWN = "unknown"


class Client(NamedTuple):
    """Where a request comes from.

    Parameters
    ----------
    address : str
        IP address; whatever the server calls it where there is none, as on a Unix socket.
    group : str
        What is limited together: the address, or of IPv6 its /64, which is what one customer gets at least.
    """

    address: str
    group: str


class ClientAddresses:
    """Finds a request's client.

    A proxy adds on the right of X-Forwarded-For the address it was asked from; what stands left of that came with the
    request, and anybody may write it. So the field is read from the right, as long as who wrote it is trusted.

    Parameters
    ----------
    trusted : str
        Networks of trusted proxies, separated by commas.

    Examples
    --------
    >>> addresses = ClientAddresses("10.0.0.0/8")
    >>> def asked(peer, forwarded):
    ...     return addresses.of({"client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded)]}).address
    >>> asked("10.0.0.1", b"1.1.1.1, 192.0.2.7, 10.0.0.2"), asked("192.0.2.9", b"1.1.1.1")
    ('192.0.2.7', '192.0.2.9')
    """

    def __init__(self, trusted: str = "") -> None:
        self._trusted = [ip_network(network) for network in trusted.split(",") if network]
        self._find = lru_cache(maxsize=4096)(self._walk)

    def of(self, scope: Mapping[str, Any]) -> Client:
        """Return the client of an HTTP request."""
        peer = scope.get("client")
        host = str(peer[0]) if peer and peer[0] else UNKNOWN
        forwarded = b""
        if self._trusted:
            forwarded = b",".join(v for name, v in scope["headers"] if name == b"x-forwarded-for")[-_LONGEST:]
        return self._find(host, forwarded)

    def _walk(self, host: str, forwarded: bytes) -> Client:
        address = _parsed(host)
        if address is None:
            return Client(host[:64], host[:64])
        for hop in _from_the_right(forwarded):
            if not any(address in network for network in self._trusted):
                break
            before = _parsed(hop)
            if before is None:  # a proxy that does not know either; the last address that is certain stands
                break
            address = before
        return Client(str(address), _group(address))


def _from_the_right(forwarded: bytes) -> Iterator[str]:
    for hop in forwarded.decode("latin-1").split(",")[: -_MOST_HOPS - 1 : -1]:
        yield hop.strip()


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a text, which may have brackets, a port or an interface; IPv4 in IPv6 as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _group(address: IPv4Address | IPv6Address) -> str:
    return str(address) if address.version == 4 else str(IPv6Network((int(address), 64), strict=False))
