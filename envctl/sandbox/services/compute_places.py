"""Regions and zones of Compute, and lists that go through all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.filters import selected
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route
from envctl.sandbox.services.compute_kinds import ROOT, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envctl.sandbox.backend import Call
    from envctl.sandbox.messages import Json

_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
# Google Cloud documentation, "Regions and zones", read 2026-08. A region that is not here is taken for one that is newer.
REGIONS: tuple[str, ...] = (
    "africa-south1",
    "asia-east1",
    "asia-east2",
    "asia-northeast1",
    "asia-northeast2",
    "asia-northeast3",
    "asia-south1",
    "asia-south2",
    "asia-southeast1",
    "asia-southeast2",
    "australia-southeast1",
    "australia-southeast2",
    "europe-central2",
    "europe-north1",
    "europe-north2",
    "europe-southwest1",
    "europe-west1",
    "europe-west10",
    "europe-west12",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "europe-west6",
    "europe-west8",
    "europe-west9",
    "me-central1",
    "me-central2",
    "me-west1",
    "northamerica-northeast1",
    "northamerica-northeast2",
    "northamerica-south1",
    "southamerica-east1",
    "southamerica-west1",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
    "us-west2",
    "us-west3",
    "us-west4",
)
# Regions whose zones are not a, b and c.
_ZONES: Mapping[str, str] = {"europe-west1": "bcd", "us-east1": "bcd", "us-central1": "abcf"}
# Default quotas of a new project; what a project really has differs.
_QUOTAS: Mapping[str, float] = {
    "CPUS": 72,
    "DISKS_TOTAL_GB": 40960,
    "SSD_TOTAL_GB": 5000,
    "STATIC_ADDRESSES": 8,
    "IN_USE_ADDRESSES": 8,
    "INSTANCES": 720,
}


def zones_of(region: str) -> tuple[str, ...]:
    """The names of a region's zones."""
    return tuple(f"{region}-{letter}" for letter in _ZONES.get(region, "abc"))


def quotas(limits: Mapping[str, float]) -> list[Json]:
    """Quotas as Compute shows them, nothing of them used."""
    return [{"metric": metric, "limit": limit, "usage": 0} for metric, limit in limits.items()]


@dataclass(frozen=True, slots=True)
class Places:
    """The methods on regions and zones."""

    def region(self, call: Call) -> Json:
        """A region with its zones and quotas."""
        name = call["region"]
        if not _REGION.fullmatch(name):
            raise missing(f"projects/{call['project']}/regions/{name}")
        return _region(call["project"], name)

    def regions(self, call: Call) -> Json:
        """All regions."""
        return _list(call, "region", [_region(call["project"], name) for name in REGIONS])

    def zone(self, call: Call) -> Json:
        """A zone."""
        region, _, letter = call["zone"].rpartition("-")
        if not _REGION.fullmatch(region) or f"{region}-{letter}" not in zones_of(region):
            raise missing(f"projects/{call['project']}/zones/{call['zone']}")
        return _zone(call["project"], call["zone"])

    def zones(self, call: Call) -> Json:
        """All zones."""
        return _list(call, "zone", [_zone(call["project"], zone) for region in REGIONS for zone in zones_of(region)])

    def routes(self) -> tuple[Route, ...]:
        """The routes of these methods."""
        one = "projects/{project}"
        table = (
            ("regions.get", f"{one}/regions/{{region}}", self.region),
            ("regions.list", f"{one}/regions", self.regions),
            ("zones.get", f"{one}/zones/{{zone}}", self.zone),
            ("zones.list", f"{one}/zones", self.zones),
        )
        return tuple(
            Route(f"compute.{method}", "GET", template, handler, f"compute.{method}", template)
            for method, template, handler in table
        )


def _list(call: Call, word: str, items: Sequence[Json]) -> Json:
    where = f"projects/{call['project']}/{word}s"
    shown = page(call, "items", selected(items, call.query("filter")), size_parameter="maxResults")
    return {"kind": f"compute#{word}List", "id": where, "selfLink": ROOT + where, **shown}


def _identifier(name: str) -> str:
    return str(1000 + int.from_bytes(name.encode(), "big") % 10**9)


def _region(project: str, name: str) -> Json:
    return {
        "kind": "compute#region",
        "id": _identifier(name),
        "name": name,
        "description": name,
        "status": "UP",
        "zones": [f"{ROOT}projects/{project}/zones/{zone}" for zone in zones_of(name)],
        "quotas": quotas(_QUOTAS),
        "selfLink": f"{ROOT}projects/{project}/regions/{name}",
    }


def _zone(project: str, name: str) -> Json:
    return {
        "kind": "compute#zone",
        "id": _identifier(name),
        "name": name,
        "description": name,
        "status": "UP",
        "region": f"{ROOT}projects/{project}/regions/{name.rpartition('-')[0]}",
        "selfLink": f"{ROOT}projects/{project}/zones/{name}",
    }


def aggregated(call: Call, word: str, key: str, found: Iterable[Mapping[str, Any]], scopes: Iterable[str]) -> Json:
    """A list of the resources of all scopes, by scope.

    Args:
        call: filter and page are read.
        word: as in `kind`, after `compute#`.
        key: field that holds the resources of a scope.
        found: resources of all scopes; their scope is read off `selfLink`.
        scopes: scopes (`regions/R`) that are shown even when they hold nothing.
    """
    where = f"projects/{call['project']}/aggregated/{key}"
    shown = page(call, "items", selected(list(found), call.query("filter")), size_parameter="maxResults")
    items: dict[str, Any] = {}
    for resource in shown.pop("items", []):
        scope = resource["selfLink"].partition(f"/projects/{call['project']}/")[2].partition(f"/{key}/")[0]
        items.setdefault(scope, {key: []})[key].append(resource)
    for scope in scopes:
        items.setdefault(scope, {"warning": _nothing(scope)})
    kind = f"compute#{word}AggregatedList"
    return {"kind": kind, "id": where, "selfLink": ROOT + where, "items": dict(sorted(items.items())), **shown}


def _nothing(scope: str) -> Json:
    return {
        "code": "NO_RESULTS_ON_PAGE",
        "message": f"There are no results for scope '{scope}' on this page.",
        "data": [{"key": "scope", "value": scope}],
    }
