"""Who may ask an HTTP server on the loopback address: programs of this machine, and pages that it served itself.

Every web page can make the browser of whoever reads it send requests to this machine. Three headers give such requests
away, and no script can set them (Fetch standard, "forbidden request-header"; W3C Fetch Metadata; both read 2026-11):

- `Host` is the name that the page used. A page that lets its own name point here (DNS rebinding) is of the same origin
  as the server, for the browser; nothing but the name tells it.
- `Origin` is sent with every request that another origin's page reads or changes something by, preflights (`OPTIONS`)
  included. `null` stands for pages that hide theirs: sandboxed frames, files, some redirects.
- `Sec-Fetch-Site` is sent also where `Origin` is not: with images, scripts, frames and links of other pages.

Programs send a true `Host`, and neither of the others.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[^\[\]:@/\s]+))(?::(?P<port>[0-9]{1,5}))?")
_OWN_SITES = frozenset({"same-origin", "none"})
"""`none` is an address that the user typed or kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of itself; a header that it does not have is None.

    Args:
        method: verb in upper case.
        host: `Host`.
        origin: `Origin`.
        site: `Sec-Fetch-Site`.
        authorization: `Authorization`.
    """

    method: str
    host: str | None
    origin: str | None = None
    site: str | None = None
    authorization: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered: HTTP status and a sentence for whoever sent it."""

    status: int
    reason: str


def refusal(asked: Asked, *, listens: str, port: int, token: str | None = None) -> Refusal | None:
    """Why a server refuses a request; None when it may be answered.

    Args:
        asked: the request.
        listens: address or name that the server was told to listen on; a server on all addresses answers to each of
            them, written as numbers: numbers cannot be rebound.
        port: where the request came in.
        token: what `Authorization: Bearer` must hold; None for requests that everybody on this machine may make.
    """
    if not _is_own_host(asked.host or "", listens, port):
        return Refusal(403, f"This server answers to http://localhost:{port}, not to the host {asked.host!r}.")
    if asked.origin is not None and asked.origin != f"http://{asked.host}":
        return Refusal(403, f"Pages of {asked.origin} may not ask this server.")
    if asked.site is not None and asked.site not in _OWN_SITES:
        return Refusal(403, "Pages of other origins may not ask this server.")
    if asked.method == "OPTIONS":
        return Refusal(405, "This server grants nothing to other origins.")
    if token is not None and not _holds(asked.authorization or "", token):
        return Refusal(401, "This call needs the server's token, as `Authorization: Bearer TOKEN`.")
    return None


def _is_own_host(host: str, listens: str, port: int) -> bool:
    parts = _HOST.fullmatch(host.lower())
    if parts is None or int(parts["port"] or 80) != port:
        return False
    name = parts["v6"] or parts["name"]
    if name in {"localhost", listens.lower()}:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or _is_every_address(listens)


def _is_every_address(listens: str) -> bool:
    try:
        return ipaddress.ip_address(listens).is_unspecified
    except ValueError:
        return False


def _holds(authorization: str, token: str) -> bool:
    """Whether the header holds the token; takes the same time whatever part of it is right."""
    scheme, _, given = authorization.partition(" ")
    return hmac.compare_digest(given.strip().encode(), token.encode()) and scheme.lower() == "bearer"
