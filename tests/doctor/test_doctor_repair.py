"""A repair grants the row that is missing: its role to its member on its resource, under its condition, and no more."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from doctor_patients import case, environment, healthy
from hypothesis import example, given
from hypothesis import strategies as st

from envctl.doctor.examine import examine
from envctl.doctor.facts import Known, Subject
from envctl.doctor.model import DoctorReport, FixKind, Status
from envctl.doctor.policies import Condition, PolicyBinding
from envctl.doctor.repair import again_command, fixes_for, grant_command
from envctl.iam_roles import Binding, Requirement, load_table
from envctl.iam_targets import BindingCondition
from envctl.report.doctor_formats import DoctorFormat, write_doctor
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request

PROJECT = "//cloudresourcemanager.googleapis.com/projects/acme-data"
ACCOUNT = "runner@acme-data.iam.gserviceaccount.com"
RESOURCES = {
    PROJECT: "crm/v1/projects/acme-data",
    f"//iam.googleapis.com/projects/acme-data/serviceAccounts/{ACCOUNT}": (
        f"iam/v1/projects/acme-data/serviceAccounts/{ACCOUNT}"
    ),
    "//cloudkms.googleapis.com/projects/acme-data/locations/europe-west1/keyRings/r/cryptoKeys/k": (
        "kms/v1/projects/acme-data/locations/europe-west1/keyRings/r/cryptoKeys/k"
    ),
    "//secretmanager.googleapis.com/projects/acme-data/secrets/s": "secretmanager/v1/projects/acme-data/secrets/s",
    "//storage.googleapis.com/projects/_/buckets/acme-lake": "storage/storage/v1/b/acme-lake",
}


def flags(command: str) -> dict[str, Any]:
    """What a shell and gcloud make of a command, after "gcloud topic escaping": flags, and the condition's keys."""
    words = shlex.split(command)
    found: dict[str, Any] = {"positional": [word for word in words if not word.startswith("--")]}
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            found[name] = value
    if (text := found.get("condition")) not in (None, "None"):
        divider = ","
        if text.startswith("^"):
            divider, text = text[1:].split("^", 1)
        found["condition"] = dict(pair.split("=", 1) for pair in text.split(divider))
    return found


def apply(cloud: Cloud, api: str, command: str) -> None:
    """Does what gcloud does with the command: read, add, write."""
    asked = flags(command)
    condition = asked.get("condition")
    policy = policy_of(cloud, api)
    binding: dict[str, Any] = {"role": asked["role"], "members": [asked["member"]]}
    if isinstance(condition, dict):
        binding["condition"] = condition
    policy.setdefault("bindings", []).append(binding)
    policy["version"] = 3
    if api.startswith("storage/"):
        request(cloud, "PUT", f"{api}/iam", policy)
    else:
        request(cloud, "POST", f"{api}:setIamPolicy", {"policy": policy})


def policy_of(cloud: Cloud, api: str) -> dict[str, Any]:
    if api.startswith("storage/"):
        return request(cloud, "GET", f"{api}/iam?optionsRequestedPolicyVersion=3")
    if api.startswith("crm/"):
        return request(cloud, "POST", f"{api}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    method = "POST" if api.startswith("iam/") else "GET"
    return request(cloud, method, f"{api}:getIamPolicy?options.requestedPolicyVersion=3")


def request(cloud: Cloud, method: str, path: str, body: Any = None) -> Any:
    answer = cloud.handle(Request.to(method, f"http://localhost/{path}", body=body))
    assert answer.status < 400, (path, answer.body)
    return json.loads(answer.body) if answer.body else {}


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    made = Cloud()
    for api in ("cloudresourcemanager", "iam", "cloudkms", "secretmanager", "storage"):
        started = request(made, "POST", f"serviceusage/v1/projects/acme-data/services/{api}.googleapis.com:enable", {})
        while not started.get("done"):
            started = request(made, "GET", f"serviceusage/v1/{started['name']}")
    request(made, "POST", "iam/v1/projects/acme-data/serviceAccounts", {"accountId": "runner", "serviceAccount": {}})
    ring = "kms/v1/projects/acme-data/locations/europe-west1/keyRings"
    request(made, "POST", f"{ring}?keyRingId=r", {})
    request(made, "POST", f"{ring}/r/cryptoKeys?cryptoKeyId=k", {"purpose": "ENCRYPT_DECRYPT"})
    secrets = "secretmanager/v1/projects/acme-data/secrets"
    request(made, "POST", f"{secrets}?secretId=s", {"replication": {"automatic": {}}})
    bucket = {
        "name": "acme-lake",
        "location": "EU",
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    }
    request(made, "POST", "storage/storage/v1/b?project=acme-data", bucket)
    return made


titles = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=40)
names = st.text(st.sampled_from("abc-:;,|~#%'\"=^ "), max_size=20)


