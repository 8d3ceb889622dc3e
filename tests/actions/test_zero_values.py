"""Zero, empty and false are values: one `up` brings them to the cloud, and the next preview is empty."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from projects import call, plan, run, workspace_of, write_project
from pydantic import BaseModel

from envctl.actions.workspace import Workspace
from envctl.spec.model import Environment

PROJECT, REGION = "acme-data-dev", "europe-west1"
IMAGES = {3: "composer-3-airflow-2.10.5-build.10", 2: "composer-2.13.8-airflow-2.10.5"}
ACCOUNT = f"serviceAccount:composer-dev@{PROJECT}.iam.gserviceaccount.com"
PERSON = "user:ana@example.com"
NOBODY = [{"value": "192.0.2.0/32", "description": "Nobody: an address that no machine has"}]

Live = Callable[["Sandbox"], Any]


@dataclass(frozen=True)
class Sandbox:
    """Looks at the emulator behind envctl's back."""

    workspace: Workspace

    def get(self, path: str) -> Any:
        return call(self.workspace, "GET", path)

    def find(self, path: str, key: str, **wanted: Any) -> Any:
        """The first listed object with these fields, or None."""
        listed = self.get(path).get(key, [])
        return next((item for item in listed if all(item.get(name) == value for name, value in wanted.items())), None)

    @property
    def environment(self) -> Any:
        return self.get(f"composer/v1beta1/projects/{PROJECT}/locations/{REGION}/environments/dev")

    def members(self, path: str, role: str) -> list[str]:
        verb = "GET" if path.startswith(("storage/", "secretmanager/", "artifactregistry/")) else "POST"
        policy = call(self.workspace, verb, path, {} if verb == "POST" else None)
        return sorted(m for b in policy.get("bindings", []) if b["role"] == role for m in b["members"])


def config(path: str, absent: Any = None) -> Live:
    """A field of the live environment; `absent` is what proto3 means by leaving it out."""

    def look(sandbox: Sandbox) -> Any:
        found = sandbox.environment["config"]
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return absent if found is None else found

    return look


def bucket(path: str) -> Live:
    def look(sandbox: Sandbox) -> Any:
        found: Any = sandbox.get(f"storage/storage/v1/b/{PROJECT}-dev-lake")
        for key in path.split("."):
            found = found[int(key)] if isinstance(found, list) else (found or {}).get(key)
        return found

    return look


def bucket_members(role: str) -> Live:
    return lambda sandbox: sandbox.members(f"storage/storage/v1/b/{PROJECT}-dev-lake/iam", role)


def project_members(role: str) -> Live:
    return lambda sandbox: [m for m in sandbox.members(f"crm/v1/projects/{PROJECT}:getIamPolicy", role) if m == PERSON]


def pool(path: str) -> Live:
    def look(sandbox: Sandbox) -> Any:
        base = f"container/v1beta1/projects/{PROJECT}/locations/{REGION}/clusters/dev-tasks/nodePools"
        found: Any = sandbox.find(base, "nodePools", name="heavy")
        for key in path.split("."):
            found = (found or {}).get(key)
        return found

    return look


def airflow(kind: str, name: str) -> Live:
    def look(sandbox: Sandbox) -> Any:
        key = f"projects/{PROJECT}/locations/{REGION}/environments/dev"
        stored = sandbox.workspace.cloud.emulator().backend.store.get("composer.airflow", key) or {}
        return stored.get(kind, {}).get(name)

    return look


def user_workload(path: str) -> Live:
    base = f"composer/v1beta1/projects/{PROJECT}/locations/{REGION}/environments/dev"
    return lambda sandbox: sandbox.get(f"{base}/{path}").get("data", {})


def nat(sandbox: Sandbox) -> int:
    base = f"compute/compute/v1/projects/{PROJECT}/regions/{REGION}/routers"
    return sum(len(router.get("nats", [])) for router in sandbox.get(base).get("items", []))


def flow_logs(sandbox: Sandbox) -> bool:
    base = f"compute/compute/v1/projects/{PROJECT}/regions/{REGION}/subnetworks"
    listed = sandbox.get(base).get("items", [])
    return any((item.get("logConfig") or {}).get("enable", False) for item in listed)


