"""What an environment file says, after merging and interpolation: frozen models, one per block.

Keys are camelCase in the file and snake_case here. Unknown keys are errors. Rules that need more than one
field (generation, profile, ranges) live in `envctl.spec.rules`, not here. The blocks stand in `envctl.spec.blocks`
and are imported from here. For annotations that are not texts, see there.
"""

# Pydantic gives every instance a copy of a mutable default of its own.
# ruff: noqa: RUF012

from typing import Literal

from envctl.spec.blocks.airflow import (
    AcceptedClash,
    Airflow,
    PackageIndex,
    Packages,
    Pool,
    SecretReference,
    WorkerWorkload,
    Workload,
    Workloads,
)
from envctl.spec.blocks.base import (
    Block,
    Import,
    Integration,
    Label,
    Name,
    NetworkMode,
    Profile,
    ProjectId,
    Region,
    Resilience,
    SecretsBackendKind,
    Size,
    TaskLogs,
)
from envctl.spec.blocks.network import (
    AllowedRange,
    AuthorizedNetwork,
    IpAllocation,
    Network,
    PrivateEnvironment,
    Vpc,
    WebServer,
)
from envctl.spec.blocks.operation import (
    Access,
    Adopted,
    Cost,
    Database,
    ExtraBinding,
    Iam,
    Maintenance,
    Monitoring,
    PolicyException,
    Repository,
    Retention,
    ServiceAccount,
    Snapshots,
)
from envctl.spec.blocks.storage import (
    Bucket,
    BucketAccess,
    ConfigMap,
    Encryption,
    EncryptionKey,
    EnvironmentVariable,
    LifecycleRule,
    ManagedSecret,
    NodePool,
    Secrets,
    Taint,
    UserWorkloads,
    WorkloadSecret,
)

__all__ = [
    "AcceptedClash",
    "Access",
    "Adopted",
    "Airflow",
    "AllowedRange",
    "AuthorizedNetwork",
    "Block",
    "Bucket",
    "BucketAccess",
    "ConfigMap",
    "Cost",
    "Database",
    "Encryption",
    "EncryptionKey",
    "Environment",
    "EnvironmentVariable",
    "ExtraBinding",
    "Foundation",
    "Iam",
    "Integration",
    "IpAllocation",
    "Label",
    "LifecycleRule",
    "Maintenance",
    "ManagedSecret",
    "Monitoring",
    "Name",
    "Network",
    "NetworkMode",
    "NodePool",
    "PackageIndex",
    "Packages",
    "PolicyException",
    "Pool",
    "PrivateEnvironment",
    "Profile",
    "ProjectId",
    "Region",
    "Repository",
    "Resilience",
    "Retention",
    "SecretReference",
    "Secrets",
    "SecretsBackendKind",
    "ServiceAccount",
    "Size",
    "Snapshots",
    "Spec",
    "Taint",
    "TaskLogs",
    "UserWorkloads",
    "Vpc",
    "WebServer",
    "WorkerWorkload",
    "Workload",
    "WorkloadSecret",
    "Workloads",
]


class Environment(Block):
    """One environment file, resolved."""

    kind: Literal["environment"] = "environment"
    """What the file describes."""
    name: Name | None = None
    """Name of the Composer environment; the file's name when left out. Fixed at creation."""
    import_: Import = None
    """`true`, once: the next `up` takes over the Composer environment that exists under the name."""
    foundation: str | None = None
    """The foundation that this environment shares network, keys or channels with, by the name of its file."""
    project: ProjectId
    """Id of the Google Cloud project. Fixed at creation."""
    region: Region
    """Region of the environment. Fixed at creation."""
    image_version: str
    """Versions of Composer and Airflow, in full: `composer-3-airflow-2.10.5-build.10`. Updates go upwards only."""
    profile: Profile = Profile.STANDARD
    """What the file leaves open: `trial`, `standard` or `critical`. An environment grows from one to the next in place."""
    size: Size | None = None
    """Size of Google's part: database, queue, web server proxies."""
    resilience: Resilience | None = None
    """`high`: components and database in two zones."""
    labels: dict[str, Label] = {}
    """Labels of the environment and of all that belongs to it."""
    protect: bool | None = None
    """`true`: no deletion and no replacement, whatever the flags."""
    service_account: ServiceAccount
    """The account that DAGs act as. Fixed at creation."""
    airflow: Airflow = Airflow()
    """Airflow's settings, variables, connections and pools."""
    packages: Packages = Packages()
    """Custom Python packages."""
    workloads: Workloads = Workloads()
    """Size and number of Airflow's components."""
    network: Network = Network()
    """Where the environment lives."""
    web_server: WebServer = WebServer()
    """Access to the Airflow UI."""
    encryption: Encryption | None = None
    """Customer-managed encryption; Google's keys when left out. Fixed at creation."""
    buckets: dict[str, Bucket] = {}
    """Buckets by key; `environment` is the environment's own, with DAGs and logs."""
    secrets: Secrets | None = None
    """Airflow's secrets backend, and secrets that are created empty."""
    user_workloads: UserWorkloads = UserWorkloads()
    """Generation 3: secrets and config maps for pods that tasks start."""
    integrations: list[Integration] = []
    """Services that DAGs drive."""
    node_pools: dict[str, NodePool] = {}
    """Node pools of a companion GKE cluster for pod operators, by name."""
    repository: Repository | None = None
    """An Artifact Registry repository of the environment's own."""
    access: Access = Access()
    """Who may do what."""
    iam: Iam = Iam()
    """Role bindings beyond those that follow from the rest."""
    maintenance: Maintenance | None = None
    """When Google may work on the environment."""
    retention: Retention = Retention()
    """How long logs and metadata are kept."""
    snapshots: Snapshots | None = None
    """Scheduled snapshots."""
    monitoring: Monitoring | None = None
    """Alert policies."""
    lineage: bool | None = None
    """Whether data lineage is reported to Dataplex."""
    database: Database | None = None
    """Generation 2: where the database stands."""
    policies: list[PolicyException] = []
    """Policies that do not hold here, for a while."""
    cost: Cost | None = None
    """A limit for what the environment may cost in a month."""
    adopted: Adopted | None = None
    """Of an imported environment: what was not as envctl would have made it."""


class Foundation(Block):
    """What several environments of a project share: a stack of its own."""

    kind: Literal["foundation"] = "foundation"
    """What the file describes."""
    name: Name | None = None
    """Name that created things carry; the file's name when left out."""
    project: ProjectId
    """Id of the Google Cloud project."""
    region: Region
    """Region of network, keys and repository."""
    labels: dict[str, Label] = {}
    """Labels of all that belongs to the foundation."""
    protect: bool | None = None
    """`true`: no deletion and no replacement, whatever the flags."""
    network: Vpc | None = None
    """The network that environments take with `network: {from: foundation}`."""
    encryption: Encryption | None = None
    """The key that environments take with `encryption: {key: {from: foundation}}`."""
    repository: Repository | None = None
    """An Artifact Registry repository for all environments."""
    buckets: dict[str, Bucket] = {}
    """Buckets that several environments use, by key."""
    monitoring: Monitoring | None = None
    """Channels that environments take with `monitoring: {from: foundation}`."""
    access: Access = Access()
    """Who may do what in the project."""
    policies: list[PolicyException] = []
    """Policies that do not hold here, for a while."""


Spec = Environment | Foundation
"""Either kind of file."""
