"""Who may do what, when Google may work on it, how long things are kept."""

# Pydantic gives every instance a copy of a mutable default of its own.
# ruff: noqa: RUF012

from typing import Annotated, Literal

from pydantic import Field

from envctl.spec.blocks.base import Block, Import, Name, TaskLogs
from envctl.spec.forms import ACCOUNT_NAME
from envctl.spec.names import REPOSITORY_NAME


class ServiceAccount(Block):
    """The environment's service account: `name` of one to create, or `email` of an existing one."""

    name: Annotated[str, Field(pattern=ACCOUNT_NAME)] | None = None
    """Name of an account that is created in the environment's project."""
    email: str | None = None
    """Address of an existing account. It stays whose it is."""
    import_: Import = None
    """`true`, once: the next `up` takes over the account that exists under `name`."""


class Access(Block):
    """Who may do what, as IAM members."""

    users: list[str] = []
    """Who opens the Airflow UI and sees the environment."""
    operators: list[str] = []
    """Who also works on it: runs Airflow commands, saves snapshots."""
    dag_authors: list[str] = []
    """Who also writes DAGs into the environment's bucket."""
    deployers: list[str] = []
    """Who applies changes of this file: people or a CI account."""


class ExtraBinding(Block):
    """One more role binding; `on` is `projects/P`, `buckets.NAME`, `secrets.NAME` or `encryption.key`."""

    role: str
    """The role: `roles/pubsub.publisher`, or a custom one by full name."""
    on: str
    """What the binding is on."""
    members: list[str]
    """Who gets the role; `environment` is the environment's service account."""


class Iam(Block):
    """Bindings beyond those that the spec needs."""

    extra_bindings: list[ExtraBinding] = []
    """The bindings."""


class Maintenance(Block):
    """The weekly maintenance window; `start` RFC 3339, days MO..SU. Google asks for 12 hours a week."""

    start: str
    """First day, and time of day at which each window starts, as `2026-01-01T01:00:00Z`."""
    hours: Annotated[float, Field(gt=0, le=24)]
    """How long each window lasts; at least 4."""
    days: Annotated[list[Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]], Field(min_length=1)]
    """Days of the week on which a window starts."""


class Retention(Block):
    """How long logs and metadata are kept."""

    task_logs: TaskLogs | None = None
    """Where task logs are kept; the profile decides when left out."""
    metadata_days: Annotated[int, Field(ge=0)] | None = None
    """Days that Airflow's database keeps runs and task instances, 30 to 730; 0 keeps everything."""
    log_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days that Cloud Logging keeps the environment's logs; Google's 30 when left out."""


class Snapshots(Block):
    """Scheduled snapshots; `schedule` in cron form."""

    enabled: bool = True
    """Whether snapshots are made."""
    schedule: str
    """When, as five fields of cron."""
    time_zone: str = "UTC"
    """An offset from UTC-12 to UTC+12, without daylight saving."""
    location: str
    """Folder of a bucket: `gs://BUCKET/snapshots`."""


class Monitoring(Block):
    """Alert policies of the environment; `channels` are full names of notification channels."""

    alerts: bool = True
    """Whether alert policies are created: health, scheduler, workers, database."""
    channels: list[str] = []
    """Who is told: full names of notification channels."""
    from_: Annotated[Literal["foundation"] | None, Field(alias="from")] = None
    """`foundation`: the foundation's channels."""


class Repository(Block):
    """An Artifact Registry repository for Python packages."""

    name: Name = REPOSITORY_NAME
    """Name of the repository."""
    format: Literal["PYTHON", "DOCKER"] = "PYTHON"
    """What it holds."""
    readers: list[str] = ["environment"]
    """Who reads from it; `environment` is the environment's service account."""
    import_: Import = None
    """`true`, once: the next `up` takes over the repository that exists under the name."""


class Database(Block):
    """Generation 2: zone and machine type of the Airflow database."""

    zone: str | None = None
    """Preferred zone of the database, in the environment's region. Fixed at creation."""
    machine_type: str | None = None
    """Belonged to generation 1; refused."""


class Adopted(Block):
    """An environment that was there before its file: what `envctl import` left as it was."""

    labels: bool = False
    """Whether envctl's own labels (`managed-by` and others) are put on what the file declares."""
    without: list[str] = []
    """What was not there, by logical name as plans show it; without its line, the next `up` makes it."""
    ignore: list[str] = []
    """Properties of the environment that stay as they are, by the provider's path; without its line, the file counts."""


class Cost(Block):
    """What the environment may cost."""

    monthly_limit_usd: Annotated[float, Field(gt=0)]
    """USD per month at list price, with every worker that it may have; the policy `monthly-cost-limit` refuses more."""


class PolicyException(Block):
    """A policy that does not hold here, with a reason and a last day (ISO date)."""

    policy: str
    """Id of the policy."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it does not hold; shown in every report."""
    until: str
    """The last day of the exception, as `2027-01-31`."""
