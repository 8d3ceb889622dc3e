"""What an environment file says, after merging and interpolation: frozen models, one per block.

Keys are camelCase in the file and snake_case here. Unknown keys are errors. Rules that need more than one
field (generation, profile, ranges) live in `envctl.spec.rules`, not here.

Annotations are evaluated here, without `from __future__ import annotations`: pydantic would compile every one of
them from text, which costs a third of the start-up time of `envctl validate`.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Block(BaseModel):
    """Base of every block of an environment file."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, strict=True)


class Profile(StrEnum):
    """Defaults for size, resilience, protection and policies."""

    TRIAL = "trial"
    STANDARD = "standard"
    CRITICAL = "critical"


class Size(StrEnum):
    """Size of Google's part of the environment."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    EXTRA_LARGE = "extra-large"


class Resilience(StrEnum):
    """Standard, or replicated over zones."""

    STANDARD = "standard"
    HIGH = "high"


class NetworkMode(StrEnum):
    """Whether the environment's components have public addresses."""

    PRIVATE = "private"
    PUBLIC = "public"


class TaskLogs(StrEnum):
    """Where task logs are kept."""

    CLOUD_LOGGING_ONLY = "cloud-logging-only"
    CLOUD_LOGGING_AND_STORAGE = "cloud-logging-and-storage"


class SecretsBackendKind(StrEnum):
    """Where Airflow looks for connections and variables."""

    SECRET_MANAGER = "secret-manager"  # noqa: S105
    KMS_GCS = "kms-gcs"
    VAULT = "vault"


class Integration(StrEnum):
    """A service that DAGs drive: adds its APIs, roles and staging access."""

    DATAFLOW = "dataflow"
    DATAPROC = "dataproc"
    BIGQUERY = "bigquery"
    PUBSUB = "pubsub"


Label = Annotated[str, Field(max_length=63)]
NAME = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
PROJECT_ID = r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$"
REGION = r"^[a-z]+-[a-z]+[0-9]+$"
ACCOUNT_NAME = r"^[a-z]([-a-z0-9]{4,28}[a-z0-9])$"
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME)]


class ServiceAccount(Block):
    """The environment's service account: `name` of one to create, or `email` of an existing one."""

    name: Annotated[str, Field(pattern=ACCOUNT_NAME)] | None = None
    email: str | None = None


class SecretReference(Block):
    """A Secret Manager secret, or one of its versions, by full name or by name in the project."""

    secret: str


class Pool(Block):
    """An Airflow pool."""

    slots: Annotated[int, Field(ge=-1)]
    description: str = ""
    include_deferred: bool = False


class Airflow(Block):
    """Airflow's own settings. `config` keys have the form `section-key`."""

    config: dict[str, str] = {}
    env: dict[str, str] = {}
    variables: dict[str, str | SecretReference] = {}
    connections: dict[str, SecretReference] = {}
    pools: dict[str, Pool] = {}


class PackageIndex(Block):
    """Where packages come from besides the public index: a `pip.conf`, or an Artifact Registry repository."""

    pip_conf: str | None = None
    repository: str | None = None


class AcceptedClash(Block):
    """A known finding of the clash check that is accepted until a day (ISO date)."""

    package: str
    reason: Annotated[str, Field(min_length=1)]
    until: str


class Packages(Block):
    """Custom PyPI packages. Paths are relative to the environment file."""

    requirements: list[str] = []
    bundles: dict[str, str] = {}
    inline: dict[str, str] = {}
    index: PackageIndex | None = None
    accept: list[AcceptedClash] = []


class Workload(Block):
    """One Airflow component; cpu in vCPU, memory and storage in GB."""

    count: Annotated[int, Field(ge=0)] | None = None
    cpu: Annotated[float, Field(gt=0)] | None = None
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    storage_gb: Annotated[float, Field(ge=0)] | None = None


class WorkerWorkload(Block):
    """The workers, which scale between two counts."""

    min_count: Annotated[int, Field(ge=0)] | None = None
    max_count: Annotated[int, Field(ge=1)] | None = None
    cpu: Annotated[float, Field(gt=0)] | None = None
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    storage_gb: Annotated[float, Field(ge=0)] | None = None


class Workloads(Block):
    """Every component that can be sized."""

    scheduler: Workload | None = None
    worker: WorkerWorkload | None = None
    triggerer: Workload | None = None
    dag_processor: Workload | None = None
    web_server: Workload | None = None


