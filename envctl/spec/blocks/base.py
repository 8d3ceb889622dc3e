"""What all blocks share, and the closed sets of values."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from envctl.spec.forms import NAME, PROJECT_ID, REGION


class Block(BaseModel):
    """Base of every block of an environment file."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, strict=True)


Import = Annotated[Literal[True] | None, Field(alias="import")]


class Moved(Block):
    """Says that the entry stood under another key before: nothing is deleted and nothing is made."""

    from_: Annotated[str, Field(alias="from")]
    """The key that it had. The line can go after the next `up`."""


Label = Annotated[str, Field(max_length=63)]
Name = Annotated[str, Field(pattern=NAME)]
ProjectId = Annotated[str, Field(pattern=PROJECT_ID)]
Region = Annotated[str, Field(pattern=REGION)]


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
