"""How things are called in Google's APIs: the Composer environment, and the accounts that Google itself runs.

Addresses of agents: "Service agents" in Google's IAM documentation, read 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_AGENTS: Final[Mapping[str, str]] = {
    "composer_agent": "service-{}@cloudcomposer-accounts.iam.gserviceaccount.com",
    "google_apis": "{}@cloudservices.gserviceaccount.com",
    "gke_agent": "service-{}@container-engine-robot.iam.gserviceaccount.com",
    "gke_node_agent": "service-{}@gcp-sa-gkenode.iam.gserviceaccount.com",
    "compute_agent": "service-{}@compute-system.iam.gserviceaccount.com",
    "compute_default": "{}-compute@developer.gserviceaccount.com",
    "cloudbuild_legacy": "{}@cloudbuild.gserviceaccount.com",
    "cloudbuild_agent": "service-{}@gcp-sa-cloudbuild.iam.gserviceaccount.com",
    "ar_agent": "service-{}@gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "pubsub_agent": "service-{}@gcp-sa-pubsub.iam.gserviceaccount.com",
    "storage_agent": "service-{}@gs-project-accounts.iam.gserviceaccount.com",
    "service_networking_agent": "service-{}@service-networking.iam.gserviceaccount.com",
    "dataflow_agent": "service-{}@dataflow-service-producer-prod.iam.gserviceaccount.com",
    "bigquery_cmek": "bq-{}@bigquery-encryption.iam.gserviceaccount.com",
}
"""Accounts that Google makes for a project; `{}` is the project's number."""

_AGENT_DOMAINS: Final = frozenset(
    {
        "bigquery-encryption",
        "cloudbuild",
        "cloudcomposer-accounts",
        "cloudservices",
        "compute-system",
        "container-engine-robot",
        "containerregistry",
        "dataflow-service-producer-prod",
        "gs-project-accounts",
        "service-networking",
    }
)
"""First parts of the domains of service agents, besides those that begin with `gcp-sa-`."""

_COMPOSER_AGENT: Final = re.compile(r"service-(\d+)@cloudcomposer-accounts\.iam\.gserviceaccount\.com", re.IGNORECASE)
_DEFAULT_ACCOUNT: Final = "-compute@developer.gserviceaccount.com"


def environment_name(project: str, region: str, name: str) -> str:
    """Full name of a Composer environment, as the API has it."""
    return f"projects/{project}/locations/{region}/environments/{name}"


def agent_address(agent: str, number: str) -> str:
    """Address of one of Google's accounts (`composer_agent`, `compute_default`...) of the project with this number."""
    return _AGENTS[agent].format(number)


def is_agent(agent: str) -> bool:
    """Whether `agent_address` knows a word."""
    return agent in _AGENTS


def composer_agent(number: str) -> str:
    """The Composer service agent of a project, as an IAM member."""
    return f"serviceAccount:{agent_address('composer_agent', number)}"


def composer_agent_number(address: str) -> str | None:
    """Number of the project whose Composer service agent an address is; None for every other address."""
    match = _COMPOSER_AGENT.fullmatch(address)
    return match[1] if match else None


def is_default_account(address: str) -> bool:
    """Whether an address is that of a project's Compute Engine default account."""
    return address.endswith(_DEFAULT_ACCOUNT)


def agent_domain(member: str) -> str | None:
    """`cloudcomposer-accounts` of `serviceAccount:service-1@cloudcomposer-accounts.iam.gserviceaccount.com`.

    None for a member that is no service account.
    """
    kind, _, address = member.partition(":")
    if kind.lower() != "serviceaccount" or not address.lower().endswith(".gserviceaccount.com"):
        return None
    return address.lower().partition("@")[2].split(".", 1)[0]


def is_service_agent(member: str) -> bool:
    """Whether an IAM member is one of Google's own agents, which no stack owns."""
    domain = agent_domain(member)
    return domain is not None and (domain in _AGENT_DOMAINS or domain.startswith("gcp-sa-"))
