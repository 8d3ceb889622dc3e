"""Names that envctl computes when the file gives none: one rule per kind, used by files and programs alike."""

from __future__ import annotations

import hashlib

OWNER_LABEL = "envctl-owner"
"""Label that says whose an object is; in the description of what has no labels it stands before a colon."""

OWN_LABELS = frozenset({OWNER_LABEL, "envctl-stack", "envctl-version", "envctl-commit"})
"""Labels that envctl alone writes. It writes `managed-by` as well, which others write too."""

REPOSITORY_NAME = "python"
"""Default name of the repository under `repository`."""

BUCKET_NAME_LENGTH = 63
"""Google allows 63 characters ("Bucket names", cloud.google.com/storage/docs/naming-buckets, read 2026-11-21)."""

SECRET_NAME_LENGTH = 255
"""Secret ids have up to 255 characters (CreateSecretRequest.secret_id of the API v1, read 2026-11-21)."""


def bounded(name: str, length: int) -> str:
    """`name`, cut to `length` characters with a hash of the whole at its end when it is longer."""
    if len(name) <= length:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: length - 7].rstrip('-')}-{digest}"


def bucket_name(project: str, environment: str, key: str) -> str:
    """Default name of the bucket under `buckets.<key>`: unique in the world because project ids are."""
    return bounded(f"{project}-{environment}-{key}".lower().replace("_", "-"), BUCKET_NAME_LENGTH)


def secret_name(environment: str, key: str) -> str:
    """Default name of the secret under `secrets.create.<key>`: unique in its project."""
    return bounded(f"{environment}-{key}", SECRET_NAME_LENGTH)


def service_account_email(name: str, project: str) -> str:
    """Address of a service account that is created under `name`."""
    return f"{name}@{project}.iam.gserviceaccount.com"