def alerts(sandbox: Sandbox) -> int:
    return len(sandbox.get(f"monitoring/v3/projects/{PROJECT}/alertPolicies").get("alertPolicies", []))


@dataclass(frozen=True)
class Row:
    """One field: a value that is zero, empty, false or the least, another value, and where it is to be seen."""

    path: str
    zero: Any
    full: Any
    live: Live
    expected: Any
    generations: tuple[int, ...] = (2, 3)
    fixed: bool = False
    """Fixed at creation: not part of updates in place."""


COMMON = (
    Row("labels", {}, {"team": "data"}, lambda s: s.environment.get("labels", {}).get("team"), None),
    Row("airflow.config", {}, {"core-parallelism": "8"}, config("softwareConfig.airflowConfigOverrides", {}), {}),
    Row("airflow.env", {}, {"MODE": "x1"}, config("softwareConfig.envVariables", {}), {}),
    Row("airflow.variables", {"level": ""}, {"level": "7"}, airflow("variables", "level"), ""),
    Row(
        "airflow.pools.small",
        {"slots": 0, "description": "", "includeDeferred": False},
        {"slots": 4, "description": "few", "includeDeferred": True},
        airflow("pools", "small"),
        {"slots": 0, "description": "", "include_deferred": False},
    ),
    Row("packages.inline", {}, {"attrs": "==23.1.0"}, config("softwareConfig.pypiPackages", {}), {}),
    Row("workloads.worker.minCount", 1, 2, config("workloadsConfig.worker.minCount"), 1),
    Row("workloads.worker.maxCount", 2, 4, config("workloadsConfig.worker.maxCount"), 2),
    Row("workloads.scheduler.count", 1, 2, config("workloadsConfig.scheduler.count"), 1),
    Row("workloads.triggerer.count", 0, 2, config("workloadsConfig.triggerer.count", 0), 0),
    Row("network.vpc.nat", False, True, nat, 0),
    Row("network.vpc.flowLogs", False, True, flow_logs, False),
    Row("network.tags", [], ["a"], config("nodeConfig.tags", []), [], fixed=True),
    Row(
        "webServer.allowedRanges",
        [],
        [{"cidr": "203.0.113.0/24", "description": "office"}],
        config("webServerNetworkAccessControl.allowedIpRanges"),
        NOBODY,
    ),
    Row("buckets.lake.versioning", False, True, bucket("versioning.enabled"), False),
    Row("buckets.lake.lifecycle", [], [{"deleteAfterDays": 3}], bucket("lifecycle.rule"), None),
    Row("buckets.lake.access.objectAdmin", [], [PERSON], bucket_members("roles/storage.objectAdmin"), []),
    Row("buckets.lake.access.objectViewer", [], [PERSON], bucket_members("roles/storage.objectViewer"), []),
    Row("buckets.lake.access.objectCreator", [], [PERSON], bucket_members("roles/storage.objectCreator"), []),
    Row("buckets.lake.labels", {}, {"tier": "raw"}, bucket("labels.tier"), None),
    Row(
        "secrets.create.token.readers",
        [],
        ["environment"],
        lambda s: s.members(
            f"secretmanager/v1/projects/{PROJECT}/secrets/dev-token:getIamPolicy", "roles/secretmanager.secretAccessor"
        ),
        [],
    ),
    Row(
        "secrets.create.token.labels",
        {},
        {"tier": "raw"},
        lambda s: s.get(f"secretmanager/v1/projects/{PROJECT}/secrets/dev-token").get("labels", {}).get("tier"),
        None,
    ),
    Row("nodePools.heavy.min", 0, 1, pool("autoscaling.totalMinNodeCount"), None),
    Row("nodePools.heavy.max", 1, 3, pool("autoscaling.totalMaxNodeCount"), 1),
    Row("nodePools.heavy.spot", False, True, pool("config.spot"), None, fixed=True),
    Row("nodePools.heavy.diskGb", 10, 50, lambda s: int(pool("config.diskSizeGb")(s)), 10),
    Row("nodePools.heavy.labels", {}, {"tier": "raw"}, pool("config.labels"), {"managed-by": "envctl"}),
    Row(
        "nodePools.heavy.taints",
        [],
        [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}],
        pool("config.taints"),
        None,
    ),
    Row(
        "repository.readers",
        [],
        ["environment"],
        lambda s: s.members(
            f"artifactregistry/v1/projects/{PROJECT}/locations/{REGION}/repositories/python:getIamPolicy",
            "roles/artifactregistry.reader",
        ),
        [],
    ),
    Row("access.users", [], [PERSON], project_members("roles/composer.user"), []),
    Row(
        "retention.metadataDays",
        0,
        45,
        config("dataRetentionConfig.airflowMetadataRetentionConfig.retentionMode"),
        "RETENTION_MODE_DISABLED",
    ),
    Row(
        "retention.logDays",
        1,
        9,
        lambda s: s.get(f"logging/v2/projects/{PROJECT}/locations/global/buckets/_Default")["retentionDays"],
        1,
    ),
    Row(
        "snapshots.enabled", False, True, config("recoveryConfig.scheduledSnapshotsConfig.enabled", absent=False), False
    ),
    Row("monitoring.alerts", False, True, alerts, 0),
    Row("lineage", False, True, config("softwareConfig.cloudDataLineageIntegration.enabled", absent=False), False),
)


