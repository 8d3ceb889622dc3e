"""The token of control calls, kept where only the user can read it, so that `envctl sandbox` finds it by itself."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envctl.errors import OutsideError
from envctl.sandbox.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def find_token(url: str) -> str:
    """The token of the sandbox served at `url`: from the environment, else from its file; empty when it is not known.

    A file belongs to a port of this machine: what listens elsewhere is never told a token of it.
    """
    given = os.environ.get(TOKEN_VARIABLE, "")
    parts = urlsplit(url)
    if given or parts.port is None or not _is_loopback(parts.hostname or ""):
        return given
    try:
        return _file(parts.port).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


@contextlib.contextmanager
def kept_token(port: int, token: str) -> Generator[Path]:
    """Keeps the token of the sandbox on a port in its file (mode 0600) while the body runs; gives the file.

    Raises:
        OutsideError: the file cannot be written.
    """
    file = _file(port)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}.new")
        new.unlink(missing_ok=True)
        # Never a moment readable by others, never into a file or a link that was there before.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(token + "\n")
        new.replace(file)
    except OSError as error:
        raise OutsideError(
            "The token of the sandbox cannot be kept", detail=f"{file}: {error}", code="sandbox-token"
        ) from error
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            if file.read_text("ascii").strip() == token:
                file.unlink()


def _file(port: int) -> Path:
    from platformdirs import user_state_path

    return user_state_path("envctl") / "sandbox" / f"{port}.token"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
