"""BigQuery, v2: the address of a project's encryption agent, which exists once somebody has asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json


@dataclass(frozen=True, slots=True)
class BigQuery:
    """The methods of the API."""

    cloud: Cloud

    def service_account(self, call: Call) -> Json:
        """The agent that encrypts and decrypts tables of a project."""
        project = self.cloud.projects.resolve(call["project"], call.principal)
        email = f"bq-{project['projectNumber']}@bigquery-encryption.iam.gserviceaccount.com"
        return {"kind": "bigquery#getServiceAccountResponse", "email": email}


def declare(cloud: Cloud) -> Service:
    """BigQuery on a cloud."""
    api = BigQuery(cloud)
    return Service(
        name="bigquery",
        hosts=("bigquery.googleapis.com",),
        prefixes=("bigquery",),
        bases={"bigquery/v2": "v2"},
        api="bigquery.googleapis.com",
        title="BigQuery API",
        routes=(
            Route(
                "bigquery.projects.getServiceAccount", "GET", "projects/{project}/serviceAccount", api.service_account
            ),
        ),
    )