class Vpc(Block):
    """A VPC of our own: network, subnet, secondary ranges, router, NAT, firewall."""

    create: Literal[True] = True
    subnet: str = "10.10.0.0/20"
    pods: str | None = None
    services: str | None = None
    nat: bool = True
    flow_logs: bool = False


class IpAllocation(Block):
    """Generation 2: ranges of pods and services, by name of a secondary range or as CIDR."""

    pods_range_name: str | None = None
    services_range_name: str | None = None
    pods_cidr: str | None = None
    services_cidr: str | None = None


class AuthorizedNetwork(Block):
    """A range that may reach the control plane of the environment's cluster (generation 2)."""

    cidr: str
    description: str = ""


class PrivateEnvironment(Block):
    """Generation 2, private mode: ranges and the way to the control plane."""

    connection: Literal["psc", "vpc-peering"] = "psc"
    connection_subnetwork: str | None = None
    private_endpoint: bool = False
    privately_used_public_ips: bool = False
    master_cidr: str | None = None
    cloud_sql_cidr: str | None = None
    composer_network_cidr: str | None = None
    authorized_networks: list[AuthorizedNetwork] = []


class Network(Block):
    """Where the environment lives: an own VPC, names of existing ones (Shared VPC), or the foundation's."""

    mode: NetworkMode = NetworkMode.PUBLIC
    vpc: Vpc | None = None
    from_: Annotated[Literal["foundation"] | None, Field(alias="from")] = None
    host_project: str | None = None
    network: str | None = None
    subnetwork: str | None = None
    attachment: str | None = None
    internal_cidr: str | None = None
    private_builds_only: bool | None = None
    cloud_run_functions_routing: Literal["internal", "vpc"] | None = None
    ip_allocation: IpAllocation | None = None
    private_environment: PrivateEnvironment | None = None
    tags: list[str] = []
    ip_masq_agent: bool | None = None


class AllowedRange(Block):
    """A range that may open the Airflow UI."""

    cidr: str
    description: str = ""


class WebServer(Block):
    """Access to the Airflow UI."""

    allowed_ranges: list[AllowedRange] | None = None
    plugins: bool | None = None


class EncryptionKey(Block):
    """A key of our own (`create`), an existing one (`name`), or the foundation's (`from: foundation`)."""

    create: Literal[True] | None = None
    rotation_days: Annotated[int, Field(ge=1)] = 90
    key_ring: Name | None = None
    name: str | None = None
    from_: Annotated[Literal["foundation"] | None, Field(alias="from")] = None


class Encryption(Block):
    """Customer-managed encryption."""

    key: EncryptionKey


class LifecycleRule(Block):
    """Deletes or moves objects of a certain age."""

    delete_after_days: Annotated[int, Field(ge=0)] | None = None
    move_after_days: Annotated[int, Field(ge=0)] | None = None
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] | None = None
    keep_newer_versions: Annotated[int, Field(ge=1)] | None = None


class BucketAccess(Block):
    """Members per role; `environment` stands for the environment's service account."""

    object_admin: list[str] = []
    object_viewer: list[str] = []
    object_creator: list[str] = []


class Bucket(Block):
    """A bucket; the key `environment` configures the environment's own bucket."""

    name: str | None = None
    location: str | None = None
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] = "STANDARD"
    versioning: bool = False
    retain: bool | None = None
    lifecycle: list[LifecycleRule] = []
    access: BucketAccess = BucketAccess()
    labels: dict[str, Label] = {}


class ManagedSecret(Block):
    """A Secret Manager secret without a value: people put values there, envctl never does."""

    name: str | None = None
    readers: list[str] = ["environment"]
    labels: dict[str, Label] = {}


class Secrets(Block):
    """Where Airflow reads connections and variables, and the secrets that envctl creates (empty)."""

    backend: SecretsBackendKind = SecretsBackendKind.SECRET_MANAGER
    prefix: str = "airflow"
    create: dict[str, ManagedSecret] = {}


class ConfigMap(Block):
    """A Kubernetes config map for task pods (generation 3)."""

    data: dict[str, str]


class EnvironmentVariable(Block):
    """A value taken from the environment of the process that runs envctl, never from a file."""

    env: Annotated[str, Field(pattern=VARIABLE_NAME)]


class WorkloadSecret(Block):
    """A Kubernetes secret for task pods (generation 3); each value names an environment variable of the caller."""

    data: dict[str, EnvironmentVariable]


