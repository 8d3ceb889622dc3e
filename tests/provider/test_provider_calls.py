"""Retries, waits, conflicts, and what is left when a call fails."""

from __future__ import annotations

from typing import Any

import pytest
from provider_fakes import CountingSleeper, FakeCloud, Notes, Sent, failed
from provider_stub import stub_cloud

from envctl.google.operations import OperationStyle, Polling
from envctl.google.transport import Answer
from envctl.provider.protocol import OperationDetached, ProviderError
from envctl.provider.session import Session
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider

ENVIRONMENT = "gcp:composer/environment:Environment"
INPUTS = {
    "name": "env",
    "region": "europe-west1",
    "config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.4", "pypiPackages": {"a": ""}}},
}
MEMBER = {"project": "p1", "role": "roles/composer.worker", "member": "user:a@example.com"}


def provider_on(cloud: FakeCloud, sleeper: CountingSleeper | None = None) -> SandboxProvider:
    return SandboxProvider(cloud, Settings(project="p1", region="europe-west1"), sleeper or CountingSleeper())


def answers(cloud: FakeCloud, *given: Answer, method: str = "GET", part: str = "") -> list[Answer]:
    waiting = list(given)

    def rule(sent: Sent) -> Answer | None:
        return waiting.pop(0) if waiting and sent.method == method and part in sent.path else None

    cloud.rules.insert(0, rule)
    return waiting


@pytest.mark.parametrize("status", [429, 503])
def test_quota_and_availability_are_retried(cloud: FakeCloud, sleeper: CountingSleeper, status: int) -> None:
    answers(
        cloud, failed(status, "UNAVAILABLE", "later"), failed(status, "UNAVAILABLE", "later"), Answer(200, {"a": 1})
    )
    assert Session(cloud, sleeper, Notes().context()).send("GET", "kms/v1", "x") == {"a": 1}
    first, second = sleeper.slept
    assert 0.5 <= first <= 1.0 <= second <= 2.0


def test_other_errors_come_at_once_in_the_apis_words(cloud: FakeCloud, sleeper: CountingSleeper) -> None:
    answers(cloud, failed(403, "PERMISSION_DENIED", "Permission 'x' denied"))
    with pytest.raises(ProviderError, match="Permission 'x' denied") as caught:
        Session(cloud, sleeper, Notes().context()).send("GET", "kms/v1", "x")
    assert (caught.value.status, caught.value.method, sleeper.slept) == ("PERMISSION_DENIED", "GET kms/v1/x", [])


def test_errors_without_a_status_are_named_by_their_code(cloud: FakeCloud) -> None:
    answers(cloud, Answer(409, {"error": {"code": 409, "message": "The bucket exists", "errors": []}}))
    with pytest.raises(ProviderError, match="The bucket exists") as caught:
        Session(cloud, CountingSleeper(), Notes().context()).send("GET", "storage/storage/v1", "b")
    assert caught.value.status == "ALREADY_EXISTS"


@pytest.mark.parametrize("body", [None, "<html>proxy</html>", {}])
def test_an_answer_that_is_not_googles_is_an_error_too(cloud: FakeCloud, body: Any) -> None:
    answers(cloud, *[Answer(502, body)] * 20)
    with pytest.raises(ProviderError) as caught:
        Session(cloud, CountingSleeper(), Notes().context()).send("GET", "kms/v1", "x")
    assert caught.value.status == "HTTP 502"


def test_each_poll_is_noted(cloud: FakeCloud, sleeper: CountingSleeper, notes: Notes) -> None:
    running = {"name": "operations/op", "metadata": {"state": "RUNNING"}}
    answers(cloud, Answer(200, running), Answer(200, {"name": "operations/op", "done": True, "response": {"x": 1}}))
    session = Session(cloud, sleeper, notes.context())
    assert session.wait(OperationStyle.GOOGLE, "composer/v1beta1", running, polling=Polling(first=5)) == {"x": 1}
    assert notes.lines == [
        ("operations/op", "RUNNING", 0.0),
        ("operations/op", "RUNNING", 5.0),
        ("operations/op", "DONE", 15.0),
    ]


def test_an_operation_that_never_ends_is_given_up(cloud: FakeCloud, notes: Notes) -> None:
    running = {"name": "operations/op", "metadata": {}}
    cloud.rules.append(lambda sent: Answer(200, running))
    session = Session(cloud, CountingSleeper(), notes.context())
    with pytest.raises(ProviderError, match="did not end within 1 minutes"):
        session.wait(OperationStyle.GOOGLE, "composer/v1beta1", running, polling=Polling(give_up=60))