def quoted(name: str) -> str:
    return json.dumps(name)


@example(resource=PROJECT, title="airflow-secrets", name="projects/123/secrets/airflow-")
@example(resource=PROJECT, title="a, b", name="x,y")
@example(resource=PROJECT, title="^:^", name=":,;|~#%")
@given(resource=st.sampled_from(sorted(RESOURCES)), title=titles, name=names)
def test_the_printed_command_makes_the_binding_of_the_row(cloud: Cloud, resource: str, title: str, name: str) -> None:
    condition = BindingCondition(title, f"resource.name.startsWith({quoted(name)}) || resource.name == {quoted(name)}")
    binding = Binding(
        id="env.secret-access",
        principal="env_sa",
        member=f"serviceAccount:{ACCOUNT}",
        role="roles/viewer",
        resource_kind="secret_or_project",
        resource=resource,
        target="project",
        requirement=Requirement.REQUIRED,
        why="",
        when="",
        source=(),
        confidence="high",
        condition=condition,
    )
    fixes = list(fixes_for(binding, binding.member, "prod", "acme-data"))
    assert [fix.kind for fix in fixes] == [FixKind.COMMAND]  # a file would give the role without the condition
    api = RESOURCES[resource]
    before = policy_of(cloud, api).get("bindings", [])
    apply(cloud, api, fixes[0].text)
    added = [item for item in policy_of(cloud, api)["bindings"] if item not in before]
    wanted = {
        "role": binding.role,
        "members": [binding.member],
        "condition": {"title": condition.title, "expression": condition.expression},
    }
    assert added in ([wanted], [])  # nothing is added a second time
    assert wanted in policy_of(cloud, api)["bindings"]


def test_a_row_without_a_condition_is_granted_without_one() -> None:
    for resource in RESOURCES:
        command = grant_command(resource, f"serviceAccount:{ACCOUNT}", "roles/viewer")
        assert command is not None
        assert flags(command).get("condition") in (None, "None")


def test_what_gcloud_cannot_say_is_not_printed_as_something_wider() -> None:
    repository = "//artifactregistry.googleapis.com/projects/p/locations/l/repositories/r"
    assert grant_command(repository, "user:a@b.c", "roles/viewer") is not None
    assert grant_command(repository, "user:a@b.c", "roles/viewer", BindingCondition("t", "true")) is None
    hidden = PolicyBinding("roles/viewer", ("user:a@b.c",), Condition(None))
    assert again_command(PROJECT, "user:a@b.c", hidden) is None


def test_a_binding_of_a_policy_is_repeated_with_its_condition() -> None:
    known = PolicyBinding("roles/viewer", ("user:a@b.c",), Condition('request.path == "a,b"', "only a, b"))
    command = again_command(PROJECT, "user:a@b.c", known)
    assert command is not None
    assert flags(command)["condition"] == {"expression": 'request.path == "a,b"', "title": "only a, b"}


SECRETS = environment(secrets={"backend": "secret-manager"}, serviceAccount={"email": ACCOUNT})


def test_no_form_of_a_report_widens_a_condition() -> None:
    answers = healthy(SECRETS, exists=False)
    policy = answers[Subject.POLICY, PROJECT]
    assert isinstance(policy, Known)
    policy.value["bindings"] = [item for item in policy.value["bindings"] if "condition" not in item]
    patient = case(SECRETS, answers, "create")
    wanted = next(item.condition for item in patient.bindings if item.condition is not None)
    assert wanted is not None
    missing = [item for item in examine(patient) if item.id == "env.secret-access"]
    assert [item.status for item in missing] == [Status.FAILED]
    command = next(fix.text for fix in missing[0].fixes if fix.kind is FixKind.COMMAND)
    assert flags(command)["condition"] == {"expression": wanted.expression, "title": wanted.title}
    assert wanted.expression in next(fix.text for fix in missing[0].fixes if fix.kind is FixKind.UP)
    report = DoctorReport("prod", ("create",), tuple(missing))
    for form in DoctorFormat:
        text = write_doctor(report, form)
        for line in text.splitlines():
            assert "secretAccessor --condition=None" not in line
            assert not re.search(r"secretAccessor on project for \S+\s*$", line)


def test_pages_of_secrets_name_the_condition() -> None:
    from envctl.doctor.registry import page_of

    rows = [row["id"] for row in load_table("bindings")["rows"] if row["resource"] == "secret_or_project"]
    assert rows
    for row in rows:
        page = page_of(row)
        assert page is not None
        command = page.text.rpartition("Granted by hand with:\n\n    ")[2]
        assert flags(command)["condition"]["title"] == "PREFIX-secrets"
