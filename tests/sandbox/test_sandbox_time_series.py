"""Time series of the emulated Cloud Monitoring: the size of environments' databases."""

from __future__ import annotations

from typing import Any

import pytest

from envctl.errors import UsageError
from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request
from envctl.sandbox.services.monitoring_series import DATABASE_METRIC, DEFAULT_BYTES

PARENT = "projects/acme/locations/europe-west1"
NAME = f"{PARENT}/environments/prod"
FILTER = f'metric.type="{DATABASE_METRIC}"'
INTERVAL = {"interval.startTime": "2026-08-20T10:00:00Z", "interval.endTime": "2026-08-20T11:00:00Z"}


@pytest.fixture
def cloud() -> Cloud:
    """Two environments of one project; the bigger one is `prod`."""
    cloud = Cloud()
    config = {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}}
    accounts = "https://iam.googleapis.com/v1/projects/acme/serviceAccounts"
    requests: list[dict[str, Any]] = [{"method": "POST", "url": accounts, "body": {"accountId": "runner"}}]
    for name in ("prod", "test"):
        url = f"https://composer.googleapis.com/v1/{PARENT}/environments"
        body = {"name": f"{PARENT}/environments/{name}", "config": config}
        requests.append({"method": "POST", "url": url, "body": body})
    projects = [{"id": "acme", "apis": "all"}, {"id": "guest", "apis": "all"}]
    control.seed(cloud, {"projects": projects, "requests": requests, "databaseBytes": {NAME: 17 * 2**30}})
    return cloud


def ask(cloud: Cloud, project: str = "acme", **query: str) -> tuple[int, dict[str, Any]]:
    asked = {key: [value] for key, value in {"filter": FILTER, **INTERVAL, **query}.items() if value}
    request = Request("GET", "monitoring.googleapis.com", f"/v3/projects/{project}/timeSeries", asked, {}, b"")
    response = cloud.handle(request)
    return response.status, response.json()


def test_each_environment_is_a_series_with_a_point_a_minute(cloud: Cloud) -> None:
    status, answer = ask(cloud)
    assert status == 200
    sizes = {
        one["resource"]["labels"]["environment_name"]: {point["value"]["int64Value"] for point in one["points"]}
        for one in answer["timeSeries"]
    }
    assert sizes == {"prod": {str(17 * 2**30)}, "test": {str(DEFAULT_BYTES)}}
    ends = [point["interval"]["endTime"] for point in answer["timeSeries"][0]["points"]]
    assert (len(ends), ends[0], ends[-1]) == (60, "2026-08-20T11:00:00Z", "2026-08-20T10:01:00Z")


def test_a_filter_chooses(cloud: Cloud) -> None:
    for term, count in (
        ('resource.labels.environment_name="prod"', 1),
        ('resource.label.environment_name = "prod"', 1),
        ('resource.labels.location="europe-west1"', 2),
        ('resource.labels.location="us-east1"', 0),
        ('resource.type="cloud_composer_environment"', 2),
        ('resource.type="gce_instance"', 0),
    ):
        _, answer = ask(cloud, filter=f"{FILTER} AND {term}")
        assert len(answer.get("timeSeries", [])) == count, term
    assert ask(cloud, project="guest") == (200, {})


def test_a_view_a_page_and_an_instant(cloud: Cloud) -> None:
    _, headers = ask(cloud, view="HEADERS")
    assert "points" not in headers["timeSeries"][0]
    _, first = ask(cloud, pageSize="1")
    _, second = ask(cloud, pageSize="1", pageToken=first["nextPageToken"])
    assert [len(each["timeSeries"]) for each in (first, second)] == [1, 1]
    assert "nextPageToken" not in second
    _, instant = ask(cloud, **{"interval.startTime": ""})
    assert [point["interval"]["endTime"] for point in instant["timeSeries"][0]["points"]] == ["2026-08-20T11:00:00Z"]


def test_a_day_is_answered_whole(cloud: Cloud) -> None:
    status, answer = ask(cloud, **{"interval.startTime": "2026-08-19T11:00:00Z"})
    assert status == 200
    assert len(answer["timeSeries"][0]["points"]) == 24 * 60


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"filter": ""}, 400),
        ({"filter": 'resource.type="x"'}, 400),
        ({"filter": f'{FILTER} AND metric.type="other"'}, 400),
        ({"interval.endTime": ""}, 400),
        ({"interval.endTime": "yesterday"}, 400),
        ({"interval.endTime": "2026-08-20T11:00:00"}, 400),
        ({"interval.startTime": "2026-08-20T12:00:00Z"}, 400),
        ({"filter": 'metric.type="composer.googleapis.com/environment/healthy"'}, 501),
        ({"filter": f"{FILTER} OR {FILTER}"}, 501),
        ({"filter": f'{FILTER} AND resource.labels.location=starts_with("eu")'}, 501),
        ({"aggregation.alignmentPeriod": "60s"}, 501),
        ({"interval.startTime": "2026-08-19T10:59:00Z"}, 501),
        ({"interval.startTime": "2026-08-19T10:59:00Z", "view": "HEADERS"}, 501),
    ],
)
def test_what_is_wrong_or_not_there_is_refused(cloud: Cloud, query: dict[str, str], status: int) -> None:
    assert ask(cloud, **query)[0] == status


def test_the_permission_is_asked_for(cloud: Cloud) -> None:
    control.seed(cloud, {"faults": [{"kind": "deny", "permission": "monitoring.timeSeries.list"}]})
    assert ask(cloud)[0] == 403


@pytest.mark.parametrize("section", [{"prod": 1}, {NAME: "big"}, {NAME: -1}, {NAME: True}])
def test_a_seed_without_sense_is_refused(section: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        control.seed(Cloud(), {"databaseBytes": section})