@pytest.mark.parametrize(
    ("style", "operation", "text"),
    [
        (OperationStyle.GOOGLE, {"name": "o", "done": True, "error": {"code": 9, "message": "no quota"}}, "no quota"),
        (
            OperationStyle.COMPUTE,
            {"name": "o", "status": "DONE", "error": {"errors": [{"code": "IN_USE", "message": "in use"}]}},
            "in use",
        ),
        (OperationStyle.CONTAINER, {"name": "o", "status": "DONE", "error": {"code": 3, "message": "bad"}}, "bad"),
    ],
)
def test_failed_operations_tell_why(
    cloud: FakeCloud, style: OperationStyle, operation: dict[str, Any], text: str
) -> None:
    with pytest.raises(ProviderError, match=text):
        Session(cloud, CountingSleeper(), Notes().context()).wait(style, "x", operation, "projects/p1/global")


def test_an_interrupt_leaves_the_operation_running(notes: Notes) -> None:
    cloud = stub_cloud()

    class Interrupting(CountingSleeper):
        def sleep(self, seconds: float, cancel: Any) -> None:
            cancel.set()

    with pytest.raises(OperationDetached) as caught:
        provider_on(cloud, Interrupting()).create("urn", ENVIRONMENT, INPUTS, notes.context(), preview=False)
    assert caught.value.operation.endswith("/operations/0000")
    assert caught.value.partial is not None
    assert caught.value.partial.id == "projects/p1/locations/europe-west1/environments/env"


def test_a_failed_create_reports_the_environment_that_is_left() -> None:
    cloud = stub_cloud()
    answers(
        cloud,
        Answer(200, {"name": "o", "done": True, "error": {"code": 13, "message": "Internal error"}}),
        part="/operations/",
    )
    with pytest.raises(ProviderError, match="Internal error") as caught:
        provider_on(cloud).create("urn", ENVIRONMENT, INPUTS, Notes().context(), preview=False)
    assert caught.value.partial is not None
    assert caught.value.partial.id == "projects/p1/locations/europe-west1/environments/env"
    assert caught.value.partial.outputs["name"] == "env"


def test_a_failed_create_that_left_nothing_has_no_partial() -> None:
    cloud = stub_cloud()
    answers(cloud, *[failed(500, "INTERNAL", "boom")] * 20, method="POST", part="/environments")
    with pytest.raises(ProviderError, match="boom") as caught:
        provider_on(cloud).create("urn", ENVIRONMENT, INPUTS, Notes().context(), preview=False)
    assert caught.value.partial is None


def test_unknown_inputs_never_reach_the_cloud(cloud: FakeCloud) -> None:
    from envctl.plan.values import Opaque

    inputs = {**MEMBER, "member": Opaque.UNKNOWN}
    with pytest.raises(ProviderError, match="not all known"):
        provider_on(cloud).create("urn", "gcp:projects/iAMMember:IAMMember", inputs, Notes().context(), preview=False)
    assert cloud.sent == []


def test_a_concurrent_policy_change_is_read_again() -> None:
    cloud, sleeper = stub_cloud(), CountingSleeper()
    answers(cloud, failed(409, "ABORTED", "There were concurrent policy changes"), method="POST", part=":setIamPolicy")
    live = provider_on(cloud, sleeper).create(
        "urn", "gcp:projects/iAMMember:IAMMember", MEMBER, Notes().context(), preview=False
    )
    assert live.id == "p1/roles/composer.worker/user:a@example.com"
    assert sleeper.slept == [1.0]
    assert [item.path.rsplit(":", 1)[-1] for item in cloud.sent] == [
        "getIamPolicy",
        "setIamPolicy",
        "getIamPolicy",
        "setIamPolicy",
        "getIamPolicy",
    ]


def test_a_policy_that_always_conflicts_is_an_error() -> None:
    cloud = stub_cloud()
    conflict = failed(409, "ABORTED", "There were concurrent policy changes")
    answers(cloud, *[conflict] * 20, method="POST", part=":setIamPolicy")
    with pytest.raises(ProviderError, match="concurrent policy changes"):
        provider_on(cloud).create("urn", "gcp:projects/iAMMember:IAMMember", MEMBER, Notes().context(), preview=False)


