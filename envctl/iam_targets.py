"""Members and objects that the words of the IAM tables stand for in one environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from envctl.google.names import agent_address, is_agent
from envctl.iam_conditions import Setting, project_of_account, secret_names, snapshot_bucket

CALLER: Final = "${caller}"
"""Stands for whoever runs envctl, where a row is about the caller and the file names nobody."""
PROJECT_NUMBER: Final = "${projectNumber}"
HOST_PROJECT_NUMBER: Final = "${hostProjectNumber}"

_PROJECT = "//cloudresourcemanager.googleapis.com/projects/"


@dataclass(frozen=True, slots=True)
class BindingCondition:
    """An IAM condition: CEL `expression`; may hold `${projectNumber}`."""

    title: str
    expression: str


@dataclass(frozen=True, slots=True)
class Target:
    """An object that carries an allow policy: full name (None before it exists), address in the file, may envctl grant on it."""

    resource: str | None
    address: str
    ours: bool
    condition: BindingCondition | None = None


_OF_THE_HOST: Final[Mapping[str, str]] = {"gke_agent_host": "gke_agent"}
"""Words for agents of the Shared VPC's host project."""


def google_address(principal: str) -> str | None:
    """The address of an account that Google creates and runs, with `${projectNumber}`; None for other principals."""
    if principal in _OF_THE_HOST:
        return agent_address(_OF_THE_HOST[principal], HOST_PROJECT_NUMBER)
    return agent_address(principal, PROJECT_NUMBER) if is_agent(principal) else None


def members_of(principal: str, setting: Setting) -> tuple[str, ...]:
    """IAM members that a principal of the table stands for here; `${caller}` for whoever runs envctl."""
    access = setting.spec.access
    match principal:
        case "env_sa" | "dataflow_worker":  # pipelines run as the environment's account, never as Compute's default one
            return (f"serviceAccount:{setting.account_email}",)
        case "deployer" | "bootstrapper":  # what `up` makes, whoever runs it has to be allowed to make
            return tuple(access.deployers) or (CALLER,)
        case "doctor":
            return (CALLER,)
        case "dag_author":
            return tuple(access.dag_authors)
        case "airflow_user":
            return tuple(access.users)
        case "operator":
            return tuple(access.operators)
        case "k8s_workload":
            return (f"serviceAccount:{setting.project}.svc.id.goog[${{namespace}}/${{serviceAccount}}]",)
        case _:
            address = google_address(principal)
            if address is None:
                raise KeyError(principal)
            return (f"serviceAccount:{address}",)


def targets_of(kind: str, setting: Setting) -> tuple[Target, ...]:
    """The objects that a resource word of the table stands for here. Raises KeyError for a word no evaluated row uses."""
    spec = setting.spec
    match kind:
        case "project" | "project_and_ancestors" | "project_or_organization" | "dataflow_project" | "dataproc_project":
            return (Target(_PROJECT + setting.project, "project", ours=True),)
        case "bigquery_job_project" | "dataset_or_project" | "pubsub_project" | "project_of_env_sa":
            return (Target(_PROJECT + setting.project, "project", ours=True),)
        case "env_sa" | "dataflow_worker" | "dataproc_worker_sa":
            name = f"//iam.googleapis.com/projects/{setting.account_project}/serviceAccounts/{setting.account_email}"
            return (Target(name, "service-account", ours=setting.account_project == setting.project),)
        case "host_project":
            return (Target(_PROJECT + (setting.host_project or setting.project), "host-project", ours=False),)
        case "network_project":
            host = setting.host_project
            return (
                Target(_PROJECT + (host or setting.project), "host-project" if host else "project", ours=host is None),
            )
        case "subnet" | "host_project_or_subnet" | "subnet_or_host_project":
            return (Target(subnetwork_name(setting), "subnetwork", ours=False),)
        case "kms_key" | "app_kms_key":
            name = f"//cloudkms.googleapis.com/{setting.key_name}" if setting.key_name else None
            return (Target(name, "encryption.key", ours=setting.key_project == setting.project),)
        case "environment_bucket" | "custom_bucket":
            bucket = spec.buckets.get("environment")
            return (Target(bucket_resource(bucket.given_name if bucket else None), "buckets.environment", ours=True),)
        case "dataflow_staging_bucket":
            return (Target(bucket_resource(spec.buckets["staging"].given_name), "buckets.staging", ours=True),)
        case "snapshot_bucket":
            return (Target(bucket_resource(snapshot_bucket(setting)), "", ours=False),)
        case "artifact_registry_pypi_repo":
            repository = setting.index_repository
            ours = repository is not None and repository.split("/")[1] == setting.project
            return (Target(f"//artifactregistry.googleapis.com/{repository}", "", ours=ours),)
        case "artifact_registry":
            return (Target(_PROJECT + setting.project, "project", ours=True),)
        case "secret_or_project":
            return tuple(_secret_targets(setting))
        case "deploy_service_account":
            emails = [item.partition(":")[2] for item in spec.access.deployers if item.startswith("serviceAccount:")]
            homes = [(project_of_account(email, setting.project), email) for email in emails]
            return tuple(
                Target(f"//iam.googleapis.com/projects/{project}/serviceAccounts/{email}", "", ours=False)
                for project, email in homes
            )
        case "quota_project":  # whose quota is used is nobody's choice but the caller's: no stack declares it
            quota = setting.deployment.quota_project or setting.project
            return (Target(_PROJECT + quota, "project" if quota == setting.project else "", ours=False),)
        case "pulumi_state_bucket":
            return (Target(bucket_resource(setting.deployment.state_bucket), "", ours=False),)
        case "pulumi_secrets_key":
            key = setting.deployment.secrets_key
            return (Target(f"//cloudkms.googleapis.com/{key}" if key else None, "", ours=False),)
        case "organization":
            return (Target(None, "", ours=False),)
        case _:
            raise KeyError(kind)


