"""Web origins, in the form in which browsers send them in the header ``Origin``.

Browsers write host names in lower case and in ASCII (Punycode), IPv6 addresses compressed and in
brackets, and leave out the scheme's own port (WHATWG URL, *host serializing*). Web views of apps
send the app's own scheme, such as ``capacitor://localhost``.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urlsplit

from bandit_platform.errors import InputError

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[^\[\]]*\]|[^\s/?#@:\[\]\\]+)(?::(?P<port>\d{1,5}))?"
)
_OWN_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9.])?")
_APP_HOST = re.compile(r"[a-z0-9._-]+")
#: browsers send ``null`` for pages of these schemes, or no origin at all
_OPAQUE = frozenset({"file", "data", "blob", "about", "javascript", "ws", "wss", "ftp"})
#: Python's IDNA 2003 maps these (sharp s, final sigma, joiners) to something else than browsers do
_MAPPED_DIFFERENTLY = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")
_FORM = "an origin consists of a scheme and a host, such as https://shop.example"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def check_origin(origin: str) -> str:
    """A web origin in the form in which browsers send it.

    Host names may be given in upper case and in Unicode, IPv6 addresses in any form.

    Raises:
        InputError: it is not scheme, host and optional port, or no browser sends it.
    """
    scheme, mark, rest = origin.partition("://")
    match = _ORIGIN.fullmatch(f"{scheme.lower()}{mark}{rest}")
    if match is None:
        raise InputError(_FORM)
    if match["scheme"] in _OPAQUE:
        raise InputError(
            f"pages at {match['scheme']}: addresses send no origin; serve them over https"
        )
    return f"{match['scheme']}://{_host(match['scheme'], match['host'])}{_port(match)}"


def own_origins(address: str) -> frozenset[str]:
    """The origins of pages at a configured address; every loopback name where it is one of them."""
    parts = urlsplit(address)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return frozenset()
    host = f"[{host}]" if ":" in host else host
    hosts = _LOOPBACK if host in _LOOPBACK else (host,)
    shown = "" if port is None or port == _OWN_PORTS.get(parts.scheme) else f":{port}"
    try:
        return frozenset(check_origin(f"{parts.scheme}://{each}{shown}") for each in hosts)
    except InputError:
        return frozenset()


def _port(match: re.Match[str]) -> str:
    text, scheme = match["port"], match["scheme"]
    if text is None:
        return ""
    if text.startswith("0") or int(text) > 65535:
        raise InputError("the port of an origin must be a number from 1 to 65535")
    if int(text) == _OWN_PORTS.get(scheme):
        raise InputError(f"leave out port {text}: browsers omit the default port of {scheme}")
    return f":{text}"


def _host(scheme: str, host: str) -> str:
    if host.startswith("["):
        return f"[{_ipv6(host[1:-1])}]"
    if scheme not in _OWN_PORTS:
        if not _APP_HOST.fullmatch(host):
            raise InputError(f"{_FORM}, or capacitor://localhost for an app")
        return host
    name = _ascii(host)
    if not _HOST.fullmatch(name) or ".." in name:
        raise InputError(_FORM)
    if name.rstrip(".").rpartition(".")[2].isdigit():
        try:
            IPv4Address(name)
        except AddressValueError:
            raise InputError("the host of the origin is not an IPv4 address") from None
    return name


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    if _MAPPED_DIFFERENTLY.search(host):
        raise InputError(
            "the host of the origin has a letter that browsers convert in different ways; enter "
            "the ASCII form of the name, which begins with xn--"
        )
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise InputError("the host of the origin is not an international domain name") from None


def _ipv6(text: str) -> str:
    """An IPv6 address as browsers write it: never with dots."""
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise InputError("the host of the origin is not an IPv6 address") from None
    if address.scope_id is not None:
        raise InputError("an IPv6 address in an origin must not have a zone")
    mapped = address.ipv4_mapped
    if mapped is not None:
        high, low = divmod(int(mapped), 1 << 16)
        return f"::ffff:{high:x}:{low:x}"
    return address.compressed
