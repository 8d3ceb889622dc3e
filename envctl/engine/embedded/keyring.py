"""The keys of a stack's secrets: its passphrase and salt, and every other pair of both that lies around."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from envctl.engine.embedded.disk import StatePaths, read_whole, write_whole
from envctl.engine.embedded.secrets import PassphraseManager, find_passphrase
from envctl.errors import RefusedError

_LINE = "encryptionsalt"


class Keyring:
    """Where one stack's keys are. With `writable=False` neither a key file nor a salt is written."""

    def __init__(self, paths: StatePaths, environment: Mapping[str, str], *, writable: bool) -> None:
        self._paths = paths
        self._environment = environment
        self._writable = writable

    def passphrase(self, create: bool) -> str:
        """The stack's passphrase; with `create` a new one is made where there is none. Raises `RefusedError` without."""
        return find_passphrase(self._paths.key, self._environment, create=create and self._writable)

    def salt(self) -> str:
        """The salt in the stack's settings, "" for none."""
        for line in read_whole(self._paths.settings).decode(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == _LINE:
                return value.strip().strip("\"'")
        return ""

    def keep_salt(self, salt: str) -> None:
        """Puts a salt into the stack's settings; "" takes it out."""
        if not self._writable:
            return
        lines = read_whole(self._paths.settings).decode(errors="replace").splitlines()
        kept = [line for line in lines if not line.startswith(f"{_LINE}:")]
        write_whole(self._paths.settings, "\n".join([*([f"{_LINE}: {salt}"] if salt else []), *kept, ""]).encode())

    def spares(self) -> Iterator[PassphraseManager]:
        """Every pair of passphrase and salt that fits, of all that exist; each takes a quarter of a second to try.

        A state whose secrets came under several salts or passphrases (two first runs at once, a restored file) can be
        read with what is left of them.
        """
        for salt in self._salts():
            for passphrase in self._passphrases():
                with suppress(RefusedError):
                    yield PassphraseManager.open(passphrase, salt)

    def _passphrases(self) -> list[str]:
        found: list[str] = []
        for environment in (self._environment, {}):  # the key file counts even where a variable wins
            with suppress(RefusedError):
                found.append(find_passphrase(self._paths.key, environment, create=False))
        return list(dict.fromkeys(found))

    def _salts(self) -> list[str]:
        states = [self._paths.checkpoint, *sorted(self._paths.history.glob("*.state.json"), reverse=True)]
        found = [self.salt(), *(_salt_in(path) for path in states)]
        return [salt for salt in dict.fromkeys(found) if salt]


def _salt_in(path: Path) -> str:
    try:
        node: Any = json.loads(path.read_bytes())
        for name in ("deployment", "secrets_providers", "state", "salt"):
            node = node[name]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return node if isinstance(node, str) else ""
