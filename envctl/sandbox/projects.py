"""Projects, the APIs that are on in them, and the agents that Google makes when one is switched on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Backend
    from envctl.sandbox.messages import Json
    from envctl.sandbox.policies import Policies

# Names as the consoles and refusals spell them (Google API Library, read 2026-08).
TITLES: Mapping[str, str] = {
    "artifactregistry.googleapis.com": "Artifact Registry API",
    "bigquery.googleapis.com": "BigQuery API",
    "cloudbilling.googleapis.com": "Cloud Billing API",
    "cloudbuild.googleapis.com": "Cloud Build API",
    "cloudkms.googleapis.com": "Cloud Key Management Service (KMS) API",
    "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API",
    "composer.googleapis.com": "Cloud Composer API",
    "compute.googleapis.com": "Compute Engine API",
    "container.googleapis.com": "Kubernetes Engine API",
    "dataflow.googleapis.com": "Dataflow API",
    "dataproc.googleapis.com": "Cloud Dataproc API",
    "dns.googleapis.com": "Cloud DNS API",
    "iam.googleapis.com": "Identity and Access Management (IAM) API",
    "iamcredentials.googleapis.com": "IAM Service Account Credentials API",
    "logging.googleapis.com": "Cloud Logging API",
    "monitoring.googleapis.com": "Cloud Monitoring API",
    "orgpolicy.googleapis.com": "Organization Policy API",
    "pubsub.googleapis.com": "Cloud Pub/Sub API",
    "secretmanager.googleapis.com": "Secret Manager API",
    "servicenetworking.googleapis.com": "Service Networking API",
    "serviceusage.googleapis.com": "Service Usage API",
    "sqladmin.googleapis.com": "Cloud SQL Admin API",
    "storage-api.googleapis.com": "Google Cloud Storage JSON API",
    "storage-component.googleapis.com": "Cloud Storage",
    "storage.googleapis.com": "Cloud Storage API",
}

_ON_FROM_THE_START = (
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "serviceusage.googleapis.com",
    "storage-api.googleapis.com",
    "storage.googleapis.com",
)

# API -> (domain of the agent's address, role that Google grants on the project; empty for none).
# Google Cloud documentation, "Service agents" (https://cloud.google.com/iam/docs/service-agents), read 2026-08.
AGENTS: Mapping[str, tuple[str, str]] = {
    "artifactregistry.googleapis.com": (
        "gcp-sa-artifactregistry.iam.gserviceaccount.com",
        "roles/artifactregistry.serviceAgent",
    ),
    "cloudbuild.googleapis.com": ("gcp-sa-cloudbuild.iam.gserviceaccount.com", "roles/cloudbuild.serviceAgent"),
    "composer.googleapis.com": (
        "cloudcomposer-accounts.iam.gserviceaccount.com",
        "roles/composer.serviceAgent",
    ),
    "compute.googleapis.com": ("compute-system.iam.gserviceaccount.com", "roles/compute.serviceAgent"),
    "container.googleapis.com": (
        "container-engine-robot.iam.gserviceaccount.com",
        "roles/container.serviceAgent",
    ),
    "dataflow.googleapis.com": (
        "dataflow-service-producer-prod.iam.gserviceaccount.com",
        "roles/dataflow.serviceAgent",
    ),
    "dataproc.googleapis.com": ("dataproc-accounts.iam.gserviceaccount.com", "roles/dataproc.serviceAgent"),
    "pubsub.googleapis.com": ("gcp-sa-pubsub.iam.gserviceaccount.com", "roles/pubsub.serviceAgent"),
    "servicenetworking.googleapis.com": (
        "service-networking.iam.gserviceaccount.com",
        "roles/servicenetworking.serviceAgent",
    ),
    "sqladmin.googleapis.com": ("gcp-sa-cloud-sql.iam.gserviceaccount.com", "roles/cloudsql.serviceAgent"),
    "secretmanager.googleapis.com": ("gcp-sa-secretmanager.iam.gserviceaccount.com", ""),
    "storage.googleapis.com": ("gs-project-accounts.iam.gserviceaccount.com", ""),
}


def full_name(project: str) -> str:
    """The full resource name of a project."""
    return f"//cloudresourcemanager.googleapis.com/projects/{project}"


@dataclass(frozen=True, slots=True)
class Projects:
    """The projects of a cloud."""

    backend: Backend
    policies: Policies

    def resolve(self, name: str, principal: str) -> Mapping[str, Any]:
        """The project of an id or a number, made on first use.

        Raises:
            ApiError: 403, as for any project that the caller cannot see, when it is unknown and the cloud is
                strict, or when an unknown number was given.
        """
        known = self.find(name)
        if known is not None:
            return known
        if name.isdigit() or self.backend.settings.strict_projects:
            raise ApiError(
                Status.PERMISSION_DENIED,
                "The caller does not have permission",
                details=(
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "CONSUMER_INVALID",
                        "domain": "googleapis.com",
                        "metadata": {"consumer": f"projects/{name}"},
                    },
                ),
            )
        return self.create(name, owner=principal)

    def find(self, name: str) -> Mapping[str, Any] | None:
        """The project of an id or a number, if there is one."""
        if name.isdigit():
            number = self.backend.store.get("projects.numbers", name)
            return self.backend.store.get("projects", number["projectId"]) if number else None
        return self.backend.store.get("projects", name)

    def create(
        self,
        project: str,
        *,
        owner: str,
        number: str = "",
        parent: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Make a project whose only binding is its owner's."""
        digest = hashlib.sha256(f"project/{project}".encode()).digest()
        number = number or str(100_000_000_000 + int.from_bytes(digest, "big") % 900_000_000_000)
        record: Json = {
            "projectId": project,
            "projectNumber": number,
            "name": project,
            "createTime": self.backend.clock.stamp(),
        }
        if parent:
            record["parent"] = dict(parent)
        if labels:
            record["labels"] = dict(labels)
        self.backend.store.put("projects", project, record)
        self.backend.store.put("projects.numbers", number, {"projectId": project})
        self.policies.grant(full_name(project), "roles/owner", owner)
        for api in TITLES if self.backend.settings.apis_on else _ON_FROM_THE_START:
            self.enable(project, api)
        return record

    def number(self, project: str) -> str:
        """The number of a project that exists."""
        record = self.backend.store.get("projects", project)
        assert record is not None, f"project {project} was resolved before"
        return record["projectNumber"]

    def is_enabled(self, project: str, api: str) -> bool:
        """Whether an API is on."""
        return self.backend.store.get("services", f"{project}/{api}") is not None

    def enabled(self, project: str) -> list[str]:
        """The APIs that are on, by name."""
        return sorted(name.partition("/")[2] for name, _ in self.backend.store.items("services", f"{project}/"))

    def enable(self, project: str, api: str) -> None:
        """Switch an API on; its agent appears with its role, as with Google."""
        if self.is_enabled(project, api):
            return
        self.backend.store.put("services", f"{project}/{api}", {"enableTime": self.backend.clock.stamp()})
        if api in AGENTS:
            self.provision_agent(project, api)

    def provision_agent(self, project: str, api: str) -> str:
        """The address of an API's agent, which exists with its role from now on."""
        domain, role = AGENTS[api]
        email = f"service-{self.number(project)}@{domain}"
        if role and not self._has_agent(project, role, email):
            self.policies.grant(full_name(project), role, f"serviceAccount:{email}")
        return email

    def _has_agent(self, project: str, role: str, email: str) -> bool:
        policy = self.policies.stored(full_name(project)) or {}
        return any(
            binding["role"] == role and f"serviceAccount:{email}" in binding["members"]
            for binding in policy.get("bindings", [])
        )

    def disable(self, project: str, api: str) -> None:
        """Switch an API off; agent and role stay, as with Google."""
        self.backend.store.delete("services", f"{project}/{api}")

    def require_api(self, project: str, api: str) -> None:
        """Refuse when an API is off.

        Raises:
            ApiError: 403 SERVICE_DISABLED in the words of Google's front ends.
        """
        if self.is_enabled(project, api):
            return
        number = self.number(project)
        title = TITLES.get(api, api)
        url = f"https://console.developers.google.com/apis/api/{api}/overview?project={number}"
        raise ApiError(
            Status.PERMISSION_DENIED,
            f"{title} has not been used in project {number} before or it is disabled. "
            f"Enable it by visiting {url} then retry. If you enabled this API recently, "
            "wait a few minutes for the action to propagate to our systems and retry.",
            reason="accessNotConfigured",
            details=(
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVICE_DISABLED",
                    "domain": "googleapis.com",
                    "metadata": {
                        "service": api,
                        "serviceTitle": title,
                        "consumer": f"projects/{number}",
                        "containerInfo": number,
                        "activationUrl": url,
                    },
                },
                {
                    "@type": "type.googleapis.com/google.rpc.Help",
                    "links": [{"description": "Google developers console API activation", "url": url}],
                },
            ),
        )