class UserWorkloads(Block):
    """Secrets and config maps for pods that tasks start (generation 3)."""

    secrets: dict[str, WorkloadSecret] = {}
    config_maps: dict[str, ConfigMap] = {}


class Taint(Block):
    """Keeps pods without the toleration away."""

    key: str
    value: str
    effect: Literal["NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"]


class NodePool(Block):
    """A node pool of the companion GKE cluster for pod operators."""

    machine_type: str
    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=1)] = 1
    spot: bool = False
    disk_gb: Annotated[int, Field(ge=10)] = 100
    labels: dict[str, Label] = {}
    taints: list[Taint] = []


class Access(Block):
    """Who may do what, as IAM members."""

    users: list[str] = []
    operators: list[str] = []
    dag_authors: list[str] = []
    deployers: list[str] = []


class ExtraBinding(Block):
    """One more role binding; `on` is `projects/P`, `buckets.NAME`, `secrets.NAME` or `encryption.key`."""

    role: str
    on: str
    members: list[str]


class Iam(Block):
    """Bindings beyond those that the spec needs."""

    extra_bindings: list[ExtraBinding] = []


class Maintenance(Block):
    """The weekly maintenance window; `start` RFC 3339, days MO..SU."""

    start: str
    hours: Annotated[float, Field(gt=0, le=24)]
    days: Annotated[list[Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]], Field(min_length=1)]


class Retention(Block):
    """How long logs and metadata are kept."""

    task_logs: TaskLogs | None = None
    metadata_days: Annotated[int, Field(ge=0)] | None = None
    log_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class Snapshots(Block):
    """Scheduled snapshots; `schedule` in cron form."""

    enabled: bool = True
    schedule: str
    time_zone: str = "UTC"
    location: str


class Monitoring(Block):
    """Alert policies of the environment; `channels` are full names of notification channels."""

    alerts: bool = True
    channels: list[str] = []
    from_: Annotated[Literal["foundation"] | None, Field(alias="from")] = None


class Repository(Block):
    """An Artifact Registry repository for Python packages."""

    name: Name = "python"
    format: Literal["PYTHON", "DOCKER"] = "PYTHON"
    readers: list[str] = ["environment"]


class Database(Block):
    """Generation 2: zone and machine type of the Airflow database."""

    zone: str | None = None
    machine_type: str | None = None


class PolicyException(Block):
    """A policy that does not hold here, with a reason and a last day (ISO date)."""

    policy: str
    reason: Annotated[str, Field(min_length=1)]
    until: str


class Environment(Block):
    """One environment file, resolved."""

    kind: Literal["environment"] = "environment"
    name: Name | None = None
    foundation: str | None = None
    project: Annotated[str, Field(pattern=PROJECT_ID)]
    region: Annotated[str, Field(pattern=REGION)]
    image_version: str
    profile: Profile = Profile.STANDARD
    size: Size | None = None
    resilience: Resilience | None = None
    labels: dict[str, Label] = {}
    protect: bool | None = None
    service_account: ServiceAccount
    airflow: Airflow = Airflow()
    packages: Packages = Packages()
    workloads: Workloads = Workloads()
    network: Network = Network()
    web_server: WebServer = WebServer()
    encryption: Encryption | None = None
    buckets: dict[str, Bucket] = {}
    secrets: Secrets | None = None
    user_workloads: UserWorkloads = UserWorkloads()
    integrations: list[Integration] = []
    node_pools: dict[str, NodePool] = {}
    repository: Repository | None = None
    access: Access = Access()
    iam: Iam = Iam()
    maintenance: Maintenance | None = None
    retention: Retention = Retention()
    snapshots: Snapshots | None = None
    monitoring: Monitoring | None = None
    lineage: bool | None = None
    database: Database | None = None
    policies: list[PolicyException] = []


class Foundation(Block):
    """What several environments of a project share: a stack of its own."""

    kind: Literal["foundation"] = "foundation"
    name: Name | None = None
    project: Annotated[str, Field(pattern=PROJECT_ID)]
    region: Annotated[str, Field(pattern=REGION)]
    labels: dict[str, Label] = {}
    protect: bool | None = None
    network: Vpc | None = None
    encryption: Encryption | None = None
    repository: Repository | None = None
    buckets: dict[str, Bucket] = {}
    monitoring: Monitoring | None = None
    access: Access = Access()
    policies: list[PolicyException] = []


Spec = Environment | Foundation
"""Either kind of file."""
