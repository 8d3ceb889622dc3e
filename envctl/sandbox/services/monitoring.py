"""Cloud Monitoring, v3: alert policies, notification channels, and the time series of `monitoring_series`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import failed_precondition, invalid, not_found
from envctl.sandbox.masks import masked, split_mask
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services.monitoring_series import list_series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_POLICIES = "monitoring.alertPolicies"
_CHANNELS = "monitoring.notificationChannels"


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The methods of the API."""

    cloud: Cloud

    # -- alert policies -------------------------------------------------------------------------------

    def create_policy(self, call: Call) -> Json:
        """Make an alert policy; the server names it and its conditions."""
        self._check_policy(call, call.body)
        name = f"projects/{call['project']}/alertPolicies/{call.backend.new_id('alert')}"
        policy: Json = {"enabled": True, **call.body, "name": name, **self._records(call)}
        policy["conditions"] = self._named(call, name, call.body["conditions"])
        call.store.put(_POLICIES, name, policy)
        return policy

    def _check_policy(self, call: Call, policy: Mapping[str, Any]) -> None:
        for field in ("displayName", "combiner", "conditions"):
            if not policy.get(field):
                raise invalid(f"Field alert_policy.{field} had an invalid value: a value is required.")
        for channel in policy.get("notificationChannels", ()):
            if call.store.get(_CHANNELS, channel) is None:
                raise not_found(f"Notification channel {channel} does not exist.")

    def _named(self, call: Call, policy: str, conditions: list[Mapping[str, Any]]) -> list[Json]:
        return [
            {**condition, "name": condition.get("name") or f"{policy}/conditions/{call.backend.new_id('condition')}"}
            for condition in conditions
        ]

    def _records(self, call: Call) -> Json:
        record = {"mutateTime": call.now, "mutatedBy": call.principal.partition(":")[2]}
        return {"creationRecord": record, "mutationRecord": record}

    def _policy(self, call: Call) -> Mapping[str, Any]:
        name = f"projects/{call['project']}/alertPolicies/{call['policy']}"
        found = call.store.get(_POLICIES, name)
        if found is None:
            raise not_found(f"The alert policy {name} does not exist.")
        return found

    def get_policy(self, call: Call) -> Json:
        """An alert policy."""
        return dict(self._policy(call))

    def list_policies(self, call: Call) -> Json:
        """The alert policies of a project."""
        found = call.store.values(_POLICIES, f"projects/{call['project']}/alertPolicies/")
        shown = page(call, "alertPolicies", found)
        if found:
            shown["totalSize"] = len(found)
        return shown

    def patch_policy(self, call: Call) -> Json:
        """Change an alert policy; without a mask, all of it."""
        old = self._policy(call)
        paths = split_mask(call.query("updateMask"))
        fixed = {key: old[key] for key in ("name", "creationRecord")}
        new: Json = masked(old, call.body, paths) if paths else {"enabled": True, **call.body, **fixed}
        self._check_policy(call, new)
        new["conditions"] = self._named(call, old["name"], new["conditions"])
        new["mutationRecord"] = self._records(call)["mutationRecord"]
        call.store.put(_POLICIES, old["name"], new)
        return new

    def delete_policy(self, call: Call) -> Json:
        """Remove an alert policy."""
        call.store.delete(_POLICIES, self._policy(call)["name"])
        return {}

    # -- notification channels ------------------------------------------------------------------------

    def create_channel(self, call: Call) -> Json:
        """Make a notification channel."""
        if not call.body.get("type"):
            raise invalid("Field notification_channel.type had an invalid value: a value is required.")
        name = f"projects/{call['project']}/notificationChannels/{call.backend.new_id('channel')}"
        records = self._records(call)
        channel: Json = {
            "enabled": True,
            **call.body,
            "name": name,
            "creationRecord": records["creationRecord"],
            "mutationRecords": [records["mutationRecord"]],
        }
        call.store.put(_CHANNELS, name, channel)
        return channel

    def _channel(self, call: Call) -> Mapping[str, Any]:
        name = f"projects/{call['project']}/notificationChannels/{call['channel']}"
        found = call.store.get(_CHANNELS, name)
        if found is None:
            raise not_found(f"The notification channel {name} does not exist.")
        return found

    def get_channel(self, call: Call) -> Json:
        """A notification channel."""
        return dict(self._channel(call))

    def list_channels(self, call: Call) -> Json:
        """The notification channels of a project."""
        found = call.store.values(_CHANNELS, f"projects/{call['project']}/notificationChannels/")
        shown = page(call, "notificationChannels", found)
        if found:
            shown["totalSize"] = len(found)
        return shown

    def patch_channel(self, call: Call) -> Json:
        """Change a notification channel; without a mask, all of it."""
        old = self._channel(call)
        paths = split_mask(call.query("updateMask"))
        fixed = {key: old[key] for key in ("name", "creationRecord", "mutationRecords")}
        new: Json = masked(old, call.body, paths) if paths else {"enabled": True, **call.body, **fixed}
        new["mutationRecords"] = [*old["mutationRecords"], self._records(call)["mutationRecord"]]
        call.store.put(_CHANNELS, old["name"], new)
        return new

    def delete_channel(self, call: Call) -> Json:
        """Remove a notification channel; one in use only with `force`."""
        name = self._channel(call)["name"]
        users = [
            (key, policy)
            for key, policy in call.store.items(_POLICIES)
            if name in policy.get("notificationChannels", ())
        ]
        force = call.query("force") == "true"
        if users and not force:
            raise failed_precondition(f"The notification channel {name} is used by {users[0][0]}.")
        for key, policy in users:
            kept = [entry for entry in policy["notificationChannels"] if entry != name]
            call.store.put(_POLICIES, key, {**policy, "notificationChannels": kept})
        call.store.delete(_CHANNELS, name)
        return {}


def declare(cloud: Cloud) -> Service:
    """Cloud Monitoring on a cloud."""
    api = Monitoring(cloud)
    policies = "projects/{project}/alertPolicies"
    policy = policies + "/{policy}"
    channels = "projects/{project}/notificationChannels"
    channel = channels + "/{channel}"
    table = (
        ("alertPolicies.create", "POST", policies, api.create_policy),
        ("alertPolicies.list", "GET", policies, api.list_policies),
        ("alertPolicies.get", "GET", policy, api.get_policy),
        ("alertPolicies.patch", "PATCH", policy, api.patch_policy),
        ("alertPolicies.delete", "DELETE", policy, api.delete_policy),
        ("notificationChannels.create", "POST", channels, api.create_channel),
        ("notificationChannels.list", "GET", channels, api.list_channels),
        ("notificationChannels.get", "GET", channel, api.get_channel),
        ("notificationChannels.patch", "PATCH", channel, api.patch_channel),
        ("notificationChannels.delete", "DELETE", channel, api.delete_channel),
        ("timeSeries.list", "GET", "projects/{project}/timeSeries", list_series),
    )
    return Service(
        name="monitoring",
        hosts=("monitoring.googleapis.com",),
        prefixes=("monitoring",),
        bases={"v3": "v3"},
        api="monitoring.googleapis.com",
        routes=tuple(
            Route(
                f"monitoring.projects.{method}",
                verb,
                template,
                handler,
                f"monitoring.{method.replace('patch', 'update')}",
            )
            for method, verb, template, handler in table
        ),
    )
