"""Agents that exist only after somebody asked for them: asked right before their memberships are applied."""

from __future__ import annotations

import threading

from projects import DEV, bring_up, plan, workspace_of, write_project

from envctl.actions.agents import AgentRequest, agents_to_ask, ask_for
from envctl.actions.apply import apply
from envctl.engine.events import MessageEvent
from envctl.errors import OutsideError
from envctl.operations.journal import Outcome
from envctl.provider.transport import Answer
from envctl.stacks.declaration import Resource, StackProgram

STORAGE, BIGQUERY = "storage.projects.serviceAccount.get", "bigquery.projects.getServiceAccount"
ENCRYPTED = DEV + "encryption: {key: {create: true}}\nintegrations: [bigquery]\n"


def asked(workspace):
    methods = [r["method"] for r in workspace.cloud.emulator().requests]
    return [m for m in methods if m in {STORAGE, BIGQUERY}]


def test_agents_are_asked_for_before_their_first_membership(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=ENCRYPTED))
    prepared = plan(workspace, "dev")
    assert asked(workspace) == []
    emulator = workspace.cloud.emulator()
    emulator.forget_requests()
    events = []
    assert apply(prepared, events.append, threading.Event()).outcome is Outcome.SUCCEEDED
    assert sorted(asked(workspace)) == [BIGQUERY, STORAGE]
    order = [r["method"] for r in emulator.requests if r["verb"] != "GET" or r["method"] in {STORAGE, BIGQUERY}]
    assert set(order[:2]) == {STORAGE, BIGQUERY}


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
    warnings = [e.message for e in events if isinstance(e, MessageEvent) and e.severity == "warning"]
    told = "BigQuery's service agent of project acme-data-dev could not be asked for: 403: not for you"
    assert told in warnings


def member(name, account):
    inputs = {"project": "p", "role": "roles/x", "member": f"serviceAccount:{account}.gserviceaccount.com"}
    return Resource(name, "gcp:projects/iAMMember:IAMMember", "", inputs, ())


def test_each_agent_is_asked_for_once_in_its_own_project():
    program = StackProgram(
        {},
        (),
        (
            member("a", "service-7@gs-project-accounts.iam"),
            member("b", "service-7@gs-project-accounts.iam"),
            member("c", "bq-9@bigquery-encryption.iam"),
            member("d", "service-7@compute-system.iam"),
            member("e", "service-8@gs-project-accounts.iam"),
        ),
        {},
    )
    assert agents_to_ask(program, "p", "7", ["a", "b", "c", "d"]) == (
        AgentRequest("storage/storage/v1", "p", "Cloud Storage"),
        AgentRequest("bigquery/bigquery/v2", "9", "BigQuery"),
    )


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
    assert list(ask_for(Silent(), [request])) == [f"{said}No answer came timeout"]
    assert list(ask_for(Silent(Answer(502, "bad gateway")), [request])) == [f"{said}502: bad gateway"]
    assert list(ask_for(Silent(Answer(200, {})), [request])) == []
