"""Customer-managed encryption: key ring and key of a stack, or the name of a key that exists."""

from __future__ import annotations

from envctl.spec.model import EncryptionKey
from envctl.stacks.components import Group
from envctl.stacks.declaration import Options, Ref, Resource
from envctl.stacks.scope import Scope

KEY = "key"
KEY_RING = "key-ring"


def key_name(name: str, project: str, region: str, key: EncryptionKey) -> str:
    """Full name of the key that a stack called `name` creates."""
    return f"projects/{project}/locations/{region}/keyRings/{key.key_ring or name}/cryptoKeys/{name}"


def key_resources(scope: Scope, key: EncryptionKey) -> list[Resource]:
    """Key ring and key.

    Key rings cannot be deleted, and deleting a key destroys its versions with everything they encrypt: both
    outlive the stack and are taken over again by the next `up`.
    """
    origin = ("encryption", "key")
    return [
        Resource(
            name=KEY_RING,
            type="gcp:kms/keyRing:KeyRing",
            parent=Group.ENCRYPTION,
            inputs={"name": key.key_ring or scope.name, "project": scope.project, "location": scope.region},
            origin=origin,
            fields={"name": (*origin, "keyRing")},
            options=Options(retain_on_delete=True, protect=scope.protect),
        ),
        Resource(
            name=KEY,
            type="gcp:kms/cryptoKey:CryptoKey",
            parent=Group.ENCRYPTION,
            inputs={
                "name": scope.name,
                "keyRing": Ref(KEY_RING),
                "purpose": "ENCRYPT_DECRYPT",
                "rotationPeriod": f"{key.rotation_days * 24 * 60 * 60}s",
                "labels": scope.labels,
            },
            origin=origin,
            fields={"rotationPeriod": (*origin, "rotationDays"), "labels": ("labels",)},
            options=Options(retain_on_delete=True, protect=scope.protect),
        ),
    ]
