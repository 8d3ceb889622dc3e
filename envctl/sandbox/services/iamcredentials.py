"""IAM Service Account Credentials, v1: access tokens of service accounts for those who may act as them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from envctl.sandbox.failures import ApiError, Status, invalid, not_found
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services.iam import COLLECTION, full_name

if TYPE_CHECKING:
    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_RIGHT = "iam.serviceAccounts.getAccessToken"
_HOUR = timedelta(hours=1)
_LIFETIME = re.compile(r"(\d{1,9})(?:\.\d+)?s")


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """The methods of the API."""

    cloud: Cloud

    def access_token(self, call: Call) -> Json:
        """A token that stands for an account; the same one each time, since the sandbox lets no token run out.

        Raises:
            ApiError: the account is not there, the caller may not, the request is not valid or names `delegates`.
        """
        if call.body.get("delegates"):
            raise ApiError(Status.UNIMPLEMENTED, f"The sandbox does not implement delegates of {call.method}.")
        account = call.store.get(COLLECTION, call["account"])
        if account is None:
            raise not_found(f"Not found; Gaia id not found for email {call['account']}")
        self.cloud.access.require("iam", call.principal, _RIGHT, full_name(account))
        if not call.body.get("scope"):
            raise invalid("Request contains an invalid argument.")
        lifetime = _lifetime(call.body.get("lifetime", ""))
        email = account["email"]
        token = f"envctl-sandbox-{email}"
        if call.store.get("tokens", token) is None:
            call.store.put("tokens", token, {"principal": f"serviceAccount:{email}"})
        # By the clock of the client, which judges by its own when to ask again; the sandbox's stands still or leaps.
        ends = datetime.now(UTC) + lifetime
        return {"accessToken": token, "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _lifetime(text: str) -> timedelta:
    """A duration such as `3600s`; an hour at most, and when nothing is said."""
    if not text:
        return _HOUR
    found = _LIFETIME.fullmatch(text)
    asked = timedelta(seconds=int(found[1])) if found else timedelta(0)
    if not timedelta(0) < asked <= _HOUR:
        raise invalid("Request contains an invalid argument.")
    return asked


def declare(cloud: Cloud) -> Service:
    """IAM Credentials on a cloud."""
    api = AccountCredentials(cloud)
    return Service(
        name="iamcredentials",
        hosts=("iamcredentials.googleapis.com",),
        prefixes=("iamcredentials",),
        bases={"v1": "v1"},
        api="iamcredentials.googleapis.com",
        routes=(
            Route(
                "iamcredentials.projects.serviceAccounts.generateAccessToken",
                "POST",
                "projects/{project}/serviceAccounts/{account}:generateAccessToken",
                api.access_token,
            ),
        ),
    )
