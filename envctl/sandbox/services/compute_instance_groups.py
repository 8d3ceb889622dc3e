"""The groups of virtual machines behind node pools: Compute shows them, Kubernetes Engine makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.filters import selected
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route
from envctl.sandbox.services.compute_kinds import ROOT, missing
from envctl.sandbox.services.compute_places import REGIONS, aggregated, zones_of
from envctl.sandbox.services.container import POOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.messages import Json


@dataclass(frozen=True, slots=True)
class InstanceGroups:
    """The methods that read."""

    def list(self, call: Call) -> Json:
        """The groups of a zone."""
        where = f"projects/{call['project']}/zones/{call['zone']}/instanceGroupManagers"
        groups = selected(_groups(call, f"{ROOT}{where}/"), call.query("filter"))
        return {
            "kind": "compute#instanceGroupManagerList",
            "id": where,
            "selfLink": ROOT + where,
            **page(call, "items", groups, size_parameter="maxResults"),
        }

    def aggregated(self, call: Call) -> Json:
        """The groups of all zones."""
        groups = _groups(call, f"{ROOT}projects/{call['project']}/zones/")
        scopes = [f"zones/{zone}" for region in REGIONS for zone in zones_of(region)]
        return aggregated(call, "instanceGroupManager", "instanceGroupManagers", groups, scopes)

    def get(self, call: Call) -> Json:
        """One group."""
        path = f"projects/{call['project']}/zones/{call['zone']}/instanceGroupManagers/{call['name']}"
        found = [group for group in _groups(call, ROOT + path) if group["selfLink"] == ROOT + path]
        if not found:
            raise missing(path)
        return found[0]

    def routes(self) -> tuple[Route, ...]:
        """The routes of these methods."""
        many = "projects/{project}/zones/{zone}/instanceGroupManagers"
        right = "compute.instanceGroupManagers"
        return (
            Route(f"{right}.list", "GET", many, self.list, f"{right}.list", many),
            Route(
                f"{right}.aggregatedList",
                "GET",
                "projects/{project}/aggregated/instanceGroupManagers",
                self.aggregated,
                f"{right}.list",
                "projects/{project}",
            ),
            Route(f"{right}.get", "GET", many + "/{name}", self.get, f"{right}.get", many + "/{name}"),
        )


def _groups(call: Call, prefix: str) -> list[Json]:
    return [
        _group(url, pool)
        for pool in call.store.values(POOLS, f"projects/{call['project']}/")
        for url in pool["instanceGroupUrls"]
        if url.startswith(prefix)
    ]


def _group(url: str, pool: Mapping[str, Any]) -> Json:
    name = url.rpartition("/")[2]
    return {
        "kind": "compute#instanceGroupManager",
        "id": str(10**18 + int.from_bytes(name.encode(), "big") % (8 * 10**18)),
        "name": name,
        "zone": url.partition("/instanceGroupManagers/")[0],
        "baseInstanceName": name.removesuffix("-grp"),
        "instanceGroup": url.replace("/instanceGroupManagers/", "/instanceGroups/"),
        "targetSize": pool.get("initialNodeCount", 0),
        "status": {"isStable": pool["status"] == "RUNNING"},
        "selfLink": url,
    }
