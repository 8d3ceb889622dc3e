"""Agents that exist only after somebody asked for them: asked when their API is on, before their memberships."""

from __future__ import annotations

import threading

import pytest
from projects import DEV, bring_up, plan, workspace_of, write_project
from pulumi_twins import collect_quietly, find_cli, use_cli

from envctl.actions.agents import AgentRequest, agent_preparations, agents_to_ask, ask_for
from envctl.actions.apply import apply
from envctl.actions.clouds import CloudName
from envctl.actions.workspace import EngineName, open_workspace
from envctl.engine.events import MessageEvent
from envctl.errors import OutsideError
from envctl.google.transport import Answer
from envctl.operations.journal import Outcome
from envctl.stacks.declaration import Resource, StackProgram

STORAGE, BIGQUERY = "storage.projects.serviceAccount.get", "bigquery.projects.getServiceAccount"
AGENTS = {STORAGE: "@gs-project-accounts.", BIGQUERY: "@bigquery-encryption."}
ENCRYPTED = DEV + "encryption: {key: {create: true}}\nintegrations: [bigquery]\n"


def asked(workspace):
    methods = [r["method"] for r in workspace.cloud.emulator().requests]
    return [m for m in methods if m in {STORAGE, BIGQUERY}]


def warnings_in(events):
    return [e.message for e in events if isinstance(e, MessageEvent) and e.severity == "warning"]


def test_agents_are_asked_for_after_their_api_and_before_their_first_membership(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=ENCRYPTED))
    prepared = plan(workspace, "dev")
    assert asked(workspace) == []
    emulator = workspace.cloud.emulator()
    emulator.forget_requests()
    events = []
    assert apply(prepared, events.append, threading.Event()).outcome is Outcome.SUCCEEDED
    assert sorted(asked(workspace)) == [BIGQUERY, STORAGE]
    assert warnings_in(events) == []
    requests = emulator.requests
    enabled = next(i for i, r in enumerate(requests) if r["path"].endswith("/services/bigquery.googleapis.com:enable"))
    assert enabled < next(i for i, r in enumerate(requests) if r["method"] == BIGQUERY)
    for method, domain in AGENTS.items():
        named = [r["method"] for r in requests if r["method"] == method or domain in str(r.get("body"))]
        assert named[0] == method
        assert "cloudkms.projects.locations.keyRings.cryptoKeys.setIamPolicy" in named


@pytest.mark.pulumi
@pytest.mark.skipif(find_cli() is None, reason="no Pulumi CLI: .ci/pulumi-cli builds it where Go is")
def test_the_pulumi_engine_asks_at_the_same_place(tmp_path, monkeypatch):
    use_cli(monkeypatch, tmp_path / "home")
    workspace = open_workspace(write_project(tmp_path, dev=ENCRYPTED), CloudName.SANDBOX, EngineName.PULUMI)
    events = []
    assert apply(plan(workspace, "dev"), events.append, threading.Event()).outcome is Outcome.SUCCEEDED
    collect_quietly()
    assert sorted(asked(workspace)) == [BIGQUERY, STORAGE]
    assert warnings_in(events) == []


def test_an_apply_without_such_memberships_asks_for_none(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    assert asked(workspace) == []


def test_what_was_granted_before_is_not_asked_for_again(tmp_path):
    root = write_project(tmp_path, dev=ENCRYPTED)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    workspace.cloud.emulator().forget_requests()
    path = root / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("team: data", "team: gold"))
    bring_up(workspace, "dev")
    assert asked(workspace) == []


def test_a_refusal_is_a_warning_and_the_apply_goes_on(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=ENCRYPTED))
    fault = {"kind": "fail", "method": BIGQUERY, "status": "PERMISSION_DENIED", "message": "not for you"}
    workspace.cloud.control("POST", "fault", fault)
    events = []
    assert apply(plan(workspace, "dev"), events.append, threading.Event()).outcome is Outcome.SUCCEEDED
    told = "BigQuery's service agent of project acme-data-dev could not be asked for: 403: not for you"
    assert told in warnings_in(events)


