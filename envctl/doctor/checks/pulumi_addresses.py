"""Backend and secrets provider name a bucket and a key in full.

A `gs://` address that names no bucket, or a `gcpkms://` address that names no key, makes the Pulumi CLI refuse every
preview and every `up`; and the rights on what is not named cannot be judged. Full names look like
`gs://acme-state/envctl` and `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K`. They stand in `envctl.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding

_VOICE = Voice("pulumi.addresses", Severity.ERROR)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
"""Cloud Storage documentation, "Bucket names" (2026-08)."""


def _run(case: Case) -> Iterator[Finding]:
    deployment = case.deployment
    backend, provider = deployment.backend or "", deployment.secrets_provider or ""
    if backend.startswith("gs://"):
        if _BUCKET.fullmatch(deployment.state_bucket or ""):
            yield _VOICE.ok("the backend names a bucket", resource=backend)
        else:
            fix = spec_change("# envctl.yaml\nbackend: gs://BUCKET/envctl")
            yield _VOICE.failed("The backend names no bucket of Cloud Storage.", resource=backend, fixes=(fix,))
    if provider.startswith("gcpkms://"):
        if deployment.secrets_key:
            yield _VOICE.ok("the secrets provider names a key", resource=provider)
        else:
            key = "projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY"
            fix = spec_change(f"# envctl.yaml\nsecretsProvider: gcpkms://{key}")
            yield _VOICE.failed("The secrets provider names no key of Cloud KMS.", resource=provider, fixes=(fix,))
    if not backend.startswith("gs://") and not provider.startswith("gcpkms://"):
        yield _VOICE.skipped("Neither state nor its secrets are kept at Google.")


CHECK = Check((_VOICE.id,), _run, offline=True)
