"""Secrets of a state, encrypted exactly as Pulumi's passphrase provider does.

AES-256-GCM with a key that PBKDF2-HMAC-SHA256 derives in 1,000,000 rounds from passphrase and salt; a value is
`v1:NONCE:CIPHERTEXT`, the state of the provider `v1:SALT:` followed by the encrypted word `pulumi`, all in base64.
Source: `pkg/secrets/passphrase/manager.go` and `sdk/go/common/resource/config/crypt.go` of Pulumi 3.256.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from envctl.errors import RefusedError
from envctl.masking import learn
from envctl.private_files import private_folder

_ROUNDS = 1_000_000
_PROBE = "pulumi"
_NONCE_BYTES = 12
_SALT_BYTES = 8
_STATE = re.compile(r"v1:(?P<salt>(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}={1,2})?):(?P<probe>v1:[^:]+:[^:]+)")

GIVE_UP_ALL = (
    "when it is lost for good, give the secrets up; the next `up` takes their values from the file or the cloud\n"
    "    envctl state repair ENV --drop-secrets"
)


class WrongPassphraseError(RefusedError):
    """The passphrase does not open the state."""

    code = "state-passphrase-wrong"


class PassphraseManager:
    """Encrypts and decrypts with one passphrase; remembers pairs, so that an unchanged secret keeps its ciphertext."""

    def __init__(self, key: bytes, state: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)
        self._lock = threading.Lock()
        self._ciphertexts: dict[str, str] = {}
        self.state = state

    @classmethod
    def create(cls, passphrase: str) -> PassphraseManager:
        """A manager with a new salt."""
        salt = secrets.token_bytes(_SALT_BYTES)
        manager = cls(_derive(passphrase, salt), "")
        manager.state = f"v1:{_b64(salt)}:{manager._seal(_PROBE)}"
        return manager

    @classmethod
    def open(cls, passphrase: str, state: str) -> PassphraseManager:
        """The manager of an existing state; raises `WrongPassphraseError` when the passphrase is another one."""
        match = _STATE.fullmatch(state)
        if match is None:
            raise RefusedError(
                "The salt of the state's secrets cannot be read",
                detail=f"`{state}` is not of the form v1:SALT:v1:NONCE:CIPHERTEXT.",
                hints=[GIVE_UP_ALL],
                code="state-salt-invalid",
            )
        manager = cls(_derive(passphrase, base64.b64decode(match["salt"])), state)
        if manager._unseal(match["probe"]) != _PROBE:
            raise WrongPassphraseError(
                "The passphrase does not open the secrets of this state",
                detail="The state was written with another passphrase.",
                hints=[
                    "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one it was written with",
                    GIVE_UP_ALL,
                ],
            )
        return manager

    def encrypt(self, plaintext: str) -> str:
        """`v1:NONCE:CIPHERTEXT`; the same as before for a text that was seen before."""
        with self._lock:
            known = self._ciphertexts.get(plaintext)
            if known is None:
                known = self._ciphertexts[plaintext] = self._seal(plaintext)
            return known

    def decrypt(self, ciphertext: str) -> str | None:
        """The text; None when it was encrypted with another key or has been changed since."""
        plaintext = self._unseal(ciphertext)
        if plaintext is not None:
            with self._lock:
                self._ciphertexts.setdefault(plaintext, ciphertext)
        return plaintext

    def _seal(self, plaintext: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return f"v1:{_b64(nonce)}:{_b64(self._cipher.encrypt(nonce, plaintext.encode(), None))}"

    def _unseal(self, ciphertext: str) -> str | None:
        from cryptography.exceptions import InvalidTag

        try:
            version, nonce, sealed = ciphertext.split(":")
            if version != "v1":
                return None
            raw = self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)
        except (ValueError, InvalidTag):
            return None
        return raw.decode()


@lru_cache(maxsize=8)  # 0.23 s each, and one command opens a state several times
def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ROUNDS)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def find_passphrase(key_file: Path, environment: Mapping[str, str], *, create: bool) -> str:
    """The passphrase: Pulumi's own variables, else a key file of mode 0600 beside the state.

    With `create` a missing key file is made; without, the state was written with a passphrase that is not here,
    and `RefusedError` says so. Whatever it is, no text shows it from here on.
    """
    passphrase = _passphrase(key_file, environment, create=create)
    learn(passphrase)
    return passphrase


def _passphrase(key_file: Path, environment: Mapping[str, str], *, create: bool) -> str:
    if (text := environment.get("PULUMI_CONFIG_PASSPHRASE")) is not None:
        return text
    if path := environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise RefusedError(
                "The passphrase file cannot be read",
                detail=f"PULUMI_CONFIG_PASSPHRASE_FILE names {path}: {error.strerror}.",
                code="state-passphrase-missing",
            ) from error
    kept = _read_key(key_file)
    if not kept and not create:
        raise RefusedError(
            "The passphrase of this state is missing",
            detail=f"The state holds secrets, PULUMI_CONFIG_PASSPHRASE is not set and there is no key in {key_file}.",
            hints=[
                "set PULUMI_CONFIG_PASSPHRASE, or bring the key file back",
                GIVE_UP_ALL,
            ],
            code="state-passphrase-missing",
        )
    return kept or _make_key(key_file)


def _read_key(key_file: Path) -> str:
    try:
        return key_file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise RefusedError(
            "The key file cannot be read", detail=f"{key_file}: {error}", code="state-passphrase-missing"
        ) from error


def _make_key(key_file: Path) -> str:
    """A new passphrase in the file, or that of whoever was faster: the file appears whole, and once."""
    private_folder(key_file.parent)
    temporary = key_file.with_name(f".{key_file.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        if key_file.exists() and not key_file.stat().st_size:
            temporary.replace(key_file)  # what a full disk left: nobody can have encrypted with it
        else:
            with suppress(FileExistsError):
                os.link(temporary, key_file)
    finally:
        temporary.unlink(missing_ok=True)
    return _read_key(key_file)
