"""Specs with the names filled in that the programs give, for rooms that need full resource names."""

from __future__ import annotations

from collections.abc import Mapping

from envctl.spec.loader import Loaded
from envctl.spec.model import Bucket, Encryption, Environment, Foundation, Secrets
from envctl.spec.names import bucket_name, secret_name
from envctl.stacks.encryption import key_name


def named_environment(spec: Environment, name: str) -> Environment:
    """The environment with names for its buckets, secrets and key wherever the file leaves them to envctl."""
    return spec.model_copy(
        update={
            "buckets": _named_buckets(spec.buckets, spec.project, name),
            "secrets": _named_secrets(spec.secrets, name),
            "encryption": _named_key(spec.encryption, spec.project, spec.region, name),
        }
    )


def named_foundation(foundation: Loaded | None) -> Foundation | None:
    """The foundation's spec with names for its buckets and key; None without a foundation."""
    if foundation is None or not isinstance(foundation.spec, Foundation):
        return None
    spec = foundation.spec
    name = spec.name or foundation.name
    return spec.model_copy(
        update={
            "buckets": _named_buckets(spec.buckets, spec.project, name),
            "encryption": _named_key(spec.encryption, spec.project, spec.region, name),
        }
    )


def _named_buckets(buckets: Mapping[str, Bucket], project: str, name: str) -> dict[str, Bucket]:
    return {
        key: bucket.model_copy(update={"name": bucket.given_name or bucket_name(project, name, key)})
        for key, bucket in buckets.items()
    }


def _named_secrets(secrets: Secrets | None, name: str) -> Secrets | None:
    if secrets is None:
        return None
    created = {
        key: secret.model_copy(update={"name": secret.given_name or secret_name(name, key)})
        for key, secret in secrets.create.items()
    }
    return secrets.model_copy(update={"create": created})


def _named_key(encryption: Encryption | None, project: str, region: str, name: str) -> Encryption | None:
    if encryption is None or not encryption.key.create:
        return encryption
    key = encryption.key
    return encryption.model_copy(update={"key": key.model_copy(update={"name": key_name(name, project, region, key)})})
