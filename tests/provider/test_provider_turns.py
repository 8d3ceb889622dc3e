"""Changes of one cluster or environment go one after the other, and wait for those of others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from emulated import PROJECT, REGION, EmulatorTransport, emulated_provider
from provider_fakes import CountingSleeper, FakeCloud, Notes, Sent, failed

from envctl.google.transport import Answer
from envctl.provider.protocol import Live, ProviderError
from envctl.provider.session import Session
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider
from envctl.provider.turns import Turns
from envctl.sandbox.cloud import Cloud

CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
ENVIRONMENT = "gcp:composer/environment:Environment"
CONFIG_MAP = "gcp:composer/userWorkloadsConfigMap:UserWorkloadsConfigMap"
LOCATION = f"projects/{PROJECT}/locations/{REGION}"
MANY = 6


@pytest.fixture
def emulator() -> Cloud:
    return Cloud()


@pytest.fixture
def sandbox(emulator: Cloud) -> SandboxProvider:
    provider = emulated_provider(emulator)
    for name in ("container", "composer", "compute"):
        inputs = {"service": f"{name}.googleapis.com"}
        provider.create("urn", "gcp:projects/service:Service", inputs, Notes().context(), preview=False)
    return provider


def made(provider: SandboxProvider, type_: str, given: dict[str, Any]) -> Live:
    inputs = provider.check("urn", type_, {}, given).inputs
    return provider.create("urn", type_, inputs, Notes().context(), preview=False)


def gone(provider: SandboxProvider, type_: str, live: Live) -> None:
    provider.delete("urn", type_, live.id, live.inputs, live.outputs, Notes().context())


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Every job in a thread of its own, all begun together."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        start.wait(10)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


def refused(emulator: Cloud) -> list[str]:
    return [item["method"] for item in emulator.requests if item["status"] == 400]


def cluster(provider: SandboxProvider) -> Live:
    given = {"name": "tasks", "location": REGION, "initialNodeCount": 1, "removeDefaultNodePool": True}
    return made(provider, CLUSTER, given | {"deletionProtection": False})


def pool_inputs(name: str) -> dict[str, Any]:
    return {"name": name, "location": REGION, "cluster": "tasks", "initialNodeCount": 1}


def environment(provider: SandboxProvider) -> Live:
    account = {"accountId": "composer", "project": PROJECT}
    made(provider, "gcp:serviceaccount/account:Account", account)
    email = f"composer@{PROJECT}.iam.gserviceaccount.com"
    software = {"imageVersion": "composer-3-airflow-2.10.5-build.10"}
    config = {"nodeConfig": {"serviceAccount": email}, "softwareConfig": software}
    return made(provider, ENVIRONMENT, {"name": "dev", "region": REGION, "config": config})


def test_pools_of_one_cluster_are_made_and_deleted_in_turn(sandbox: SandboxProvider, emulator: Cloud) -> None:
    cluster(sandbox)
    names = [f"pool-{number}" for number in range(MANY)]
    pools = at_once([lambda name=name: made(sandbox, POOL, pool_inputs(name)) for name in names])
    assert [pool.outputs["name"] for pool in pools] == names
    at_once([lambda pool=pool: gone(sandbox, POOL, pool) for pool in pools])
    assert refused(emulator) == []
    transport = EmulatorTransport(emulator)
    assert transport.call("GET", "container/v1", f"{LOCATION}/clusters/tasks/nodePools").body == {}


@pytest.mark.parametrize("type_", [CLUSTER, POOL])
def test_a_delete_waits_for_what_somebody_else_does(sandbox: SandboxProvider, emulator: Cloud, type_: str) -> None:
    live = {CLUSTER: cluster(sandbox), POOL: made(sandbox, POOL, pool_inputs("heavy"))}
    other = {"nodePool": {"name": "other", "initialNodeCount": 1}}
    answer = EmulatorTransport(emulator).call(
        "POST", "container/v1", f"{LOCATION}/clusters/tasks/nodePools", None, other
    )
    assert answer.status == 200
    gone(sandbox, type_, live[type_])
    assert sandbox.read("urn", type_, live[type_].id, {}, {}, Notes().context()) is None


def test_an_update_waits_for_an_update_of_somebody_else(sandbox: SandboxProvider, emulator: Cloud) -> None:
    live = environment(sandbox)
    name = f"{LOCATION}/environments/dev"
    body = {"config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.15"}}}
    mask = {"updateMask": "config.softwareConfig.imageVersion"}
    assert EmulatorTransport(emulator).call("PATCH", "composer/v1", name, mask, body).status == 200
    wanted = {**live.inputs, "labels": {"team": "data"}}
    sandbox.update("urn", ENVIRONMENT, live.id, live.inputs, live.outputs, wanted, Notes().context(), preview=False)
    after = EmulatorTransport(emulator).call("GET", "composer/v1", name).body
    assert after["labels"]["team"] == "data"
    assert after["config"]["softwareConfig"]["imageVersion"].endswith("build.15")


def test_an_environment_and_its_workloads_share_one_turn(sandbox: SandboxProvider, emulator: Cloud) -> None:
    live = environment(sandbox)
    held: list[tuple[str, set[str]]] = []

    class Watching(EmulatorTransport):
        def call(self, method: str, service: str, path: str, query: Any = None, body: Any = None) -> Any:
            if method != "GET":
                held.append((method, set(watched.turns.taken)))
            return super().call(method, service, path, query, body)

    watched = replace(sandbox, transport=Watching(emulator))
    wanted, context = {**live.inputs, "labels": {"team": "data"}}, Notes().context()
    watched.update("urn", ENVIRONMENT, live.id, live.inputs, live.outputs, wanted, context, preview=False)
    inputs = {"name": "settings", "region": REGION, "environment": "dev", "data": {"a": "b"}}
    config_map = made(watched, CONFIG_MAP, inputs)
    gone(watched, CONFIG_MAP, config_map)
    turn = {f"composer/v1beta1/{LOCATION}/environments/dev"}
    assert held == [("PATCH", turn), ("POST", turn), ("DELETE", turn)]
    assert watched.turns.taken == set()


def busy_cluster(times: int) -> FakeCloud:
    """A cluster that refuses so many deletions, then lets one through."""
    cloud = FakeCloud()
    path = "/container/v1beta1/projects/p1/locations/europe-west1/clusters/tasks"
    cloud.store[path] = {"name": "tasks", "status": "RECONCILING"}
    left = iter(range(times))

    def rule(request: Sent) -> Any:
        if request.method != "DELETE":
            return None
        if next(left, None) is not None:
            return failed(400, "FAILED_PRECONDITION", "Cluster is running incompatible operation operation-17.")
        return Answer(200, {"name": "operation-18", "status": "DONE"})

    cloud.rules.append(rule)
    return cloud


def delete_on(cloud: FakeCloud, sleeper: CountingSleeper, notes: Notes) -> None:
    provider = SandboxProvider(cloud, Settings(project="p1", region="europe-west1"), sleeper)
    id_ = "projects/p1/locations/europe-west1/clusters/tasks"
    known = {"name": "tasks", "location": "europe-west1", "project": "p1", "deletionProtection": False}
    provider.delete("urn", CLUSTER, id_, known, known, notes.context())


def test_pauses_grow_to_a_minute(sleeper: CountingSleeper) -> None:
    delete_on(busy_cluster(6), sleeper, Notes())
    assert sleeper.slept == [5, 10, 20, 40, 60, 60]


def test_after_an_hour_the_refusal_is_the_error(sleeper: CountingSleeper) -> None:
    with pytest.raises(ProviderError, match="incompatible operation operation-17"):
        delete_on(busy_cluster(1000), sleeper, Notes())
    assert 3600 <= sum(sleeper.slept) <= 3660


def test_an_interrupted_wait_sends_nothing_more() -> None:
    notes = Notes()

    class Interrupting(CountingSleeper):
        def sleep(self, seconds: float, cancel: threading.Event) -> None:
            cancel.set()

    cloud = busy_cluster(1)
    with pytest.raises(ProviderError, match="incompatible operation"):
        delete_on(cloud, Interrupting(), notes)
    assert [item.method for item in cloud.writes()] == ["DELETE"]


def test_other_refusals_come_at_once(sleeper: CountingSleeper) -> None:
    cloud = busy_cluster(0)
    cloud.rules.insert(0, lambda sent: failed(400, "FAILED_PRECONDITION", "no") if sent.method == "DELETE" else None)
    with pytest.raises(ProviderError, match="no"):
        delete_on(cloud, sleeper, Notes())
    assert sleeper.slept == []


def test_who_is_interrupted_before_his_turn_begins_nothing() -> None:
    turns, cancel = Turns(), threading.Event()
    cancel.set()
    with turns.take("a", threading.Event()), pytest.raises(ProviderError) as caught, turns.take("a", cancel):
        raise AssertionError
    assert caught.value.status == "ABORTED"
    with turns.take("a", cancel), turns.take("b", cancel):
        assert turns.taken == {"a", "b"}
    assert turns.taken == set()


def test_a_session_has_turns_of_its_own_unless_it_is_given_some(cloud: FakeCloud, sleeper: CountingSleeper) -> None:
    assert Session(cloud, sleeper, Notes().context()).turns.taken == set()
