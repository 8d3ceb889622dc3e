"""Airflow's own settings, packages, and the size of its components."""

# Pydantic gives every instance a copy of a mutable default of its own.
# ruff: noqa: RUF012

from typing import Annotated

from pydantic import Field

from envctl.spec.blocks.base import Block


class SecretReference(Block):
    """A Secret Manager secret, or one of its versions, by full name or by name in the project."""

    secret: str
    """`projects/P/secrets/S`, with `/versions/V` at the end for one version, or the name of a secret of the project."""


class Pool(Block):
    """An Airflow pool."""

    slots: Annotated[int, Field(ge=-1)]
    """How many tasks of the pool run at once; -1 for any number."""
    description: str = ""
    """What the pool limits, for those who read the Airflow UI."""
    include_deferred: bool = False
    """Whether tasks that wait in a trigger take a slot."""


class Airflow(Block):
    """Airflow's own settings. `config` keys have the form `section-key`."""

    config: dict[str, str] = {}
    """Overrides of Airflow's settings by `section-option`; values are text. Options that Composer blocks are refused."""
    env: dict[str, str] = {}
    """Environment variables of all components. Reserved names and literal secrets are refused."""
    variables: dict[str, str | SecretReference] = {}
    """Airflow variables: a text, or a reference to a secret."""
    connections: dict[str, SecretReference] = {}
    """Airflow connections by id; always references to secrets, for a connection holds a password."""
    pools: dict[str, Pool] = {}
    """Airflow pools by name."""


class PackageIndex(Block):
    """Where packages come from besides the public index: a `pip.conf`, or an Artifact Registry repository."""

    pip_conf: str | None = None
    """A `pip.conf`, path relative to the environment file; Composer reads it from `config/pip/` of the bucket."""
    repository: str | None = None
    """An Artifact Registry repository of the project, by name."""


class AcceptedClash(Block):
    """A known finding of the clash check that is accepted until a day (ISO date)."""

    package: str
    """The package that the finding is about."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it is accepted; shown in every report."""
    until: str
    """The last day on which it is accepted, as `2027-01-31`."""


class Packages(Block):
    """Custom PyPI packages. Paths are relative to the environment file."""

    requirements: list[str] = []
    """Requirements files. What Composer cannot express is named with its line."""
    bundles: dict[str, str] = {}
    """Requirements files of DAG bundles by name; checked alone and together, installed with the rest."""
    inline: dict[str, str] = {}
    """Packages by name with extras and version specifier, as the API takes them: `{pandas: "[gcp]>=2,<3"}`."""
    index: PackageIndex | None = None
    """Where packages come from besides the public index."""
    accept: list[AcceptedClash] = []
    """Findings of the clash check that are accepted for a while."""


class Workload(Block):
    """One Airflow component; cpu in vCPU, memory and storage in GB."""

    count: Annotated[int, Field(ge=0)] | None = None
    """How many of them run."""
    cpu: Annotated[float, Field(gt=0)] | None = None
    """vCPU of each."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory of each in GB; Google limits it per vCPU."""
    storage_gb: Annotated[float, Field(ge=0)] | None = None
    """Disk of each in GB."""


class WorkerWorkload(Block):
    """The workers, which scale between two counts."""

    min_count: Annotated[int, Field(ge=0)] | None = None
    """How many run at least."""
    max_count: Annotated[int, Field(ge=1)] | None = None
    """How many run at most."""
    cpu: Annotated[float, Field(gt=0)] | None = None
    """vCPU of each."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory of each in GB; Google limits it per vCPU."""
    storage_gb: Annotated[float, Field(ge=0)] | None = None
    """Disk of each in GB."""


class Workloads(Block):
    """Every component that can be sized; what is left out gets Google's default for the environment's size."""

    scheduler: Workload | None = None
    """The schedulers."""
    worker: WorkerWorkload | None = None
    """The workers, which run tasks."""
    triggerer: Workload | None = None
    """The triggerers, which wait for deferred tasks; none run without this block in generation 2."""
    dag_processor: Workload | None = None
    """Generation 3: the processors that parse DAG files."""
    web_server: Workload | None = None
    """The web server; there is one, so it takes no `count`."""
