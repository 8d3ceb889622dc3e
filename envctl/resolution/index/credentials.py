"""User names and passwords for indexes: from the index's address, netrc, and the keyring; and hiding them."""

from __future__ import annotations

import importlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from envctl.masking import learn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A password that was not percent-encoded may hold `/` and `@`: it ends at the last `@` of the word.
_IN_URL = r"(?<=://)(?:[^/@\s:]*:(?![0-9]{1,5}(?:[/?#\s]|$))\S{1,400}|[^/@\s]+)@"


def without_credentials(text: str) -> str:
    """The text with the user part of every address in it left out."""
    return re.sub(_IN_URL, "", text) if "@" in text else text


def split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """The address without its user part, and the user name and password that stood there.

    Raises:
        ValueError: the address is not valid.
    """
    parts = urlsplit(url)
    _ = parts.port
    if "@" not in parts.netloc:
        return url, None
    user_part, _, host_part = parts.netloc.rpartition("@")
    user, _, password = user_part.partition(":")
    return urlunsplit(parts._replace(netloc=host_part)), (unquote(user), unquote(password))


class Credentials:
    """Who to be at which host. Knows nothing that it would print."""

    def __init__(
        self,
        known: Iterable[tuple[str, tuple[str, str]]] = (),
        environment: Mapping[str, str] | None = None,
        *,
        keyring: bool = True,
    ) -> None:
        """Takes (address without credentials, (user, password)) pairs and the process environment."""
        self._environment = environment or {}
        self._may_ask_keyring = keyring
        self._known = {_origin(urlsplit(url)): pair for url, pair in known}
        self._looked_up: dict[tuple[str, str, int | None], str | None] = {}
        self._lock = threading.Lock()

    def authorization(self, url: str) -> str | None:
        """The header's value for a request, or None to ask without."""
        origin = _origin(urlsplit(url))
        with self._lock:
            if origin not in self._looked_up:
                pair = self._known.get(origin)
                if pair is None or not pair[1]:
                    pair = self._from_netrc(origin[1]) or pair
                self._looked_up[origin] = _basic(pair) if pair is not None and pair[1] else None
            return self._looked_up[origin]

    def ask_keyring(self, url: str) -> str | None:
        """The header's value out of the keyring, asked after a refusal; None when it knows nothing."""
        if not self._may_ask_keyring:
            return None
        parts = urlsplit(url)
        origin = _origin(parts)
        with self._lock:
            user = self._known.get(origin, ("", ""))[0] or None
            pair = _from_keyring(f"{parts.scheme}://{parts.netloc}", user) or _from_keyring(parts.netloc, user)
            if pair is None:
                return self._looked_up.get(origin)
            self._looked_up[origin] = _basic(pair)
            return self._looked_up[origin]

    def _from_netrc(self, host: str) -> tuple[str, str] | None:
        path = self._netrc_path()
        if path is None:
            return None
        import netrc

        try:
            found = netrc.netrc(str(path)).authenticators(host)
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
            return None
        learn(found[2] if found else None)
        return (found[0] or found[1] or "", found[2] or "") if found else None

    def _netrc_path(self) -> Path | None:
        named = self._environment.get("NETRC")
        home = self._environment.get("HOME") or self._environment.get("USERPROFILE")
        candidates = [Path(named)] if named else [Path(home) / n for n in (".netrc", "_netrc")] if home else []
        return next((path for path in candidates if path.is_file()), None)


def _from_keyring(service: str, user: str | None) -> tuple[str, str] | None:
    """The keyring is optional and belongs to the user: whatever it raises means that it knows nothing."""
    try:
        keyring = cast("Any", importlib.import_module("keyring"))
        found = keyring.get_credential(service, user)
    except Exception:  # noqa: BLE001  (third-party backends raise anything)
        return None
    learn(found.password if found else None)
    return (found.username or "", found.password) if found and found.password else None


def _basic(pair: tuple[str, str]) -> str:
    from base64 import b64encode

    learn(f"{pair[0]}:{pair[1]}")

    return "Basic " + b64encode(f"{pair[0]}:{pair[1]}".encode()).decode("ascii")


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)