def test_members_of_others_conditions_and_audit_settings_survive() -> None:
    cloud = stub_cloud()
    condition = {"title": "weekdays", "expression": "request.time.getDayOfWeek() < 6"}
    policy = {
        "etag": "e1",
        "version": 3,
        "auditConfigs": [{"service": "allServices"}],
        "bindings": [
            {"role": "roles/viewer", "members": ["user:b@example.com"]},
            {"role": "roles/composer.worker", "members": ["user:b@example.com"], "condition": condition},
        ],
    }
    cloud.store["/crm/v1/projects/p1#policy"] = policy
    provider, token = provider_on(cloud), "gcp:projects/iAMMember:IAMMember"
    plain = provider.create("urn", token, MEMBER, Notes().context(), preview=False)
    conditional = provider.create("urn", token, {**MEMBER, "condition": condition}, Notes().context(), preview=False)
    assert conditional.id == "p1/roles/composer.worker/user:a@example.com/weekdays"
    after = cloud.store["/crm/v1/projects/p1#policy"]
    assert after["auditConfigs"] == policy["auditConfigs"]
    assert after["bindings"] == [
        {"role": "roles/composer.worker", "members": ["user:a@example.com"]},
        {
            "role": "roles/composer.worker",
            "members": ["user:a@example.com", "user:b@example.com"],
            "condition": condition,
        },
        {"role": "roles/viewer", "members": ["user:b@example.com"]},
    ]
    provider.delete("urn", token, plain.id, MEMBER, plain.outputs, Notes().context())
    provider.delete("urn", token, conditional.id, {**MEMBER, "condition": condition}, {}, Notes().context())
    assert cloud.store["/crm/v1/projects/p1#policy"]["bindings"] == [
        {"role": "roles/composer.worker", "members": ["user:b@example.com"], "condition": condition},
        {"role": "roles/viewer", "members": ["user:b@example.com"]},
    ]


def test_a_neighbours_binding_is_no_drift() -> None:
    cloud = stub_cloud()
    provider, token = provider_on(cloud), "gcp:projects/iAMMember:IAMMember"
    live = provider.create("urn", token, MEMBER, Notes().context(), preview=False)
    cloud.store["/crm/v1/projects/p1#policy"]["etag"] = "changed by somebody else"
    read = provider.read("urn", token, live.id, MEMBER, live.outputs, Notes().context())
    assert read == live


def test_a_new_account_may_flap() -> None:
    cloud, sleeper = stub_cloud(), CountingSleeper()
    missing = failed(404, "NOT_FOUND", "Service account x does not exist.")
    answers(cloud, missing, missing, part="/serviceAccounts/composer@")
    inputs = {"accountId": "composer"}
    live = provider_on(cloud, sleeper).create(
        "urn", "gcp:serviceaccount/account:Account", inputs, Notes().context(), preview=False
    )
    assert live.outputs["email"] == "composer@p1.iam.gserviceaccount.com"
    assert sleeper.slept == [1.0, 2.0]


def test_the_address_of_an_account_is_known_at_preview(provider: SandboxProvider) -> None:
    planned = provider.create(
        "urn", "gcp:serviceaccount/account:Account", {"accountId": "composer"}, Notes().context(), preview=True
    )
    assert planned.outputs["email"] == "composer@p1.iam.gserviceaccount.com"
    assert planned.outputs["member"] == "serviceAccount:composer@p1.iam.gserviceaccount.com"


@pytest.mark.parametrize(("disable", "calls"), [(True, 1), (False, 0), (None, 0)])
def test_an_api_is_disabled_only_when_asked(*, disable: bool | None, calls: int) -> None:
    cloud = stub_cloud()
    inputs = {"service": "composer.googleapis.com"} | ({} if disable is None else {"disableOnDestroy": disable})
    token = "gcp:projects/service:Service"
    provider_on(cloud).delete("urn", token, "p1/composer.googleapis.com", inputs, {}, Notes().context())
    assert len([item for item in cloud.sent if item.path.endswith(":disable")]) == calls


@pytest.mark.parametrize(("policy", "calls"), [("DELETE", 1), ("ABANDON", 0)])
def test_a_deletion_policy_decides(cloud: FakeCloud, policy: str, calls: int) -> None:
    inputs = {"name": "n", "deletionPolicy": policy}
    provider_on(cloud).delete(
        "urn", "gcp:compute/network:Network", "projects/p1/global/networks/n", inputs, {}, Notes().context()
    )
    assert len(cloud.writes()) == calls


def test_a_deletion_policy_prevents(cloud: FakeCloud) -> None:
    inputs = {"name": "n", "deletionPolicy": "PREVENT"}
    with pytest.raises(ProviderError, match="PREVENT"):
        provider_on(cloud).delete(
            "urn", "gcp:compute/network:Network", "projects/p1/global/networks/n", inputs, {}, Notes().context()
        )
    assert cloud.sent == []