THREE = (
    Row("workloads.dagProcessor.count", 1, 2, config("workloadsConfig.dagProcessor.count"), 1, (3,)),
    Row("workloads.dagProcessor.storageGb", 0, 2, config("workloadsConfig.dagProcessor.storageGb", 0), 0, (3,)),
    Row("workloads.scheduler.storageGb", 0, 2, config("workloadsConfig.scheduler.storageGb", 0), 0, (3,)),
    Row("workloads.worker.storageGb", 0, 2, config("workloadsConfig.worker.storageGb", 0), 0, (3,)),
    Row("workloads.webServer.storageGb", 0, 2, config("workloadsConfig.webServer.storageGb", 0), 0, (3,)),
    Row("workloads.scheduler.cpu", 0.5, 1, config("workloadsConfig.scheduler.cpu"), 0.5, (3,)),
    Row("workloads.worker.cpu", 0.5, 2, config("workloadsConfig.worker.cpu"), 0.5, (3,)),
    Row("workloads.dagProcessor.cpu", 0.5, 2, config("workloadsConfig.dagProcessor.cpu"), 0.5, (3,)),
    Row("workloads.triggerer.cpu", 0.5, 1, config("workloadsConfig.triggerer.cpu"), 0.5, (3,)),
    Row("workloads.webServer.cpu", 1, 2, config("workloadsConfig.webServer.cpu"), 1, (3,)),
    Row("workloads.scheduler.memoryGb", 1, 2, config("workloadsConfig.scheduler.memoryGb"), 1, (3,)),
    Row("workloads.worker.memoryGb", 1, 2, config("workloadsConfig.worker.memoryGb"), 1, (3,)),
    Row("workloads.dagProcessor.memoryGb", 1, 2, config("workloadsConfig.dagProcessor.memoryGb"), 1, (3,)),
    Row("workloads.triggerer.memoryGb", 1, 2, config("workloadsConfig.triggerer.memoryGb"), 1, (3,)),
    Row("workloads.webServer.memoryGb", 2, 4, config("workloadsConfig.webServer.memoryGb"), 2, (3,)),
    Row(
        "network.privateBuildsOnly",
        False,
        True,
        config("privateEnvironmentConfig.enablePrivateBuildsOnly", absent=False),
        False,
        (3,),
    ),
    Row("webServer.plugins", False, True, config("softwareConfig.webServerPluginsMode"), "PLUGINS_DISABLED", (3,)),
    Row(
        "userWorkloads.configMaps.flags.data", {}, {"a": "1"}, user_workload("userWorkloadsConfigMaps/flags"), {}, (3,)
    ),
    Row(
        "userWorkloads.secrets.keys.data",
        {},
        {"a": {"env": "KEY_A"}},
        user_workload("userWorkloadsSecrets/keys"),
        {},
        (3,),
    ),
)

