"""Marked values as JSON and back: secrets encrypted, references by URN."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum, StrEnum
from typing import Any, NamedTuple, cast

from envctl.engine.embedded.resource import Resource, from_json
from envctl.engine.embedded.secrets import PassphraseManager
from envctl.engine.embedded.values import Reference, Secret, Value, rewrite
from envctl.errors import RefusedError

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
"""How Pulumi marks secrets and resources inside JSON (`sdk/go/common/resource/sig`)."""

_GIVE_UP_ONE = (
    "bring the key back, or give the secret up: the next `up` takes its value from the file or the cloud\n"
    "    envctl state repair ENV"
)


class GiveUp(StrEnum):
    """What a reader of a state does about secrets that no key opens."""

    NOTHING = "nothing"
    """Refuses."""
    LOST = "lost"
    """Leaves them out, as long as the stack's passphrase fits its salt."""
    ALL = "all"
    """Leaves them out, and begins a new salt where the passphrase is missing or another one."""


class LostSecrets(NamedTuple):
    """A row that lost secrets, and the top-level properties that they stood in."""

    urn: str
    properties: tuple[str, ...]


class _Mark(Enum):
    LOST = "lost"


class SecretBox:
    """Opens and closes secrets, asking for the passphrase only when the first one comes by. Safe for threads.

    Args:
        salt: the state of Pulumi's passphrase provider, "" when there is none yet.
        passphrase: gives the passphrase; its argument says whether a new one may be made.
        created: told the salt once a new one was made, before anything is encrypted with it; "" when the old one was
            given up.
        spares: other keys that may open what the first one does not.
        give_up: what happens to what no key opens.
        lost: gets what was given up.
    """

    def __init__(
        self,
        salt: str,
        passphrase: Callable[[bool], str],
        created: Callable[[str], None],
        *,
        spares: Callable[[], Iterable[PassphraseManager]] = tuple,
        give_up: GiveUp = GiveUp.NOTHING,
        lost: list[LostSecrets] | None = None,
    ) -> None:
        self.salt = salt
        self.begun_anew = False
        """Whether the salt was given up, because no passphrase fits it."""
        self._passphrase = passphrase
        self._created = created
        self._find_spares = spares
        self._spares: list[PassphraseManager] | None = None
        self._give_up = give_up
        self._lost = [] if lost is None else lost
        self._manager: PassphraseManager | None = None
        self._lock = threading.Lock()

    def _open(self) -> PassphraseManager:
        with self._lock:  # two threads of a first run would make two salts, and only one of them is kept
            if self._manager is None:
                if self.salt:
                    self._manager = PassphraseManager.open(self._passphrase(False), self.salt)
                else:
                    self._manager = PassphraseManager.create(self._passphrase(True))
                    self.salt = self._manager.state
                    self._created(self.salt)
            return self._manager

    def test_passphrase(self) -> None:
        """Opens the salt, if there is one; with `GiveUp.ALL` gives it up when the passphrase does not fit.

        Raises:
            RefusedError: the passphrase is missing, or another one.
        """
        if not self.salt:
            return
        try:
            self._open()
        except RefusedError:
            if self._give_up is not GiveUp.ALL:
                raise
            self.salt, self.begun_anew = "", True
            self._created("")

    def encode(self, value: Value) -> Value:
        """The value as plain JSON, secrets encrypted; raises `ValueError` for a value known only after apply."""
        return rewrite(value, self._encode_leaf)

    def _encode_leaf(self, leaf: Value) -> Value:
        if isinstance(leaf, Secret):
            text = json.dumps(self.encode(leaf.value), separators=(",", ":"), ensure_ascii=False)
            return {SIGNATURE: SECRET, "ciphertext": self._open().encrypt(text)}
        if isinstance(leaf, Reference):
            known = {} if leaf.id is None else {"id": leaf.id}
            return {SIGNATURE: REFERENCE, "urn": leaf.urn, **known, "packageVersion": ""}
        return leaf

    def row(self, document: Mapping[str, Any]) -> Resource:
        """The resource of a JSON object, secrets decrypted and marked.

        Raises:
            KeyError, TypeError, AttributeError: it is not one.
            RefusedError: no key opens a secret of it, and none is to be given up.
        """
        row = from_json(document, self.decode)
        both = (*row.inputs.items(), *row.outputs.items())
        lost = list(dict.fromkeys(name for name, value in both if _holds_lost(value)))
        if row.replacement_trigger is _Mark.LOST:
            row = replace(row, replacement_trigger=None)
        if not lost:
            return row
        if self._give_up is GiveUp.NOTHING:
            raise RefusedError(
                "A secret of the state cannot be decrypted",
                detail=f"{row.urn}: {', '.join(lost)}\nIt was encrypted with a key that is not here, or changed since.",
                hints=[_GIVE_UP_ONE],
                code="state-secret-invalid",
            )
        self._lost.append(LostSecrets(row.urn, tuple(lost)))
        return replace(row, inputs=_without_lost(row.inputs), outputs=_without_lost(row.outputs))

    def decode(self, value: Value) -> Value:
        """The value of plain JSON, secrets decrypted and marked, with a mark of its own for what no key opens."""
        if isinstance(value, dict):
            match value.get(SIGNATURE):
                case None:
                    return {key: self.decode(item) for key, item in value.items()}
                case signature if signature == SECRET:
                    text = value["plaintext"] if "plaintext" in value else self._decrypt(value["ciphertext"])
                    return _Mark.LOST if text is None else Secret(self.decode(json.loads(text)))
                case signature if signature == REFERENCE:
                    return Reference(value["urn"], value.get("id"))
                case _:
                    return value
        if isinstance(value, list):
            return [self.decode(item) for item in cast("list[Value]", value)]
        return value

    def _decrypt(self, ciphertext: str) -> str | None:
        """The text, by the first key that opens it; None when none does."""
        self.test_passphrase()
        if self.salt and (text := self._open().decrypt(ciphertext)) is not None:
            return text
        if self._spares is None:
            self._spares = list(self._find_spares())
        return next((text for key in self._spares if (text := key.decrypt(ciphertext)) is not None), None)


def _holds_lost(value: Value) -> bool:
    if isinstance(value, dict):
        return any(_holds_lost(item) for item in cast("dict[str, Value]", value).values())
    if isinstance(value, list):
        return any(_holds_lost(item) for item in cast("list[Value]", value))
    return _holds_lost(value.value) if isinstance(value, Secret) else value is _Mark.LOST


def _without_lost(value: Value) -> Value:
    """The value as if it had never held what was lost, so that nothing is said about it; in lists a null stands there."""
    if isinstance(value, dict):
        items = cast("dict[str, Value]", value).items()
        return {key: _without_lost(item) for key, item in items if item is not _Mark.LOST}
    if isinstance(value, list):
        return [_without_lost(item) for item in cast("list[Value]", value)]
    if isinstance(value, Secret):
        return Secret(_without_lost(value.value))
    return None if value is _Mark.LOST else value
