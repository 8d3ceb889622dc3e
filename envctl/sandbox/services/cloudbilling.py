"""Cloud Billing, v1: which billing account pays for a project; Terraform's data source of projects asks for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.sandbox.failures import invalid
from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_COLLECTION = "billing"
_ACCOUNT = re.compile(r"billingAccounts/[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}")
# What pays for a project until somebody chooses another account.
_DEFAULT = "billingAccounts/000000-000000-000000"


@dataclass(frozen=True, slots=True)
class Billing:
    """The methods on projects."""

    cloud: Cloud

    def get(self, call: Call) -> Json:
        """Which account pays."""
        project = call["project"]
        account = (call.store.get(_COLLECTION, project) or {"account": _DEFAULT})["account"]
        shown: Json = {"name": f"projects/{project}/billingInfo", "projectId": project}
        if account:
            shown |= {"billingAccountName": account, "billingEnabled": True}
        return shown

    def update(self, call: Call) -> Json:
        """Choose the account that pays; an empty name switches billing off."""
        account = call.body.get("billingAccountName", "")
        if account and not _ACCOUNT.fullmatch(account):
            raise invalid("Request contains an invalid argument.")
        call.store.put(_COLLECTION, call["project"], {"account": account})
        return self.get(call)


def declare(cloud: Cloud) -> Service:
    """Cloud Billing on a cloud."""
    api = Billing(cloud)
    one = "projects/{project}/billingInfo"
    right = "resourcemanager.projects"
    return Service(
        name="cloudbilling",
        hosts=("cloudbilling.googleapis.com",),
        prefixes=("cloudbilling",),
        bases={"v1": "v1"},
        api="cloudbilling.googleapis.com",
        routes=(
            Route("cloudbilling.projects.getBillingInfo", "GET", one, api.get, f"{right}.get"),
            Route(
                "cloudbilling.projects.updateBillingInfo",
                "PUT",
                one,
                api.update,
                f"{right}.createBillingAssignment",
            ),
        ),
    )
