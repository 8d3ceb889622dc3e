"""The closed set of predicates that the IAM tables use, over a resolved environment.

`Setting` is what the tables may ask about an environment: everything is derived once from the spec, its
foundation and the circumstances (flags) that only facts can tell. `holds` answers one predicate by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from envctl.spec.model import Environment, Foundation

FLAGS: Final[Mapping[str, str]] = {
    "quota-project": "the caller's credentials carry a quota project",
    "state-in-gcs": "the Pulumi state lives in a bucket (gs:// backend)",
    "secrets-in-kms": "Pulumi's secrets provider is gcpkms://",
    "compute-build-account": "Cloud Build falls back to the Compute Engine default account",
    "legacy-build-account": "Cloud Build falls back to its legacy account",
    "location-restricted": "constraints/gcp.resourceLocations moves builds into the cluster",
}
"""Circumstances that no environment file states. Absent means: not known to hold."""

_BUCKET_URL = re.compile(r"gs://(?P<bucket>[^/?#]+)")
# Go CDK, "gcpkms" URLs, as Pulumi takes them; a version of the key and parameters may follow.
_KEY_URL = re.compile(
    r"gcpkms://(?P<key>projects/[^/?#]+/locations/[^/?#]+/keyRings/[^/?#]+/cryptoKeys/[^/?#]+)(?:[/?#]|$)"
)
_IMAGE = re.compile(r"composer-(?P<generation>\d+)(?:\.(?P<minor>\d+))?")
_FIRST_MINOR_WITH_AIRFLOW_CLI_API = (
    4  # environments.executeAirflowCommand: generation 2 from 2.4 (gcloud composer environments run)
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """How envctl is run on an environment: what `envctl.yaml` and the credentials say, and no environment file does.

    Attributes:
        backend: address of the Pulumi state backend; None when it is not known.
        secrets_provider: how secrets in the state are encrypted, in Pulumi's words; None when it is not known.
        quota_project: the project whose quota the caller's requests name; None for none.
        signed_in: the member that opens state and secrets where that is not the caller: an account is acted as.
    """

    backend: str | None = None
    secrets_provider: str | None = None
    quota_project: str | None = None
    signed_in: str | None = None

    @property
    def state_bucket(self) -> str | None:
        """The bucket of a backend such as `gs://acme-state/envctl`; None for any other backend."""
        match = _BUCKET_URL.match(self.backend or "")
        return match["bucket"] if match else None

    @property
    def secrets_key(self) -> str | None:
        """The key of a provider such as `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K`; None for any other."""
        match = _KEY_URL.match(self.secrets_provider or "")
        return match["key"] if match else None

    @property
    def flags(self) -> frozenset[str]:
        """The circumstances of `FLAGS` that this makes hold."""
        held = {
            "quota-project": self.quota_project,
            "state-in-gcs": self.state_bucket,
            "secrets-in-kms": self.secrets_key,
        }
        return frozenset(name for name, value in held.items() if value)


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment as the tables see it. Names are resolved; None means not used or not derivable."""

    spec: Environment
    foundation: Foundation | None
    flags: frozenset[str]
    generation: int
    minor: int | None
    account_email: str
    account_project: str
    host_project: str | None
    key_name: str | None
    key_project: str | None
    index_repository: str | None
    deployment: Deployment = Deployment()

    @property
    def project(self) -> str:
        """The environment's project."""
        return self.spec.project

    @property
    def private(self) -> bool:
        """True when the components have no public addresses."""
        return self.spec.network.mode.value == "private"

    @property
    def uses_key(self) -> bool:
        """True with customer-managed encryption."""
        return self.spec.encryption is not None

    @property
    def creates_key(self) -> bool:
        """True when this environment's own stack makes the key."""
        return self.spec.encryption is not None and bool(self.spec.encryption.key.create)


def generation_of(image_version: str) -> int:
    """The Composer generation of an image version such as `composer-2.13.8-airflow-2.10.5`; 0 when the text is another."""
    match = _IMAGE.match(image_version)
    return int(match["generation"]) if match else 0


def project_of_account(email: str, fallback: str) -> str:
    """The project in a user-managed service account's address; `fallback` for Google's other address forms."""
    _, _, domain = email.partition("@")
    suffix = ".iam.gserviceaccount.com"
    return domain.removesuffix(suffix) if domain.endswith(suffix) else fallback