def subnetwork_name(setting: Setting) -> str | None:
    """Full resource name of the subnetwork that the file names; None when it names none."""
    text = setting.spec.network.subnetwork
    if text is None:
        return None
    if not text.startswith("projects/"):
        text = f"projects/{setting.host_project or setting.project}/regions/{setting.spec.region}/subnetworks/{text}"
    return f"//compute.googleapis.com/{text}"


def bucket_resource(name: str | None) -> str | None:
    """Full resource name of a bucket, as IAM conditions see it; None for a bucket without a name yet."""
    return f"//storage.googleapis.com/projects/_/buckets/{name}" if name else None


def secret_resource(project: str, name: str | None) -> str | None:
    """Full resource name of a secret; None for a secret without a name yet."""
    return f"//secretmanager.googleapis.com/projects/{project}/secrets/{name}" if name else None


def secrets_condition(prefix: str) -> BindingCondition:
    """The condition that holds for the secrets whose names begin with a prefix; Secret Manager names them by number."""
    expression = f'resource.name.startsWith("projects/{PROJECT_NUMBER}/secrets/{prefix}-")'
    return BindingCondition(f"{prefix}-secrets", expression)


def _secret_targets(setting: Setting) -> Iterator[Target]:
    """Least privilege: the backend's own secrets by name prefix, every other secret one by one."""
    secrets = setting.spec.secrets
    covered = ""
    if secrets is not None and secrets.backend.value == "secret-manager":
        covered = f"projects/{setting.project}/secrets/{secrets.prefix}-"
        condition = secrets_condition(secrets.prefix)
        yield Target(_PROJECT + setting.project, "project", ours=True, condition=condition)
    for name in secret_names(setting):
        if not (covered and name.startswith(covered)):
            yield Target(f"//secretmanager.googleapis.com/{name}", "", ours=name.split("/")[1] == setting.project)


def target_named(on: str, setting: Setting) -> tuple[str, Target]:
    """The resource word and the object of a reference such as `projects/P`, `buckets.NAME`, `secrets.NAME` or `encryption.key`."""
    if on.startswith("projects/"):
        return "project", Target(
            _PROJECT + on.removeprefix("projects/"), "project" if on == f"projects/{setting.project}" else "", ours=True
        )
    if on.startswith("buckets."):
        bucket = setting.spec.buckets.get(on.removeprefix("buckets."))
        return "bucket", Target(bucket_resource(bucket.given_name if bucket else None), on, ours=True)
    if on.startswith("secrets."):
        secret = setting.spec.secrets.create.get(on.removeprefix("secrets.")) if setting.spec.secrets else None
        name = secret_resource(setting.project, secret.given_name if secret else None)
        return "secret", Target(name, on, ours=True)
    return "kms_key", targets_of("kms_key", setting)[0]
