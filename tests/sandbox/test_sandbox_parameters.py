"""Query parameters: read, refused by name, or of no effect for a reason; nothing is ignored in silence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from discovery_judge import document_name
from discovery_tables import document, methods_of
from sandbox_client import Client
from test_sandbox_tables import AS_THE_PROVIDER_ASKS
from test_sandbox_tour import Tour, toured

from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.failures import ApiError
from envctl.sandbox.filters import selected
from envctl.sandbox.messages import Request, Response
from envctl.sandbox.parameters import honoured, without_effect
from envctl.sandbox.routing import Route, Service

SERVICES = Cloud().router.services
PAIRS = sorted(
    {
        (service.name, version, route.method)
        for service in SERVICES
        for route in service.routes
        for version in route.versions or service.bases.values()
        if (service.name, version) not in {("compute", "beta"), ("storage", "xml")}  # the XML API has no such document
        and (service.name, version, route.method) not in AS_THE_PROVIDER_ASKS
    }
)


def documented(service: str, version: str, method: str) -> dict[str, dict[str, Any]]:
    for entry in methods_of(document(document_name(service, version))):
        if entry["id"] == method:
            parameters = entry.get("parameters", {})
            return {name: spec for name, spec in parameters.items() if spec["location"] == "query"}
    return {}


class Watched(Mapping[str, Sequence[str]]):
    """A query that knows what was read of it."""

    def __init__(self, query: Mapping[str, Sequence[str]]) -> None:
        self.query, self.read = query, set[str]()

    def __getitem__(self, name: str) -> Sequence[str]:
        self.read.add(name)
        return self.query[name]

    def items(self) -> Any:
        """What the checks look at; not a read by a method."""
        return self.query.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self.query)

    def __len__(self) -> int:
        return len(self.query)


class WatchingClient(Client):
    reads: dict[str, set[str]]

    def call(self, method: str, url: str, body: object = None, **options: Any) -> Response:
        plain = Request.to(method, url, body=body, **options)
        watched = Watched(plain.query)
        request = Request(plain.method, plain.host, plain.path, watched, plain.headers, plain.body)
        response = self.cloud.handle(request)
        self.reads[self.cloud.requests[-1]["method"]] |= watched.read
        return response


def test_what_a_method_says_to_read_is_what_it_reads() -> None:
    reads: dict[str, set[str]] = defaultdict(set)
    tour = Tour(Cloud())
    tour.client = WatchingClient(tour.client.cloud)
    tour.client.reads = reads
    toured(tour)
    wrong = []
    for service, version, method in PAIRS:
        known = set(documented(service, version, method))
        declared = honoured(method) & known
        read = {name for name in reads[method] & known if not without_effect(method, name)}
        if declared != read and version not in {"upload", "download"}:
            wrong.append((method, version, sorted(declared - read), sorted(read - declared)))
    assert wrong == []


def value_of(spec: Mapping[str, Any]) -> str:
    """A value that asks for something."""
    if "enum" in spec:
        return spec["enum"][-1]
    if "duration" in spec.get("format", ""):
        return "60s"
    return {"boolean": "true", "integer": "7"}.get(spec["type"], "7" if "int" in spec.get("format", "") else "x")


def call(cloud: Cloud, service: str, version: str, method: str, query: str) -> Response:
    found: Service = next(entry for entry in SERVICES if entry.name == service)
    route: Route = next(entry for entry in found.routes if entry.method == method)
    base = next(base for base, meant in found.bases.items() if meant == version)
    path = re.sub(r"\{(\w+)\}", lambda match: "acme" if match[1] == "project" else "x", route.template)
    return cloud.handle(Request.to(route.verb, f"https://{found.hosts[0]}/{base}/{path}?{query}"))


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    made = Cloud()
    control.seed(made, {"projects": [{"id": "acme", "apis": "all"}]})
    return made


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_every_other_parameter_of_the_documents_is_refused_by_name(cloud: Cloud, pair: tuple[str, str, str]) -> None:
    method = pair[2]
    unknown = call(cloud, *pair, "colour=blue")
    assert unknown.status == 400
    assert 'Unknown name "colour": Cannot bind query parameter.' in unknown.json()["error"]["message"]
    for name, spec in documented(*pair).items():
        if name in honoured(method) or without_effect(method, name):
            continue
        refused = call(cloud, *pair, f"{name}={value_of(spec)}")
        assert refused.status == 501, name
        assert f"the parameter {name} of {method}" in refused.json()["error"]["message"]
        if spec["type"] == "boolean":
            assert call(cloud, *pair, f"{name}=false").status != 501


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("alt=json", 200),
        ("$alt=json;enum-encoding=int", 200),
        ("prettyPrint=false", 200),
        ("quotaUser=me&key=k&$.xgafv=2", 200),
        ("fields=accounts/email", 200),
        ("page_size=1", 200),
        ("pageSize=x", 400),
        ("pageSize=2147483648", 400),
        ("alt=proto", 501),
        ("callback=run", 501),
    ],
)
def test_parameters_that_all_methods_have(cloud: Cloud, query: str, status: int) -> None:
    response = call(cloud, "iam", "v1", "iam.projects.serviceAccounts.list", query)
    assert response.status == status, response.body


def test_a_token_may_come_as_a_parameter(cloud: Cloud) -> None:
    control.seed(cloud, {"tokens": {"t1": "user:ann@example.com"}})
    base = "https://monitoring.googleapis.com/v3/projects/acme/notificationChannels"
    made = cloud.handle(Request.to("POST", f"{base}?access_token=t1", body={"type": "email"})).json()
    assert made["creationRecord"]["mutatedBy"] == "ann@example.com"


# Filters

ITEMS = [
    {"name": "projects/1/secrets/alpha", "labels": {"env": "prod", "a.b": "c"}, "createTime": "2026-01-01T00:00:00Z"},
    {"name": "projects/1/secrets/beta", "labels": {"env": "dev"}, "size": 10, "tags": ["x", "y"]},
    {"name": "projects/1/secrets/gamma", "enabled": True, "size": 9, "createTime": "2026-06-01T00:00:00Z"},
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "alpha beta gamma"),
        ("name:alpha", "alpha"),
        ("name:ALPHA", "alpha"),
        ('name="projects/1/secrets/beta"', "beta"),
        ("name = projects/1/secrets/b*", "beta"),
        ("name != projects/1/secrets/beta", "alpha gamma"),
        ("labels.env=prod", "alpha"),
        ("labels.env:*", "alpha beta"),
        ("labels:env", "alpha beta"),
        ("labels.a.b=c", "alpha"),
        ("NOT labels.env=prod", "beta gamma"),
        ("-labels.env=prod", "beta gamma"),
        ("labels.env=prod OR labels.env=dev", "alpha beta"),
        ("labels.env=prod OR labels.env=dev AND name:beta", "beta"),
        ("(labels.env=prod) (name:alpha)", "alpha"),
        ("(labels.env=prod AND name:beta) OR size>9", "beta"),
        ("size>=9", "beta gamma"),
        ("size<10", "gamma"),
        ("create_time>2026-03-01T00:00:00Z", "gamma"),
        ("enabled=true", "gamma"),
        ("enabled=false", "alpha beta"),
        ("tags:y", "beta"),
        ("name eq .*/(alpha|gamma)", "alpha gamma"),
        ("name ne .*/alpha", "beta gamma"),
    ],
)
def test_filters_select(text: str, names: str) -> None:
    assert " ".join(item["name"].rpartition("/")[2] for item in selected(ITEMS, text)) == names


@pytest.mark.parametrize(
    "text", ["=", "name=", "(name:a", "name:a)", "a AND", "OR a=b", 'name="x', "name:(a)", "a ! b"]
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        selected(ITEMS, text)
    assert refused.value.http in {400, 501}


def test_bare_words_are_not_read() -> None:
    with pytest.raises(ApiError) as refused:
        selected(ITEMS, "alpha")
    assert refused.value.http == 501


def test_lists_of_secrets_and_keys_are_filtered(cloud: Cloud) -> None:
    client = Client(cloud)
    secrets = "https://secretmanager.googleapis.com/v1/projects/acme/secrets"
    for name in ("one", "two"):
        client.ok("POST", f"{secrets}?secretId={name}", {"replication": {"automatic": {}}, "labels": {"is": name}})
    listed = client.ok("GET", f"{secrets}?filter={quote('labels.is=two')}")
    assert [entry["name"].rpartition("/")[2] for entry in listed["secrets"]] == ["two"]
    assert listed["totalSize"] == 1
    rings = "https://cloudkms.googleapis.com/v1/projects/acme/locations/europe-west1/keyRings"
    for name in ("one", "two"):
        client.ok("POST", f"{rings}?keyRingId={name}", {})
    listed = client.ok("GET", f"{rings}?filter={quote('name:two')}")
    assert [entry["name"].rpartition("/")[2] for entry in listed["keyRings"]] == ["two"]
