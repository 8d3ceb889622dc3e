"""Encrypting and decrypting with symmetric keys of Cloud KMS: AES-256 in GCM, the algorithm that Google names.

A ciphertext starts with the number of its version, as Google's holds it, so that decrypting needs the key alone. The keys
lie in the sandbox's file: it protects nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.checksums import crc32c
from envctl.sandbox.failures import failed_precondition, invalid

if TYPE_CHECKING:
    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.messages import Json

    VersionOf = Callable[..., tuple[Json, Json]]

_MATERIAL = "kms.material"
_NUMBER_BYTES = 4
_NONCE_BYTES = 12
_LARGEST_BYTES = 65_536


def keep_material(backend: Backend, version: str) -> None:
    """Make the secret of a new version."""
    secret = base64.b64encode(backend.unique("kms-material")).decode()
    backend.store.put(_MATERIAL, version, {"secret": secret})


def forget_material(backend: Backend, version: str) -> None:
    """Destroy the secret of a version: what it encrypted cannot be read any more."""
    backend.store.delete(_MATERIAL, version)


@dataclass(frozen=True, slots=True)
class Crypt:
    """The methods; `version_of` gives the key of a call and a version of it, the primary when no number is given."""

    version_of: VersionOf

    def encrypt(self, call: Call) -> Json:
        """Encrypt with a version, or with the primary one of a key."""
        key, version = self.version_of(call, call.parameters.get("version", ""))
        content, verified = _content(call, "plaintext", required=False)
        if len(content) > _LARGEST_BYTES:
            raise invalid(f"The plaintext must be no larger than {_LARGEST_BYTES} bytes.")
        authenticated, authenticated_verified = _content(call, "additionalAuthenticatedData", required=False)
        cipher = _cipher(call.backend, key, version)
        number = int(version["name"].rpartition("/")[2]).to_bytes(_NUMBER_BYTES, "big")
        nonce = call.backend.unique("kms-nonce")[:_NONCE_BYTES]
        sealed = number + nonce + cipher.encrypt(nonce, content, authenticated)
        answer: Json = {
            "name": version["name"],
            "ciphertext": base64.b64encode(sealed).decode(),
            "ciphertextCrc32c": str(crc32c(sealed)),
            "protectionLevel": version["protectionLevel"],
        }
        if verified:
            answer["verifiedPlaintextCrc32c"] = True
        if authenticated_verified:
            answer["verifiedAdditionalAuthenticatedDataCrc32c"] = True
        return answer

    def decrypt(self, call: Call) -> Json:
        """Decrypt with the version that a ciphertext names."""
        from cryptography.exceptions import InvalidTag

        sealed, _ = _content(call, "ciphertext", required=True)
        authenticated, _ = _content(call, "additionalAuthenticatedData", required=False)
        number = int.from_bytes(sealed[:_NUMBER_BYTES], "big")
        start = _NUMBER_BYTES + _NONCE_BYTES
        key, _ = self.version_of(call)
        name = f"{key['name']}/cryptoKeyVersions/{number}"
        if len(sealed) <= start or call.store.get("kms.cryptoKeyVersions", name) is None:
            raise invalid("Decryption failed: the ciphertext is invalid.")
        _, version = self.version_of(call, str(number))
        cipher = _cipher(call.backend, key, version)
        try:
            content = cipher.decrypt(sealed[_NUMBER_BYTES:start], sealed[start:], authenticated)
        except InvalidTag as error:
            raise invalid("Decryption failed: the ciphertext is invalid.") from error
        answer: Json = {"plaintextCrc32c": str(crc32c(content)), "protectionLevel": version["protectionLevel"]}
        if content:
            answer["plaintext"] = base64.b64encode(content).decode()
        if version["name"] == key["primary"]["name"]:
            answer["usedPrimary"] = True
        return answer


def _cipher(backend: Backend, key: Json, version: Json) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if key["purpose"] != "ENCRYPT_DECRYPT":
        raise failed_precondition(f"{key['name']} has purpose {key['purpose']}, which does not encrypt.")
    if version["state"] != "ENABLED":
        raise failed_precondition(f"{version['name']} is not enabled, current state is: {version['state']}.")
    material = backend.store.get(_MATERIAL, version["name"])
    assert material is not None, "enabled versions for encryption have it"
    return AESGCM(base64.b64decode(material["secret"]))


def _content(call: Call, field: str, *, required: bool) -> tuple[bytes, bool]:
    """The bytes of a field, and whether the client's checksum of them was right."""
    text = call.body.get(field, "")
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise invalid(f"Invalid value at '{field}' (TYPE_BYTES), Base64 decoding failed.") from error
    if required and not content:
        raise invalid(f"Field {field} is required.")
    checksum = call.body.get(f"{field}Crc32c")
    if checksum is not None and int(checksum) != crc32c(content):
        raise invalid(f"The checksum in field {field}_crc32c did not match the data in field {field}.")
    return content, checksum is not None