def test_an_api_that_was_just_enabled_is_waited_for(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=ENCRYPTED))
    fault = {"kind": "fail", "method": BIGQUERY, "status": "PERMISSION_DENIED", "message": "off", "times": 2}
    workspace.cloud.control("POST", "fault", {**fault, "details": [{"reason": "SERVICE_DISABLED"}]})
    events = []
    assert apply(plan(workspace, "dev"), events.append, threading.Event()).outcome is Outcome.SUCCEEDED
    assert asked(workspace).count(BIGQUERY) == 3
    assert warnings_in(events) == []


def member(name, account):
    inputs = {"project": "p", "role": "roles/x", "member": f"serviceAccount:{account}.gserviceaccount.com"}
    return Resource(name, "gcp:projects/iAMMember:IAMMember", "", inputs, ())


def test_each_agent_is_asked_for_once_in_its_own_project():
    program = StackProgram(
        {},
        (),
        (
            Resource("api-storage", "gcp:projects/service:Service", "", {"service": "storage.googleapis.com"}, ()),
            member("a", "service-7@gs-project-accounts.iam"),
            member("b", "service-7@gs-project-accounts.iam"),
            member("c", "bq-9@bigquery-encryption.iam"),
            member("d", "service-7@compute-system.iam"),
            member("e", "service-8@gs-project-accounts.iam"),
        ),
        {},
    )
    storage = AgentRequest("storage/storage/v1", "p", "Cloud Storage", ("api-storage",))
    bigquery = AgentRequest("bigquery/bigquery/v2", "9", "BigQuery")
    wanted = agents_to_ask(program, "p", "7", ["a", "b", "c", "d"])
    assert wanted == {storage: ("a", "b"), bigquery: ("c",)}
    made = agent_preparations(Silent(Answer(403, {"error": {"message": "no"}})), wanted, never)
    assert [(each.after, each.before) for each in made] == [(("api-storage",), {"a", "b"}), ((), {"c"})]
    assert [list(each.act()) for each in made] == [
        ["Cloud Storage's service agent of project p could not be asked for: 403: no"],
        ["BigQuery's service agent of project 9 could not be asked for: 403: no"],
    ]


def never():
    raise AssertionError("nothing to wait for")


class Silent:
    """A cloud that cannot be reached, or answers without JSON."""

    def __init__(self, answer=None):
        self.answer = answer

    def call(self, method, service, path, query=None, body=None):
        if self.answer is None:
            raise OutsideError("No answer came", detail="timeout")
        return self.answer


def test_no_answer_is_a_warning():
    request = AgentRequest("storage/storage/v1", "p", "Cloud Storage")
    said = "Cloud Storage's service agent of project p could not be asked for: "
    assert list(ask_for(Silent(), request, never)) == [f"{said}No answer came timeout"]
    assert list(ask_for(Silent(Answer(502, "bad gateway")), request, never)) == [f"{said}502: bad gateway"]
    assert list(ask_for(Silent(Answer(200, {})), request, never)) == []


def test_an_api_that_stays_off_or_is_not_ours_is_told():
    off = Silent(Answer(403, {"error": {"message": "off", "details": [{"reason": "SERVICE_DISABLED"}]}}))
    ours = AgentRequest("storage/storage/v1", "p", "Cloud Storage", ("api-storage",))
    said = ["Cloud Storage's service agent of project p could not be asked for: 403: off"]
    pauses = []
    assert list(ask_for(off, ours, lambda: pauses.append(1) is not None)) == said
    assert len(pauses) == 11
    assert list(ask_for(off, ours, lambda: True)) == said
    assert list(ask_for(off, AgentRequest("storage/storage/v1", "p", "Cloud Storage"), never)) == said
