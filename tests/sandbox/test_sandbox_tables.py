"""Route tables and shipped tables against Google's discovery documents and clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from discovery_judge import document_name, method
from discovery_tables import APIS, DATA, build_enums, build_methods, document, path_of

from envctl.sandbox import encoding
from envctl.sandbox.cloud import Cloud

if TYPE_CHECKING:
    from envctl.sandbox.routing import Route, Service

SERVICES = {service.name: service for service in Cloud().router.services}
ROUTES = [(service, route) for service in SERVICES.values() for route in service.routes]


def versions(service: Service, route: Route) -> set[str]:
    return set(route.versions or service.bases.values())


def shape(path: str) -> str:
    return "/".join("{}" + part.rpartition("}")[2] if part.startswith("{") else part for part in path.split("/"))


def fits(theirs: str, ours: str) -> bool:
    """Whether our path is theirs, perhaps with a fixed word where theirs has a variable."""
    left, right = theirs.split("/"), ours.split("/")
    return len(left) == len(right) and all(
        part == own or (part.startswith("{}") and own.endswith(part[2:]) and not own.startswith("{}"))
        for part, own in zip(left, right, strict=True)
    )


AS_THE_PROVIDER_ASKS = {("serviceusage", "v1", "serviceusage.services.generateServiceIdentity")}
"""Not Google's: the real provider has one endpoint for Service Usage and asks it for agents, whatever its version."""


AS_THE_PATTERN_ALLOWS = {
    "projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}/cryptoKeyVersions/{version}:encrypt"
}
"""Paths that the document's pattern of `name` takes in and its flat path leaves out."""


def test_services_are_the_known_apis() -> None:
    assert set(SERVICES) == set(APIS)


@pytest.mark.parametrize(
    ("service", "route"), ROUTES, ids=[f"{route.verb} {service.name} {route.template}" for service, route in ROUTES]
)
def test_a_route_is_a_method_of_the_api(service: Service, route: Route) -> None:
    for version in versions(service, route):
        if (service.name, version, route.method) in AS_THE_PROVIDER_ASKS or version == "xml":
            continue  # the XML API of Cloud Storage, in which Go's client reads objects, has no such document
        found = method(service.name, version, route.method)
        assert found is not None, f"{route.method} is not in {document_name(service.name, version)}"
        name, entry = found
        # The parts of a resumable upload come by PUT (Cloud Storage documentation, "Resumable uploads").
        assert route.verb == entry["httpMethod"] or (route.verb, version) == ("PUT", "upload")
        bases = [base for base, meant in service.bases.items() if meant == version]
        ours = {shape(f"{base}/{route.template}") for base in bases}
        if version in {"upload", "download"}:
            ours = {path.partition("/")[2] for path in ours}
        if version == "beta":
            ours = {path.replace("compute/beta", "compute/v1") for path in ours}
        if route.template in AS_THE_PATTERN_ALLOWS:
            continue
        theirs = shape(path_of(document(name), entry))
        assert any(fits(theirs, path) for path in ours)


def test_the_shipped_names_of_methods_are_those_of_the_documents() -> None:
    assert json.loads((DATA / "methods.json").read_text()) == build_methods()


def test_the_shipped_numbers_of_enums_are_those_of_documents_and_clients() -> None:
    assert json.loads((DATA / "enums.json").read_text()) == build_enums()


def test_numbers_and_names_of_enums_are_each_others_inverse() -> None:
    get = "composer.projects.locations.environments.get"
    patch = "composer.projects.locations.environments.patch"
    named = {
        "state": "RUNNING",
        "config": {
            "environmentSize": "ENVIRONMENT_SIZE_MEDIUM",
            "privateEnvironmentConfig": {"networkingType": "PRIVATE"},
        },
    }
    numbered = encoding.numbers_of_enums("composer", get, named)
    assert numbered == {
        "state": 2,
        "config": {"environmentSize": 2, "privateEnvironmentConfig": {"networkingType": 1}},
    }
    assert encoding.names_of_enums("composer", patch, numbered) == named


def test_fields_keeps_only_what_is_named() -> None:
    answer = {"services": [{"name": "a", "state": "ENABLED", "config": {"name": "x", "title": "X"}}], "other": 1}
    assert encoding.only_fields(answer, "services/name,other") == {"services": [{"name": "a"}], "other": 1}
    assert encoding.only_fields(answer, "services(name,config/title)") == {
        "services": [{"name": "a", "config": {"title": "X"}}]
    }
    assert encoding.only_fields(answer, "*") == answer