PRIVATE = "network.privateEnvironment"
TWO = (
    Row("workloads.scheduler.cpu", 0.5, 1, config("workloadsConfig.scheduler.cpu"), 0.5, (2,)),
    Row("workloads.worker.cpu", 0.5, 2, config("workloadsConfig.worker.cpu"), 0.5, (2,)),
    Row("workloads.triggerer.cpu", 0.5, 1, config("workloadsConfig.triggerer.cpu"), 0.5, (2,)),
    Row("workloads.webServer.cpu", 0.5, 1, config("workloadsConfig.webServer.cpu"), 0.5, (2,)),
    Row("workloads.scheduler.memoryGb", 0.5, 2, config("workloadsConfig.scheduler.memoryGb"), 0.5, (2,)),
    Row("workloads.worker.memoryGb", 0.5, 2, config("workloadsConfig.worker.memoryGb"), 0.5, (2,)),
    Row("workloads.triggerer.memoryGb", 0.5, 2, config("workloadsConfig.triggerer.memoryGb"), 0.5, (2,)),
    Row("workloads.webServer.memoryGb", 1, 2, config("workloadsConfig.webServer.memoryGb"), 1, (2,)),
    Row("workloads.scheduler.storageGb", 0.05, 2, config("workloadsConfig.scheduler.storageGb"), 0.05, (2,)),
    Row("workloads.worker.storageGb", 0.05, 2, config("workloadsConfig.worker.storageGb"), 0.05, (2,)),
    Row("workloads.webServer.storageGb", 0.05, 2, config("workloadsConfig.webServer.storageGb"), 0.05, (2,)),
    Row(
        "network.ipMasqAgent",
        False,
        True,
        config("nodeConfig.enableIpMasqAgent", absent=False),
        False,
        (2,),
        fixed=True,
    ),
    Row(
        f"{PRIVATE}.privateEndpoint",
        False,
        True,
        config("privateEnvironmentConfig.privateClusterConfig.enablePrivateEndpoint", absent=False),
        False,
        (2,),
        fixed=True,
    ),
    Row(
        f"{PRIVATE}.privatelyUsedPublicIps",
        False,
        True,
        config("privateEnvironmentConfig.enablePrivatelyUsedPublicIps", absent=False),
        False,
        (2,),
        fixed=True,
    ),
    Row(
        f"{PRIVATE}.authorizedNetworks",
        [],
        [{"cidr": "203.0.113.0/24"}],
        config("masterAuthorizedNetworksConfig"),
        {"enabled": True},
        (2,),
    ),
)

ROWS = (*COMMON, *THREE, *TWO)

ELSEWHERE: Mapping[str, str] = {
    "protect": "kept by the engine: no request carries it for the environment",
    "airflow.connections": "references to secrets, nothing is set",
    "airflow.pools": "covered by the fields of a pool",
    "packages.requirements": "files: the same packages as packages.inline",
    "packages.bundles": "files: the same packages as packages.inline",
    "packages.accept": "findings that are accepted; nothing in the cloud",
    "workloads.webServer.count": "refused: there is one web server",
    "workloads.triggerer.storageGb": "refused: triggerers have none",
    "encryption.key.rotationDays": "a key cannot be deleted, see test_the_shortest_rotation",
    "buckets": "covered by the fields of a bucket",
    "buckets.*.retain": "kept by the engine: decides what `destroy` does",
    "buckets.*.lifecycle.*.deleteAfterDays": "see test_ages_of_zero_days",
    "buckets.*.lifecycle.*.moveAfterDays": "see test_ages_of_zero_days",
    "buckets.*.lifecycle.*.keepNewerVersions": "see test_ages_of_zero_days",
    "secrets.create": "covered by the fields of a secret",
    "userWorkloads.secrets": "covered by the fields of a secret",
    "userWorkloads.configMaps": "covered by the fields of a config map",
    "integrations": "APIs and roles only",
    "nodePools": "covered by the fields of a pool",
    "access.operators": "the same road as access.users",
    "access.dagAuthors": "the same road as access.users",
    "access.deployers": "the same road as access.users",
    "iam.extraBindings": "the same road as access.users",
    "iam.extraBindings.*.members": "the same road as access.users",
    "maintenance.hours": "zero hours are refused",
    "maintenance.days": "no days are refused",
    "monitoring.channels": "see test_alerts_that_tell_nobody",
    "policies": "exceptions of policies; nothing in the cloud",
    "cost.monthlyLimitUsd": "a limit of a policy; nothing in the cloud",
    "adopted.labels": "says what an import left",
    "adopted.without": "says what an import left",
    "adopted.ignore": "says what an import left",
}
"""Fields that can be zero, empty or false and are in no row, with the reason."""


