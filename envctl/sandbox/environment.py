"""Environment variables that point clients at a served sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.server import RunningServer

TOKEN = "envctl-sandbox"  # noqa: S105 - not a secret: the emulated APIs accept any token
TOKEN_VARIABLE = "ENVCTL_SANDBOX_TOKEN"  # noqa: S105 - a name
"""Holds what control calls of a served sandbox must bring."""

# Argument of the Terraform provider (and with it pulumi-gcp) -> path below the main port.
_PROVIDER: dict[str, str] = {
    "GOOGLE_ARTIFACT_REGISTRY_CUSTOM_ENDPOINT": "artifactregistry/v1/",
    "GOOGLE_CLOUD_BILLING_CUSTOM_ENDPOINT": "cloudbilling/v1/",
    "GOOGLE_COMPOSER_CUSTOM_ENDPOINT": "composer/v1beta1/",
    "GOOGLE_COMPUTE_CUSTOM_ENDPOINT": "compute/compute/v1/",
    "GOOGLE_BIG_QUERY_CUSTOM_ENDPOINT": "bigquery/bigquery/v2/",
    "GOOGLE_CONTAINER_CUSTOM_ENDPOINT": "container/v1beta1/",
    "GOOGLE_IAM2_CUSTOM_ENDPOINT": "iam2/v2/",
    "GOOGLE_IAM_BETA_CUSTOM_ENDPOINT": "iam/v1/",
    "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT": "iamcredentials/v1/",
    "GOOGLE_IAM_CUSTOM_ENDPOINT": "iam/v1/",
    "GOOGLE_KMS_CUSTOM_ENDPOINT": "kms/v1/",
    "GOOGLE_LOGGING_CUSTOM_ENDPOINT": "logging/v2/",
    "GOOGLE_MONITORING_CUSTOM_ENDPOINT": "monitoring/",
    "GOOGLE_ORG_POLICY_CUSTOM_ENDPOINT": "orgpolicy/v2/",
    "GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT": "crm/v1/",
    "GOOGLE_RESOURCE_MANAGER_V3_CUSTOM_ENDPOINT": "crm3/v3/",
    "GOOGLE_SECRET_MANAGER_CUSTOM_ENDPOINT": "secretmanager/v1/",
    "GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT": "serviceusage/v1/",
    "GOOGLE_STORAGE_CUSTOM_ENDPOINT": "storage/storage/v1/",
}

# Property of gcloud's `api_endpoint_overrides` -> service; gcloud adds version and path itself.
_GCLOUD: dict[str, str] = {
    "ARTIFACTREGISTRY": "artifactregistry",
    "BIGQUERY": "bigquery",
    "CLOUDBILLING": "cloudbilling",
    "CLOUDKMS": "cloudkms",
    "CLOUDRESOURCEMANAGER": "cloudresourcemanager",
    "COMPOSER": "composer",
    "COMPUTE": "compute",
    "CONTAINER": "container",
    "IAM": "iam",
    "IAMCREDENTIALS": "iamcredentials",
    "LOGGING": "logging",
    "MONITORING": "monitoring",
    "ORGPOLICY": "orgpolicy",
    "SECRETMANAGER": "secretmanager",
    "SERVICEUSAGE": "serviceusage",
    "STORAGE": "storage",
}


def client_environment(server: RunningServer) -> dict[str, str]:
    """The variables of a server of this process."""
    return variables_at(server.url, server.ports, server.token)


def variables_at(url: str, ports: Mapping[str, int], token: str) -> dict[str, str]:
    """Variables for Pulumi's and Terraform's provider, gcloud, Google's storage client, and envctl itself.

    Names of the provider's variables are those that its real requests were recorded with; `STORAGE_EMULATOR_HOST`
    is read by `google-cloud-storage`.

    Args:
        url: address of the port that serves all.
        ports: port of each service; `GET /` of a served sandbox tells them.
        token: what control calls must bring; empty when it is not known.
    """
    host = urlsplit(url).hostname

    def address(service: str) -> str:
        return f"http://{host}:{ports[service]}"

    variables = {name: f"{url}/{path}" for name, path in _PROVIDER.items()}
    for name, service in _GCLOUD.items():
        suffix = {"bigquery": "bigquery/v2/", "compute": "compute/v1/", "storage": "storage/v1/"}.get(service, "")
        variables[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}"] = f"{address(service)}/{suffix}"
    variables["CLOUDSDK_AUTH_ACCESS_TOKEN"] = TOKEN
    variables["GOOGLE_OAUTH_ACCESS_TOKEN"] = TOKEN
    variables["STORAGE_EMULATOR_HOST"] = address("storage")
    variables["ENVCTL_SANDBOX_URL"] = url
    if token:
        variables[TOKEN_VARIABLE] = token
    return dict(sorted(variables.items()))