def setting_of(
    spec: Environment,
    foundation: Foundation | None = None,
    flags: Iterable[str] = (),
    deployment: Deployment | None = None,
) -> Setting:
    """What the tables may ask about this environment; circumstances that the deployment makes hold are added.

    Raises:
        ValueError: a flag that is not in `FLAGS`.
    """
    deployment = deployment or Deployment()
    known = frozenset(flags) | deployment.flags
    if unknown := known - FLAGS.keys():
        raise ValueError(f"unknown circumstances: {', '.join(sorted(unknown))}")
    match = _IMAGE.match(spec.image_version)
    email = spec.service_account.email or f"{spec.service_account.name}@{spec.project}.iam.gserviceaccount.com"
    key = spec.encryption.key if spec.encryption else None
    key_name = key.name if key else None
    if key_name is None and key and key.from_ and foundation and foundation.encryption:
        key_name = foundation.encryption.key.name
    index = spec.packages.index
    host = spec.network.host_project
    return Setting(
        spec=spec,
        foundation=foundation,
        flags=known,
        generation=generation_of(spec.image_version),
        minor=int(match["minor"]) if match and match["minor"] else None,
        account_email=email,
        account_project=project_of_account(email, spec.project),
        host_project=host if host and host != spec.project else None,
        key_name=key_name,
        key_project=(key_name.split("/")[1] if key_name and key_name.startswith("projects/") else spec.project)
        if key
        else None,
        index_repository=_repository_name(spec, index.repository) if index and index.repository else None,
        deployment=deployment,
    )


def _repository_name(spec: Environment, text: str) -> str:
    return (
        text if text.startswith("projects/") else f"projects/{spec.project}/locations/{spec.region}/repositories/{text}"
    )


def secret_names(setting: Setting) -> tuple[str, ...]:
    """Full names (`projects/P/secrets/S`) of the existing secrets that the file refers to, sorted."""
    airflow = setting.spec.airflow
    texts = [item.secret for item in airflow.connections.values()]
    texts += [value.secret for value in airflow.variables.values() if not isinstance(value, str)]
    names: set[str] = set()
    for text in texts:
        parts = text.split("/")
        names.add(
            "/".join(parts[:4]) if text.startswith("projects/") else f"projects/{setting.project}/secrets/{parts[0]}"
        )
    return tuple(sorted(names))


def snapshot_bucket(setting: Setting) -> str | None:
    """The bucket of the scheduled snapshots' `gs://` location; None without snapshots."""
    snapshots = setting.spec.snapshots
    if snapshots is None:
        return None
    return snapshots.location.removeprefix("gs://").split("/", 1)[0]


def _snapshots_elsewhere(s: Setting) -> bool:
    bucket = snapshot_bucket(s)
    if bucket is None or bucket.startswith("${"):
        return False
    own = {item.given_name for item in s.spec.buckets.values()}
    # Buckets that the file leaves unnamed are called PROJECT-ENVIRONMENT-KEY (envctl.spec.names).
    unnamed = (key for key, item in s.spec.buckets.items() if item.given_name is None)
    return bucket not in own and not any(
        bucket.startswith(f"{s.project}-") and bucket.endswith(f"-{key}") for key in unnamed
    )


def _deployer_kinds(s: Setting) -> set[str]:
    return {member.partition(":")[0] for member in s.spec.access.deployers}


def _backend(s: Setting) -> str | None:
    return s.spec.secrets.backend.value if s.spec.secrets else None


def _environment_reads_managed(s: Setting) -> bool:
    return s.spec.secrets is not None and any("environment" in item.readers for item in s.spec.secrets.create.values())


def _reads_secrets(s: Setting) -> bool:
    return _backend(s) == "secret-manager" or bool(secret_names(s)) or _environment_reads_managed(s)


def _creates_network(s: Setting) -> bool:
    return s.spec.network.vpc is not None


def _uses_peering(s: Setting) -> bool:
    private = s.spec.network.private_environment
    return s.generation == 2 and s.private and private is not None and private.connection == "vpc-peering"


def _foreign_index(s: Setting) -> bool:
    return s.index_repository is not None and s.index_repository.split("/")[1] != s.project


def _integrates(name: str) -> Callable[[Setting], bool]:
    return lambda s: any(item.value == name for item in s.spec.integrations)