def test_a_full_bucket_needs_force_destroy() -> None:
    cloud = stub_cloud()
    answers(cloud, Answer(200, {"items": [{"name": "dags/a.py", "generation": "7"}]}), part="/o")
    with pytest.raises(ProviderError, match="without forceDestroy"):
        provider_on(cloud).delete(
            "urn", "gcp:storage/bucket:Bucket", "b", {"name": "b", "location": "EU"}, {}, Notes().context()
        )
    answers(cloud, Answer(200, {"items": [{"name": "dags/a.py", "generation": "7"}]}), part="/o")
    inputs = {"name": "b", "location": "EU", "forceDestroy": True}
    provider_on(cloud).delete("urn", "gcp:storage/bucket:Bucket", "b", inputs, {}, Notes().context())
    assert [(item.method, item.path) for item in cloud.writes()] == [
        ("DELETE", "/storage/storage/v1/b/b/o/dags%2Fa.py"),
        ("DELETE", "/storage/storage/v1/b/b"),
    ]


def test_a_protected_cluster_stays(cloud: FakeCloud) -> None:
    with pytest.raises(ProviderError, match="deletionProtection"):
        provider_on(cloud).delete(
            "urn", "gcp:container/cluster:Cluster", "c", {"name": "c", "location": "l"}, {}, Notes().context()
        )
    assert cloud.sent == []


def test_ignored_packages_survive_other_updates() -> None:
    cloud = stub_cloud()
    provider, context = provider_on(cloud), Notes().context()
    made = provider.create("urn", ENVIRONMENT, INPUTS, context, preview=False)
    wanted = {
        **INPUTS,
        "config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"}},
    }
    start = len(cloud.sent)
    ignored = ("config.softwareConfig.pypiPackages",)
    live = provider.update(
        "urn", ENVIRONMENT, made.id, INPUTS, made.outputs, wanted, context, preview=False, ignore_changes=ignored
    )
    patches = [(item.query, item.body) for item in cloud.sent[start:] if item.method == "PATCH"]
    image = {"config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"}}}
    assert patches == [({"updateMask": "config.softwareConfig.imageVersion"}, image)]
    assert live.outputs["config"]["softwareConfig"]["pypiPackages"] == {"a": ""}


def test_a_network_moves_in_two_steps() -> None:
    cloud = stub_cloud()
    provider, context = provider_on(cloud), Notes().context()
    made = provider.create("urn", ENVIRONMENT, INPUTS, context, preview=False)
    node = {"network": "projects/p1/global/networks/n", "subnetwork": "projects/p1/regions/r/subnetworks/s"}
    wanted = {**INPUTS, "config": {**INPUTS["config"], "nodeConfig": node}}  # type: ignore[dict-item]
    start = len(cloud.sent)
    provider.update("urn", ENVIRONMENT, made.id, INPUTS, made.outputs, wanted, context, preview=False)
    bodies = [item.body["config"] for item in cloud.sent[start:] if item.method == "PATCH"]
    assert bodies == [{"nodeConfig": {}}, {"nodeConfig": node}]


def test_missing_project_is_named() -> None:
    provider = SandboxProvider(FakeCloud(), Settings(), CountingSleeper())
    with pytest.raises(ProviderError, match="project is not given"):
        provider.create("urn", "gcp:compute/network:Network", {"name": "n"}, Notes().context(), preview=False)


def test_an_update_that_stops_half_way_reports_what_took_effect() -> None:
    cloud = stub_cloud()
    provider, context = provider_on(cloud), Notes().context()
    made = provider.create("urn", ENVIRONMENT, INPUTS, context, preview=False)
    software = {
        "imageVersion": "composer-3-airflow-2.10.5-build.10",
        "envVariables": {"STAGE": "dev"},
        "pypiPackages": {"a": ""},
    }
    wanted = {**INPUTS, "config": {"softwareConfig": software}}

    def refuse_variables(sent: Sent) -> Answer | None:
        refused = sent.method == "PATCH" and "envVariables" in sent.query["updateMask"]
        return failed(400, "INVALID_ARGUMENT", "no such variable") if refused else None

    cloud.rules.insert(0, refuse_variables)
    with pytest.raises(ProviderError, match="no such variable") as caught:
        provider.update("urn", ENVIRONMENT, made.id, INPUTS, made.outputs, wanted, context, preview=False)
    partial = caught.value.partial
    assert partial is not None
    assert partial.outputs["config"]["softwareConfig"]["imageVersion"] == "composer-3-airflow-2.10.5-build.10"
    rest = provider.diff("urn", ENVIRONMENT, made.id, wanted, partial.outputs, wanted)
    assert set(rest.detailed) == {"config.softwareConfig.envVariables.STAGE"}