def _types(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _types(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _types(part)
    else:
        yield annotation


def zeroable(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every key that takes a number, a switch, a list or a mapping; `*` for names and places that the user chooses."""
    for name, item in model.model_fields.items():
        key = f"{path}{item.alias or name}"
        for kind in _types(item.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from zeroable(kind, f"{key}.")
            elif kind in (bool, int, float):
                yield key
            elif get_origin(kind) in (list, dict):
                yield key
                for element in _types(get_args(kind)[-1]):
                    if isinstance(element, type) and issubclass(element, BaseModel):
                        yield from zeroable(element, f"{key}.*.")


def _general(path: str) -> set[str]:
    """The schema's key for a row's path: names that the user chooses become `*`; a row of a whole pool covers its keys."""
    for chosen in ("airflow.pools.small", "buckets.lake", "secrets.create.token", "nodePools.heavy"):
        path = path.replace(chosen, chosen.rpartition(".")[0] + ".*")
    path = path.replace("userWorkloads.configMaps.flags", "userWorkloads.configMaps.*")
    path = path.replace("userWorkloads.secrets.keys", "userWorkloads.secrets.*")
    return {path, f"{path}.slots", f"{path}.includeDeferred"} if path == "airflow.pools.*" else {path}


def test_every_field_that_can_be_zero_is_looked_at_or_says_why_not() -> None:
    covered = {key for row in ROWS for key in _general(row.path)}
    fields = set(zeroable(Environment))
    assert fields - covered - ELSEWHERE.keys() == set()
    assert ELSEWHERE.keys() - fields == set()
    assert ELSEWHERE.keys() & covered == set()


def document(generation: int, values: Mapping[str, Any]) -> str:
    """An environment file with these values; JSON is YAML."""
    tree: dict[str, Any] = {
        "project": PROJECT,
        "region": REGION,
        "imageVersion": IMAGES[generation],
        "profile": "trial",
        "serviceAccount": {"name": "composer-dev"},
        "network": {"vpc": {"create": True, "pods": "10.20.0.0/16", "services": "10.30.0.0/20"}},
        "buckets": {"lake": {}},
        "secrets": {"backend": "kms-gcs", "create": {"token": {}}},
        "repository": {},
        "nodePools": {"heavy": {"machineType": "e2-standard-4"}},
        "snapshots": {"schedule": "0 3 * * *", "location": f"gs://{PROJECT}-dev-lake/snapshots"},
        "monitoring": {},
        "workloads": {
            "scheduler": {"cpu": 1, "memoryGb": 2, "storageGb": 1, "count": 1},
            "worker": {"cpu": 1, "memoryGb": 2, "storageGb": 1, "minCount": 1, "maxCount": 3},
            "webServer": {"cpu": 1, "memoryGb": 2, "storageGb": 1},
            "triggerer": {"cpu": 0.5, "memoryGb": 1, "count": 1},
        },
    }
    if generation == 2:
        tree["network"]["mode"] = "private"
        tree["network"]["privateEnvironment"] = {}
    for path, value in values.items():
        *parents, leaf = path.split(".")
        target = tree
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = value
    return json.dumps(tree, indent=1)


def rows_of(generation: int) -> list[Row]:
    return [row for row in ROWS if generation in row.generations]


def wrong_values(sandbox: Sandbox, rows: list[Row]) -> dict[str, tuple[Any, Any]]:
    """What the cloud holds and what it should hold, where the two differ."""
    found = {row.path: (row.live(sandbox), row.expected) for row in rows}
    return {path: pair for path, pair in found.items() if pair[0] != pair[1]}


def bring_up(workspace: Workspace) -> None:
    """One `up`, without the checks that ask a package index."""
    # Packages stand in the rows for their values; whether an image takes them is not the question.
    workspace.cloud.control("POST", "seed", {"settings": {"checksPackages": False}})
    applied = run(plan(workspace, "dev", gates=False))
    assert applied.outcome.value == "succeeded", (applied.failures, applied.error)


def changes_of(workspace: Workspace) -> list[str]:
    """What a second preview would still do."""
    found = plan(workspace, "dev", gates=False).plan
    return [step.title for step in found.steps] + [
        f"{change.action} {change.name} {[item.path for item in change.properties]}" for change in found.pending
    ]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_A", "s3cr3t-value")


@pytest.mark.parametrize("generation", [3, 2])
def test_a_new_environment_gets_zero_empty_and_false(generation: int, tmp_path: Path) -> None:
    rows = rows_of(generation)
    text = document(generation, {row.path: row.zero for row in rows})
    workspace = workspace_of(write_project(tmp_path, dev=text))
    bring_up(workspace)
    assert wrong_values(Sandbox(workspace), rows) == {}
    assert changes_of(workspace) == []


@pytest.mark.parametrize("generation", [3, 2])
def test_a_running_environment_gets_zero_empty_and_false(generation: int, tmp_path: Path) -> None:
    rows = [row for row in rows_of(generation) if not row.fixed]
    root = write_project(tmp_path, dev=document(generation, {row.path: row.full for row in rows}))
    bring_up(workspace_of(root))
    write_project(root, dev=document(generation, {row.path: row.zero for row in rows}))
    workspace = workspace_of(root)
    bring_up(workspace)
    assert wrong_values(Sandbox(workspace), rows) == {}
    assert changes_of(workspace) == []


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_mixture_of_zero_and_other_values_is_reached_in_one_up_from_any_other(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    generation = data.draw(st.sampled_from([2, 3]))
    rows = [row for row in rows_of(generation) if not row.fixed]
    before, after = (data.draw(st.sets(st.sampled_from([row.path for row in rows]))) for _ in range(2))
    root = tmp_path_factory.mktemp("mixture")
    for zeros in (before, after):
        values = {row.path: row.zero if row.path in zeros else row.full for row in rows}
        workspace = workspace_of(write_project(root, dev=document(generation, values)))
        bring_up(workspace)
        assert wrong_values(Sandbox(workspace), [row for row in rows if row.path in zeros]) == {}
        assert changes_of(workspace) == []


def test_ages_of_zero_days(tmp_path: Path) -> None:
    rules = [
        {"deleteAfterDays": 0, "keepNewerVersions": 1},
        {"moveAfterDays": 0, "storageClass": "COLDLINE"},
    ]
    workspace = workspace_of(
        write_project(tmp_path, dev=document(3, {"buckets.lake.lifecycle": rules, "buckets.lake.versioning": True}))
    )
    bring_up(workspace)
    live = bucket("lifecycle.rule")(Sandbox(workspace))
    assert [rule["condition"].get("age") for rule in live] == [0, 0]
    assert live[0]["condition"]["numNewerVersions"] == 1
    assert changes_of(workspace) == []


def test_the_shortest_rotation(tmp_path: Path) -> None:
    key = {"encryption.key": {"create": True, "rotationDays": 1}}
    workspace = workspace_of(write_project(tmp_path, dev=document(3, key)))
    bring_up(workspace)
    ring = Sandbox(workspace).get(f"kms/v1/projects/{PROJECT}/locations/{REGION}/keyRings")["keyRings"][0]["name"]
    keys = Sandbox(workspace).get(f"kms/v1/{ring}/cryptoKeys")["cryptoKeys"]
    assert [item["rotationPeriod"] for item in keys] == ["86400s"]
    assert changes_of(workspace) == []


def test_alerts_that_tell_nobody(tmp_path: Path) -> None:
    project = workspace_of(write_project(tmp_path))
    call(project, "POST", f"serviceusage/v1/projects/{PROJECT}/services/monitoring.googleapis.com:enable", {})
    made = call(project, "POST", f"monitoring/v3/projects/{PROJECT}/notificationChannels", {"type": "email"})
    channel = made["name"]
    for told, expected in (([channel], {channel}), ([], set())):
        text = document(3, {"monitoring.alerts": True, "monitoring.channels": told})
        workspace = workspace_of(write_project(tmp_path, dev=text))
        bring_up(workspace)
        listed = Sandbox(workspace).get(f"monitoring/v3/projects/{PROJECT}/alertPolicies")["alertPolicies"]
        assert {name for item in listed for name in item.get("notificationChannels", [])} == expected
        assert changes_of(workspace) == []