PREDICATES: Final[Mapping[str, Callable[[Setting], bool]]] = {
    "account-in-project": lambda s: s.account_project == s.project,
    "foreign-account": lambda s: s.account_project != s.project,
    "creates-service-account": lambda s: s.spec.service_account.email is None,
    "deployer-ships-dags": lambda s: bool(set(s.spec.access.deployers) & set(s.spec.access.dag_authors)),
    "people-and-robots-deploy": lambda s: (
        "serviceAccount" in _deployer_kinds(s) and bool({"user", "group"} & _deployer_kinds(s))
    ),
    "federated-deployers": lambda s: (
        "serviceAccount" in _deployer_kinds(s) and bool({"principal", "principalSet"} & _deployer_kinds(s))
    ),
    "airflow-cli-through-cluster": lambda s: (
        s.generation == 2 and s.minor is not None and s.minor < _FIRST_MINOR_WITH_AIRFLOW_CLI_API
    ),
    "node-pools": lambda s: bool(s.spec.node_pools),
    "packages": lambda s: bool(s.spec.packages.requirements or s.spec.packages.inline or s.spec.packages.bundles),
    "airflow-objects": lambda s: bool(s.spec.airflow.variables or s.spec.airflow.pools),
    "user-workloads": lambda s: bool(s.spec.user_workloads.secrets or s.spec.user_workloads.config_maps),
    "alerts": lambda s: s.spec.monitoring is not None and s.spec.monitoring.alerts,
    "log-retention": lambda s: s.spec.retention.log_days is not None,
    "shared-vpc": lambda s: s.host_project is not None,
    "private-addresses": lambda s: s.private,
    "public-addresses": lambda s: not s.private,
    # Generation 3 attaches to the network with a network attachment whatever the mode; generation 2 only when private.
    "attaches-to-host": lambda s: s.generation >= 3 or s.private,
    "vpc-peering": _uses_peering,
    "private-service-connect": lambda s: s.private and not _uses_peering(s),
    "default-network": lambda s: (
        s.generation == 2 and s.spec.network.network is None and not s.spec.network.from_ and not _creates_network(s)
    ),
    "creates-network": _creates_network,
    "cmek": lambda s: s.uses_key,
    "creates-key": lambda s: s.creates_key,
    "key-in-project": lambda s: s.uses_key and s.key_project == s.project,
    "creates-buckets": lambda s: bool(s.spec.buckets),
    "creates-repository": lambda s: s.spec.repository is not None,
    "creates-secrets": lambda s: s.spec.secrets is not None and bool(s.spec.secrets.create),
    "custom-bucket": lambda s: "environment" in s.spec.buckets,
    "staging-bucket": lambda s: "staging" in s.spec.buckets,
    "snapshots-elsewhere": _snapshots_elsewhere,
    "reads-secrets": _reads_secrets,
    "uses-secret-manager": lambda s: _reads_secrets(s) or (s.spec.secrets is not None and bool(s.spec.secrets.create)),
    "kms-backend": lambda s: _backend(s) == "kms-gcs" and s.uses_key,
    "vault-backend": lambda s: _backend(s) == "vault",
    # Builds run in the cluster as the environment's account itself with any package source that is not the public index.
    "builds-as-itself": lambda s: s.spec.packages.index is not None or "location-restricted" in s.flags,
    "private-index-repository": lambda s: s.index_repository is not None,
    "foreign-index-repository": _foreign_index,
    "dataflow": _integrates("dataflow"),
    "dataproc": _integrates("dataproc"),
    "bigquery": _integrates("bigquery"),
    "pubsub": _integrates("pubsub"),
}
"""Name in the tables to test. The tables use no other names (a test compares both sides)."""


def holds(predicate: str, setting: Setting) -> bool:
    """Whether one predicate of the tables is true here. Raises KeyError for a name outside the closed set."""
    kind, _, flag = predicate.partition(":")
    if kind == "flag":
        if flag not in FLAGS:
            raise KeyError(predicate)
        return flag in setting.flags
    return PREDICATES[predicate](setting)


def applies(generations: Iterable[int], when: Iterable[str], setting: Setting) -> bool:
    """Whether a row with these generations and predicates concerns this environment."""
    return setting.generation in generations and all(holds(name, setting) for name in when)
