"""Service accounts: the environment's own, and Google's service agents that must exist before they get roles."""

from __future__ import annotations

from collections.abc import Iterable

from envctl.google.names import agent_domain
from envctl.spec.model import ServiceAccount
from envctl.spec.names import service_account_email
from envctl.stacks.components import Group
from envctl.stacks.declaration import Options, Resource
from envctl.stacks.scope import Scope

ACCOUNT = "service-account"
"""Logical name of the environment's service account."""

# Agents that Google makes on request ("services identity create"). Others appear when their API is enabled
# (compute, container), and those of `_ASKED_APIS` have no resource type to ask with.
_AGENT_APIS = {
    "cloudcomposer-accounts": "composer",
    "dataflow-service-producer-prod": "dataflow",
    "gcp-sa-artifactregistry": "artifactregistry",
    "gcp-sa-pubsub": "pubsub",
    "gcp-sa-secretmanager": "secretmanager",
}

_ASKED_APIS = {"bigquery-encryption": "bigquery", "gs-project-accounts": "storage"}
"""Agents that exist only after a call of their own API has asked for them."""


def account_email(account: ServiceAccount, project: str) -> str:
    """Address of the environment's service account, created or existing."""
    if account.email is not None:
        return account.email
    return service_account_email(account.name or "", project)


def account_resources(scope: Scope, account: ServiceAccount) -> list[Resource]:
    """The environment's service account when the file names one to create."""
    if account.name is None:
        return []
    return [
        Resource(
            name=ACCOUNT,
            type="gcp:serviceaccount/account:Account",
            parent=Group.IDENTITIES,
            inputs={
                "accountId": account.name,
                "project": scope.project,
                "displayName": f"Cloud Composer environment {scope.name}",
                **scope.description,
            },
            origin=("serviceAccount",),
            # Replaced only for another id, so the new account can be there before the environment that moves to it.
            fields={"accountId": ("serviceAccount", "name")},
        )
    ]


def identity_of(member: str) -> str | None:
    """Logical name of the identity resource that makes an agent exist; None when there is nothing to make."""
    domain = agent_domain(member)
    api = _AGENT_APIS.get(domain) if domain else None
    return None if api is None else f"identity-{api}"


def asked_api_of(member: str) -> str | None:
    """Logical name of the API that makes an agent when asked for it; None for every other member."""
    api = _ASKED_APIS.get(agent_domain(member) or "")
    return None if api is None else f"api-{api}"


def identity_resources(scope: Scope, members: Iterable[str]) -> list[Resource]:
    """One identity per service agent of this project among `members`.

    Without it the first binding of the agent's role fails: an allow policy takes only members that exist.
    """
    number = f"service-{scope.context.project_number}@"
    apis = sorted(
        {
            _AGENT_APIS[domain]
            for member in members
            if number in member and (domain := agent_domain(member)) in _AGENT_APIS
        }
    )
    return [
        Resource(
            name=f"identity-{api}",
            type="gcp:projects/serviceIdentity:ServiceIdentity",
            parent=Group.IDENTITIES,
            inputs={"project": scope.project, "service": f"{api}.googleapis.com"},
            origin=("project",),
            options=Options(depends_on=(f"api-{api}",), retain_on_delete=True),
        )
        for api in apis
    ]
