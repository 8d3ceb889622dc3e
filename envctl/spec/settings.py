"""What `envctl.yaml` at the root of a project may say."""

from typing import Annotated, Literal

from pydantic import Field

from envctl.spec.forms import ACCOUNT_ADDRESS, OWNER_ID
from envctl.spec.model import Block, Name, ProjectId


class Index(Block):
    """Where packages come from for the whole project: an address, or a `pip.conf` (path relative to this file)."""

    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Address of a package index in pip's sense, without credentials."""
    pip_conf: str | None = None
    """A `pip.conf`, path relative to `envctl.yaml`."""


class Policies(Block):
    """Levels of policies by id, where they differ from what the profile says."""

    levels: dict[str, Literal["disabled", "advisory", "mandatory"]] = Field(default_factory=dict)
    """What a violated policy does, by the policy's id: `disabled`, `advisory` or `mandatory`."""


class ProjectSettings(Block):
    """Settings that hold for all environments of a project."""

    name: Name
    """Name of the Pulumi project; changing it later makes every stack a new one."""
    id: Annotated[str, Field(pattern=OWNER_ID)] | None = None
    """Whose the objects of this project are: a random word that `envctl init` or the first `up` writes, and that stays."""
    envctl: str = ""
    """The versions of envctl that may work on this project, as a PEP 440 specifier."""
    backend: Annotated[str, Field(pattern=r"^(file|gs|s3|azblob|https)://")] | None = None
    """Address of the Pulumi state backend; without it the state is kept below `.envctl/`."""
    secrets_provider: Annotated[
        str, Field(pattern=r"^(passphrase|default|(gcpkms|awskms|azurekeyvault|hashivault)://.+)$")
    ] = "passphrase"
    """How secrets in the state are encrypted, in Pulumi's words: `passphrase`, or the address of a key."""
    impersonate: Annotated[str, Field(pattern=ACCOUNT_ADDRESS)] | None = None
    """The service account to act as on Google Cloud; `GOOGLE_IMPERSONATE_SERVICE_ACCOUNT` wins over it."""
    billing_project: ProjectId | None = None
    """The project whose quota requests to Google Cloud count against; `GOOGLE_BILLING_PROJECT` wins over it."""
    index: Index | None = None
    """Where packages come from, unless an environment says otherwise."""
    policies: Policies = Policies()
    """Levels of policies."""
