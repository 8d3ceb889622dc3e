"""Keys, buckets, secrets, and what runs beside the environment."""

# Pydantic gives every instance a copy of a mutable default of its own.
# ruff: noqa: RUF012

from typing import Annotated, Literal

from pydantic import Field

from envctl.spec.blocks.base import Block, Import, Label, Moved, Name, SecretsBackendKind
from envctl.spec.forms import VARIABLE_NAME


class EncryptionKey(Block):
    """A key of our own (`create`), an existing one (`name`), or the foundation's (`from: foundation`)."""

    create: Literal[True] | None = None
    """`true`: a key ring and a key are created; neither can ever be deleted."""
    rotation_days: Annotated[int, Field(ge=1)] = 90
    """After how many days a created key gets a new version."""
    key_ring: Name | None = None
    """Name of the key ring of a created key; the environment's when left out."""
    name: str | None = None
    """Full name of an existing key: `projects/P/locations/L/keyRings/R/cryptoKeys/K`. It stays whose it is."""
    from_: Annotated[Literal["foundation"] | None, Field(alias="from")] = None
    """`foundation`: the foundation's key."""
    import_: Import = None
    """`true`, once: the next `up` takes over key ring and key that exist under the names of those to create."""


class Encryption(Block):
    """Customer-managed encryption. Fixed at creation."""

    key: EncryptionKey
    """Which key."""


class LifecycleRule(Block):
    """Deletes or moves objects of a certain age."""

    delete_after_days: Annotated[int, Field(ge=0)] | None = None
    """Objects older than this are deleted."""
    move_after_days: Annotated[int, Field(ge=0)] | None = None
    """Objects older than this move to `storageClass`."""
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] | None = None
    """Where `moveAfterDays` moves them."""
    keep_newer_versions: Annotated[int, Field(ge=1)] | None = None
    """How many newer versions an old version needs above it to be deleted."""


class BucketAccess(Block):
    """Members per role; `environment` stands for the environment's service account."""

    object_admin: list[str] = []
    """Who reads, writes and deletes objects."""
    object_viewer: list[str] = []
    """Who reads objects."""
    object_creator: list[str] = []
    """Who writes new objects."""


class Bucket(Block):
    """A bucket; the key `environment` configures the environment's own bucket."""

    name: str | None = None
    """Name of the bucket; `PROJECT-ENVIRONMENT-KEY` when left out."""
    existing: str | None = None
    """Name of a bucket that stays whose it is: only `access` may stand beside it."""
    import_: Import = None
    """`true`, once: the next `up` takes over the bucket that exists under the name."""
    moved: Moved | None = None
    """The key that the bucket had before, as `{from: lake}`."""
    location: str | None = None
    """Region or multi-region; the environment's region when left out."""
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] = "STANDARD"
    """Class of new objects."""
    versioning: bool = False
    """Whether overwritten and deleted objects are kept as versions."""
    retain: bool | None = None
    """Whether the bucket outlives the environment; the profile decides when left out."""
    lifecycle: list[LifecycleRule] = []
    """Rules that delete or move objects."""
    access: BucketAccess = BucketAccess()
    """Who may do what."""
    labels: dict[str, Label] = {}
    """Labels besides the environment's."""

    @property
    def given_name(self) -> str | None:
        """The name that the file gives, to a bucket of the stack or to an existing one."""
        return self.existing or self.name


class ManagedSecret(Block):
    """A Secret Manager secret without a value: people put values there, envctl never does."""

    name: str | None = None
    """Name of the secret; `ENVIRONMENT-KEY` when left out."""
    existing: str | None = None
    """Name of a secret of the project that stays whose it is: only `readers` may stand beside it."""
    import_: Import = None
    """`true`, once: the next `up` takes over the secret that exists under the name."""
    moved: Moved | None = None
    """The key that the secret had before, as `{from: crm}`."""
    readers: list[str] = ["environment"]
    """Who reads its values; `environment` is the environment's service account."""
    labels: dict[str, Label] = {}
    """Labels besides the environment's."""

    @property
    def given_name(self) -> str | None:
        """The name that the file gives, to a secret of the stack or to an existing one."""
        return self.existing or self.name


class Secrets(Block):
    """Where Airflow reads connections and variables, and the secrets that envctl creates (empty)."""

    backend: SecretsBackendKind = SecretsBackendKind.SECRET_MANAGER
    """Airflow's secrets backend."""
    prefix: str = "airflow"
    """Names of secrets that Airflow looks up begin with it: `airflow-connections-NAME`, `airflow-variables-NAME`."""
    create: dict[str, ManagedSecret] = {}
    """Secrets that are created, without values."""


class ConfigMap(Block):
    """A Kubernetes config map for task pods (generation 3)."""

    name: str | None = None
    """Name of the config map; the key when left out."""
    moved: Moved | None = None
    """The key that the config map had before, as `{from: settings}`."""
    data: dict[str, str]
    """Values by key; no secrets."""


class EnvironmentVariable(Block):
    """A value taken from the environment of the process that runs envctl, never from a file."""

    env: Annotated[str, Field(pattern=VARIABLE_NAME)]
    """Name of the variable."""


class WorkloadSecret(Block):
    """A Kubernetes secret for task pods (generation 3); each value names an environment variable of the caller."""

    name: str | None = None
    """Name of the secret; the key when left out."""
    moved: Moved | None = None
    """The key that the secret had before, as `{from: crm}`."""
    data: dict[str, EnvironmentVariable]
    """Values by key."""


class UserWorkloads(Block):
    """Secrets and config maps for pods that tasks start (generation 3)."""

    secrets: dict[str, WorkloadSecret] = {}
    """Kubernetes secrets by name."""
    config_maps: dict[str, ConfigMap] = {}
    """Kubernetes config maps by name."""


class Taint(Block):
    """Keeps pods without the toleration away."""

    key: str
    """Key of the taint."""
    value: str
    """Value of the taint."""
    effect: Literal["NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"]
    """What happens to pods without the toleration."""


class NodePool(Block):
    """A node pool of the companion GKE cluster for pod operators."""

    name: str | None = None
    """Name of the pool; the key when left out."""
    moved: Moved | None = None
    """The key that the pool had before, as `{from: small}`."""
    machine_type: str
    """Machine type of the nodes, such as `e2-standard-8`."""
    min: Annotated[int, Field(ge=0)] = 0
    """How many nodes run at least."""
    max: Annotated[int, Field(ge=1)] = 1
    """How many nodes run at most."""
    spot: bool = False
    """Whether the nodes are spot machines, which Google may take away at any time."""
    disk_gb: Annotated[int, Field(ge=10)] = 100
    """Disk of each node in GB."""
    labels: dict[str, Label] = {}
    """Kubernetes labels of the nodes."""
    taints: list[Taint] = []
    """Taints of the nodes."""
    import_: Import = None
    """`true`, once: the next `up` takes over the pool that exists under the name, and the cluster that it is in."""
