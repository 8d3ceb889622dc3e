"""Live facts: each question as one or a few REST calls, asked in parallel.

Everything goes through the `Transport` that the rest of envctl uses, so the same code reads Google's APIs, a served
emulator, and the emulator in this process (docs/decisions: one way to live facts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

from envctl.doctor.case import Case
from envctl.doctor.evaluate import policy_reader
from envctl.doctor.facts import (
    API_OFF,
    BUNDLE_ONLY,
    READERS,
    Absent,
    Answer,
    Facts,
    Known,
    Subject,
    Unreadable,
    field_of,
    objects,
    texts,
)
from envctl.doctor.principals import normal_member
from envctl.doctor.questions import Question, first_questions, further_questions, last_questions, tested_permissions
from envctl.doctor.resources import split_name
from envctl.errors import OutsideError
from envctl.google.refusals import read_refusal
from envctl.google.transport import Answer as Reply
from envctl.google.transport import Query, Transport

_WORKERS: Final = 8
_PAGES: Final = 10
"""Pages of a list that are followed; what lies behind them leaves the answer unreadable."""
UNNAMED_CALLER: Final = "caller:unknown"
"""The caller whose address is not known: only its own tests say anything about it."""


def collect_facts(case: Case, transport: Transport, caller: str | None = None) -> Facts:
    """Everything that the checks of the case ask for.

    Args:
        case: of the environment; its own facts are not used. How envctl is run is recorded with them.
        transport: to the cloud.
        caller: the member that the cloud is asked as, when it is known.

    Raises:
        OutsideError: nothing could be reached at all.
    """
    now = datetime.now(UTC)
    answers: dict[Question, Answer] = {
        (Subject.CALLER, "-"): Known(
            {
                "member": case.judged or caller or UNNAMED_CALLER,
                "quotaProject": case.handed.quota_project,
                "stateBackend": case.handed.backend,
                "secretsProvider": case.handed.secrets_provider,
                "signedIn": case.handed.signed_in,
            }
        )
    }
    reader = _Reader(transport)
    tests_itself = case.judged is None or (
        caller is not None and normal_member(caller) == normal_member(case.judged)
    )  # nobody can test the rights of somebody else

    def with_answers() -> Case:
        return replace(case, facts=Facts(dict(answers), now, "live"))

    with ThreadPoolExecutor(_WORKERS) as pool:
        for ask in (
            lambda: first_questions(with_answers()),
            lambda: further_questions(with_answers(), with_answers().facts),
            lambda: last_questions(with_answers()),
        ):
            questions = [
                question
                for question in ask()
                if question not in answers and (tests_itself or question[0] is not Subject.TEST)
            ]
            reader.tests = tested_permissions(with_answers())
            reader.caller = caller or UNNAMED_CALLER
            reader.facts = with_answers().facts
            answers.update(zip(questions, pool.map(reader.answer, questions), strict=True))
            if reader.unreachable is not None and reader.replies == 0:
                raise reader.unreachable
    return Facts(answers, now, "live")


class _Reader:
    """Turns questions into calls, and replies into answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.tests: Mapping[str, tuple[str, ...]] = {}
        self.caller = UNNAMED_CALLER
        self.facts = Facts({}, datetime.fromtimestamp(0, UTC), "live")
        self.replies = 0
        self.unreachable: OutsideError | None = None
        self._above: dict[tuple[object, object], Reply] = {}
        self._asking = Lock()

    def answer(self, question: Question) -> Answer:
        """The answer to one question."""
        subject, name = question
        try:
            return self._ask(subject, name)
        except OutsideError as error:
            self.unreachable = error
            return Unreadable(READERS[subject], error.summary)

    def _call(self, method: str, service: str, path: str, query: Query | None = None, body: Any = None) -> Reply:
        reply = self._transport.call(method, service, path, query, body)
        self.replies += 1
        return reply

    def _ask(self, subject: Subject, name: str) -> Answer:
        match subject:
            case Subject.PROJECT:
                return self._project(name)
            case Subject.POLICY:
                return self._policy(name)
            case Subject.DENY:
                return self._deny(name)
            case Subject.TEST:
                return self._test(name)
            case Subject.SERVICES:
                listed = self._list(
                    subject,
                    "serviceusage/v1",
                    f"projects/{name}/services",
                    "services",
                    {"filter": "state:ENABLED", "pageSize": "200"},
                )
                return _shaped(listed, lambda items: [str(field_of(item, "config", "name")) for item in objects(items)])
            case Subject.CONSTRAINT:
                project, _, constraint = name.partition("/constraints/")
                reply = self._call(
                    "GET", "orgpolicy/v2", f"projects/{project}/policies/{constraint}:getEffectivePolicy"
                )
                return _answer(reply, READERS[subject])
            case Subject.SET_CONSTRAINTS:
                return self._list(subject, "orgpolicy/v2", f"{split_name(name)[1]}/policies", "policies")
            case Subject.CUSTOM_CONSTRAINTS:
                return self._custom_constraints(name)
            case Subject.ACCOUNT:
                return _answer(self._call("GET", "iam/v1", f"projects/-/serviceAccounts/{name}"), READERS[subject])
            case Subject.KEY:
                return _answer(self._call("GET", "kms/v1", name), READERS[subject])
            case Subject.BUCKET:
                return _answer(self._call("GET", "storage/storage/v1", f"b/{name}"), READERS[subject])
            case Subject.SUBNETWORK:
                return _answer(self._call("GET", "compute/compute/v1", name), READERS[subject])
            case Subject.SUBNETWORKS:
                return self._list(subject, "compute/compute/v1", f"{name}/subnetworks", "items")
            case Subject.ROUTERS:
                return self._list(subject, "compute/compute/v1", f"{name}/routers", "items")
            case Subject.FIREWALLS:
                return self._list(subject, "compute/compute/v1", f"projects/{name}/global/firewalls", "items")
            case Subject.QUOTAS:
                region = _answer(self._call("GET", "compute/compute/v1", name), READERS[subject])
                return _shaped(region, lambda value: field_of(value, "quotas"))
            case Subject.ENVIRONMENT:
                reply = self._call("GET", "composer/v1beta1", name)
                return Absent() if _switched_off(reply) else _answer(reply, READERS[subject])  # nothing runs without it
            case Subject.ROLE:
                return _answer(self._call("GET", "iam/v1", name), READERS[subject])
            case Subject.DATABASE:
                return self._database(name)
            case Subject.CALLER | Subject.BOUNDARIES | Subject.PERIMETERS | Subject.GROUP | Subject.CHANGES:
                return Unreadable(READERS[subject], BUNDLE_ONLY)

    def _project(self, name: str) -> Answer:
        found = _answer(self._call("GET", "crm/v1", f"projects/{name}"), READERS[Subject.PROJECT])
        if not isinstance(found, Known) or not isinstance(found.value, Mapping):
            return found
        value = dict(found.value)
        kind, parent = field_of(value, "parent", "type"), field_of(value, "parent", "id")
        if kind == "organization" and isinstance(parent, str) and parent:  # nothing stands above it
            value["ancestors"] = [f"//cloudresourcemanager.googleapis.com/organizations/{parent}"]
            return Known(value)
        above = self._ancestry(name, (kind, parent))
        if above.status == 200:
            value["ancestors"] = [
                f"//cloudresourcemanager.googleapis.com/{field_of(item, 'resourceId', 'type')}s/{field_of(item, 'resourceId', 'id')}"
                for item in objects(field_of(above.body, "ancestor"))
                if field_of(item, "resourceId", "type") != "project"
            ]
        return Known(value)

    def _custom_constraints(self, project: str) -> Answer:
        """Those of the organization above; a project without one has none."""
        above = list(texts(field_of(self.facts.value(Subject.PROJECT, project), "ancestors")))
        if not isinstance(self.facts.ask(Subject.PROJECT, project), Known):
            return Unreadable(READERS[Subject.PROJECT], "the organization above the project is not known")
        if not above or not split_name(above[-1])[1].startswith("organizations/"):
            return Known([])
        path = f"{split_name(above[-1])[1]}/customConstraints"
        return self._list(Subject.CUSTOM_CONSTRAINTS, "orgpolicy/v2", path, "customConstraints")

    def _ancestry(self, name: str, parent: tuple[object, object]) -> Reply:
        """What stands above a project; asked once for all projects of the same folder."""
        with self._asking:
            reply = self._above.get(parent)
            if reply is None or reply.status != 200:
                reply = self._call("POST", "crm/v1", f"projects/{name}:getAncestry", body={})
                if all(isinstance(part, str) and part for part in parent):
                    self._above[parent] = reply
            return reply

    def _policy(self, resource: str) -> Answer:
        service, relative = split_name(resource)
        body = {"options": {"requestedPolicyVersion": 3}}
        match service:
            case "cloudresourcemanager.googleapis.com":
                api = "crm3/v3" if relative.startswith("folders/") else "crm/v1"
                reply = self._call("POST", api, f"{relative}:getIamPolicy", body=body)
            case "iam.googleapis.com":
                query = {"options.requestedPolicyVersion": "3"}  # this API takes no body (IAM v1, getIamPolicy)
                reply = self._call("POST", "iam/v1", f"{relative}:getIamPolicy", query)
            case "storage.googleapis.com":
                bucket = relative.rpartition("/")[2]
                query = {"optionsRequestedPolicyVersion": "3"}
                reply = self._call("GET", "storage/storage/v1", f"b/{bucket}/iam", query)
            case "compute.googleapis.com":
                query = {"optionsRequestedPolicyVersion": "3"}
                reply = self._call("GET", "compute/compute/v1", f"{relative}/getIamPolicy", query)
            case _:
                apis = {
                    "cloudkms.googleapis.com": "kms/v1",
                    "secretmanager.googleapis.com": "secretmanager/v1",
                    "artifactregistry.googleapis.com": "artifactregistry/v1",
                }
                if service not in apis:
                    return Unreadable(policy_reader(resource), "no API for its policy is known")
                query = {"options.requestedPolicyVersion": "3"}
                reply = self._call("GET", apis[service], f"{relative}:getIamPolicy", query)
        return _answer(reply, policy_reader(resource))

    def _deny(self, resource: str) -> Answer:
        """Lists carry no rules: each policy is read by itself (IAM v2, policies.listPolicies)."""
        attachment = quote(resource.removeprefix("//"), safe="")
        listed = self._list(Subject.DENY, "iam2/v2", f"policies/{attachment}/denypolicies", "policies")
        if not isinstance(listed, Known):
            return listed
        whole: list[Any] = []
        for item in objects(listed.value):
            if "rules" in item:
                whole.append(item)
                continue
            identifier = quote(str(item.get("name")).rpartition("/")[2], safe="")
            path = f"policies/{attachment}/denypolicies/{identifier}"
            one = _answer(self._call("GET", "iam2/v2", path), "iam.denypolicies.get")
            if isinstance(one, Unreadable):
                return one
            if isinstance(one, Known):
                whole.append(one.value)
        return Known(whole)

    def _test(self, resource: str) -> Answer:
        asked = self.tests.get(resource, ())
        service, relative = split_name(resource)
        body = {"permissions": list(asked)}
        match service:
            case "cloudresourcemanager.googleapis.com":
                reply = self._call("POST", "crm/v1", f"{relative}:testIamPermissions", body=body)
            case "iam.googleapis.com":
                reply = self._call("POST", "iam/v1", f"{relative}:testIamPermissions", body=body)
            case "cloudkms.googleapis.com":
                reply = self._call("POST", "kms/v1", f"{relative}:testIamPermissions", body=body)
            case "compute.googleapis.com":
                reply = self._call("POST", "compute/compute/v1", f"{relative}/testIamPermissions", body=body)
            case "storage.googleapis.com":
                path = f"b/{relative.rpartition('/')[2]}/iam/testPermissions"
                reply = self._call("GET", "storage/storage/v1", path, {"permissions": asked})
            case _:
                return Unreadable(READERS[Subject.TEST], "no test of rights is known for this kind of resource")
        if reply.status == 404:  # nothing there to have rights on; what stands above it decides
            return Absent()
        answer = _answer(reply, READERS[Subject.TEST])
        return _shaped(
            answer,
            lambda value: {
                "member": self.caller,
                "asked": list(asked),
                "granted": list(field_of(value, "permissions") or []),
            },
        )

    def _database(self, name: str) -> Answer:
        parts = name.split("/")
        now = datetime.now(UTC)
        query = {
            "filter": 'metric.type="composer.googleapis.com/environment/database/disk/bytes_used" '
            f'AND resource.labels.environment_name="{parts[-1]}" AND resource.labels.location="{parts[3]}"',
            "interval.startTime": (now - timedelta(hours=1)).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "interval.endTime": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        answer = _answer(
            self._call("GET", "monitoring/v3", f"projects/{parts[1]}/timeSeries", query), READERS[Subject.DATABASE]
        )
        if not isinstance(answer, Known):
            return answer
        for series in objects(field_of(answer.value, "timeSeries")):
            for point in objects(series.get("points")):
                used = field_of(point, "value", "doubleValue") or field_of(point, "value", "int64Value")
                if used is not None:
                    return Known({"sizeGb": round(float(used) / 2**30, 2)})
        return Unreadable(READERS[Subject.DATABASE], "the metric has no value of the last hour")

    def _list(
        self, subject: Subject, service: str, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> Answer:
        found: list[Any] = []
        token = ""
        for _ in range(_PAGES):
            asked = {**(query or {}), **({"pageToken": token} if token else {})}
            answer = _answer(self._call("GET", service, path, asked), READERS[subject])
            if not isinstance(answer, Known):
                return answer
            items = field_of(answer.value, key)
            found += items if isinstance(items, list) else []
            token = str(field_of(answer.value, "nextPageToken") or "")
            if not token:
                return Known(found)
        return Unreadable(READERS[subject], f"more than {_PAGES} pages")


def _answer(reply: Reply, permission: str) -> Answer:
    refusal = read_refusal(reply)
    if refusal is None:
        return Known(reply.body if reply.body is not None else {})
    if refusal.code == 404:
        return Absent()
    if refusal.api_off:
        return Unreadable(permission, API_OFF.replace("API_NAME", refusal.api_off))
    message = refusal.message.strip()
    return Unreadable(permission, f"HTTP {refusal.code}{': ' + message[:200] if message else ''}")


def _switched_off(reply: Reply) -> bool:
    refusal = read_refusal(reply)
    return refusal is not None and refusal.api_off is not None


def _shaped(answer: Answer, shape: Callable[[Any], Any]) -> Answer:
    return Known(shape(answer.value)) if isinstance(answer, Known) else answer
