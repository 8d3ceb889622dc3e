"""Updates that the cloud refused, on both engines: the same marks in the state, sent again by both."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from pulumi_resources import ENVIRONMENT, Declared, account, bucket, member
from pulumi_twins import Twins, collect_quietly, names, needs_cli, use_cli

pytestmark = [*needs_cli]

WORKLOAD_SECRET = "gcp:composer/userWorkloadsSecret:UserWorkloadsSecret"
REFUSED = {
    "crm": "composer.projects.locations.environments.userWorkloadsSecrets.update",
    "files": "storage.buckets.patch",
}


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    use_cli(monkeypatch, tmp_path / "home")
    yield Twins(tmp_path)
    collect_quietly()


def program(token: str = "first", team: str = "data") -> None:
    bucket("files", labels={"team": team})
    software = {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"}}
    who = account("runner")
    worker = member("worker", who.member)
    config = {**software, "nodeConfig": {"serviceAccount": who.email}}
    environment = Declared(ENVIRONMENT, "environment", {"name": "dev", "config": config}, depends_on=[worker])
    data = pulumi.Output.secret({"token": base64.b64encode(token.encode()).decode(), "user": "ZW52Y3Rs"})
    Declared(WORKLOAD_SECRET, "crm", {"name": "crm", "environment": "dev", "data": data}, depends_on=[environment])


@pytest.mark.parametrize("refresh", [True, False])
@pytest.mark.parametrize(("logical", "edit"), [("crm", {"token": "second"}), ("files", {"team": "gold"})])
def test_both_engines_send_a_refused_update_again(
    twins: Twins, logical: str, edit: dict[str, str], refresh: bool
) -> None:
    edited = lambda: program(**edit)  # noqa: E731
    twins.up(program)
    for side in twins.sides:
        side.cloud.faults.add(
            {"kind": "fail", "method": REFUSED[logical], "status": "INVALID_ARGUMENT", "message": "no"}
        )
    twins.up(edited, fails=True)
    twins.compare_states()
    marked = {urn.rpartition("::")[2] for urn, row in twins.real.rows().items() if row.get("initErrors")}
    assert marked == {logical}
    twins.preview(edited, refresh=refresh)
    assert twins.embedded.folded().drift == twins.real.folded().drift == ()
    assert names(twins.real.steps) == [("update", logical)]
    twins.up(edited, refresh=refresh)
    assert names(twins.real.steps) == [("update", logical)]
    assert twins.is_empty(edited)
    twins.preview(edited, refresh=True)
    assert names(twins.real.steps) == []
