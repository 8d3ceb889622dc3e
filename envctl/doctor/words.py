"""The words of the IAM tables in prose, and the command that grants a row before the environment is known.

The tables say `composer_agent` and `env_sa`; pages and causes say who that is, and write addresses with placeholders
in capitals, to be filled in by whoever runs the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from envctl.doctor.repair import filled, grant_command
from envctl.iam_targets import PROJECT_NUMBER, google_address, secrets_condition

PRINCIPALS: Final[Mapping[str, str]] = {
    "airflow_user": "a user of Airflow",
    "ar_agent": "Artifact Registry's service agent",
    "bigquery_cmek": "BigQuery's encryption account",
    "bootstrapper": "whoever prepares the project",
    "cloudbuild_agent": "Cloud Build's service agent",
    "cloudbuild_legacy": "Cloud Build's legacy account",
    "composer_agent": "Composer's service agent",
    "compute_agent": "Compute Engine's service agent",
    "compute_default": "Compute Engine's default account",
    "dag_author": "an author of DAGs",
    "dag_trigger_sa": "the account that triggers DAGs",
    "dataflow_agent": "Dataflow's service agent",
    "dataflow_worker": "the account of Dataflow's workers",
    "deployer": "whoever runs envctl",
    "doctor": "whoever runs the doctor",
    "env_sa": "the environment's account",
    "gcr_agent": "Container Registry's service agent",
    "gke_agent": "GKE's service agent",
    "gke_agent_host": "GKE's service agent of the host project",
    "gke_node_agent": "GKE's node service agent",
    "google_apis": "the Google APIs service agent",
    "k8s_workload": "the Kubernetes account of the workload",
    "log_sink_writer": "the writer of the log sink",
    "operator": "an operator",
    "pubsub_agent": "Pub/Sub's service agent",
    "secretmanager_agent": "Secret Manager's service agent",
    "service_networking_agent": "Service Networking's service agent",
    "storage_agent": "Cloud Storage's service agent",
    "vault_server_sa": "the account of the Vault server",
}
"""Who the principals of the bindings table are."""

_PROJECT: Final = "//cloudresourcemanager.googleapis.com/projects/"
_ACCOUNT: Final = "//iam.googleapis.com/projects/PROJECT/serviceAccounts/"
_PLACES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "project",
            "project_and_ancestors",
            "project_or_organization",
            "dataflow_project",
            "dataproc_project",
            "bigquery_job_project",
            "dataset_or_project",
            "pubsub_project",
            "project_of_env_sa",
            "artifact_registry",
            "secret_or_project",
            "quota_project",
        ),
        f"{_PROJECT}PROJECT",
    ),
    **dict.fromkeys(("host_project", "network_project"), f"{_PROJECT}HOST_PROJECT"),
    **dict.fromkeys(("env_sa", "dataflow_worker", "dataproc_worker_sa"), f"{_ACCOUNT}ENVIRONMENT_ACCOUNT"),
    **dict.fromkeys(
        ("subnet", "host_project_or_subnet", "subnet_or_host_project"),
        "//compute.googleapis.com/projects/HOST_PROJECT/regions/REGION/subnetworks/SUBNETWORK",
    ),
    **dict.fromkeys(
        ("kms_key", "app_kms_key", "pulumi_secrets_key"),
        "//cloudkms.googleapis.com/projects/KEY_PROJECT/locations/REGION/keyRings/KEY_RING/cryptoKeys/KEY",
    ),
    **dict.fromkeys(
        ("environment_bucket", "custom_bucket", "dataflow_staging_bucket", "snapshot_bucket", "pulumi_state_bucket"),
        "//storage.googleapis.com/projects/_/buckets/BUCKET",
    ),
    "artifact_registry_pypi_repo": "//artifactregistry.googleapis.com/projects/PROJECT/locations/REGION/repositories/REPOSITORY",
}
_RESOURCES: Final[Mapping[str, str]] = {
    "env_sa": "the environment's account",
    "kms_key": "the key",
    "subnet": "the subnetwork",
    "iap_resource": "the resource behind IAP",
    "dataproc_worker_sa": "the account of Dataproc's workers",
    "dataflow_worker": "the account of Dataflow's workers",
    "impersonated_sa": "the impersonated account",
    "project_of_env_sa": "the project of the environment's account",
    "artifact_registry_pypi_repo": "the Python repository",
    "artifact_registry_image_repo": "the image repository",
    "cloudsql_project": "the Cloud SQL project",
    "bigquery_job_project": "the BigQuery project",
    "pubsub_project": "the Pub/Sub project",
    "dataflow_project": "the Dataflow project",
    "dataproc_project": "the Dataproc project",
    "dataflow_staging_bucket": "the Dataflow staging bucket",
    "dataflow_template_bucket": "the Dataflow template bucket",
    "artifact_registry": "Artifact Registry",
    "quota_project": "the project whose quota requests count against",
    "pulumi_state_bucket": "the bucket of the Pulumi state",
    "pulumi_secrets_key": "the key of the Pulumi secrets",
    "app_kms_key": "the application's key",
}


def who(principal: str) -> str:
    """A principal of the table in prose, with its address where Google gives it one."""
    address = google_address(principal)
    return f"{PRINCIPALS[principal]} ({filled(address)})" if address else PRINCIPALS[principal]


def where(resource: str) -> str:
    """A resource word of the table in prose."""
    return _RESOURCES.get(resource) or f"the {resource.replace('_', ' ')}"


def command_of_row(row: Mapping[str, Any], number: str | None = None) -> str | None:
    """The gcloud command that grants a row of the bindings table, placeholders in capitals; None where there is none.

    Args:
        row: of the table.
        number: of the environment's project, when it is known.
    """
    place = _PLACES.get(row["resource"])
    if place is None or row["principal"] == "k8s_workload":
        return None
    if address := google_address(row["principal"]):
        member = f"serviceAccount:{filled(address.replace(PROJECT_NUMBER, number) if number else address)}"
    elif row["principal"] in {"env_sa", "dataflow_worker"}:
        member = "serviceAccount:ENVIRONMENT_ACCOUNT"
    else:
        member = "MEMBER"
    condition = None
    if row["resource"] == "secret_or_project":  # not on all secrets of the project
        named = secrets_condition("PREFIX")
        expression = named.expression.replace(PROJECT_NUMBER, number) if number else named.expression
        condition = replace(named, expression=filled(expression))
    return grant_command(place, member, row["role"], condition)
