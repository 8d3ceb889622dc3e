from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doctor_patients import GEN2, RICH, case, environment, healthy
from hypothesis import given
from hypothesis import strategies as st

from envctl.doctor.bundle import load_facts, parse_bundle, render_bundle, without_secrets
from envctl.doctor.examine import examine
from envctl.doctor.facts import Absent, Facts, Known, Subject, Unreadable
from envctl.errors import InvalidInputError

HERE = Path("facts.json")


def facts_of(spec: Any = None) -> Facts:
    spec = spec or environment(RICH, imageVersion=GEN2)
    return case(spec, healthy(spec), "create").facts


def test_a_bundle_says_the_same_as_the_facts_it_was_made_of() -> None:
    spec = environment(RICH, imageVersion=GEN2)
    facts = facts_of(spec)
    text = render_bundle(facts)
    again = parse_bundle(text, HERE)
    assert again.collected_at == facts.collected_at
    before = examine(case(spec, dict(facts.answers), "create", "packages"))
    after = examine(case(spec, dict(again.answers), "create", "packages"))
    assert before == after
    assert render_bundle(again) == text


def test_answers_of_every_kind_survive() -> None:
    key = (Subject.KEY, "k")
    for answer in (Known({"a": [1, None, "x"]}), Absent(), Unreadable("p.q.r", "403")):
        facts = Facts({key: answer}, facts_of().collected_at, "t")
        assert parse_bundle(render_bundle(facts), HERE).answers == {key: answer}


def test_secrets_and_keys_leave_no_trace() -> None:
    value = {
        "config": {
            "softwareConfig": {
                "envVariables": {"DB_URL": "postgres://u:hunter2@h", "PLAIN": "hunter2"},
                "airflowConfigOverrides": {"core-sql_alchemy_conn": "hunter2", "webserver-secret_key": "hunter2"},
            }
        },
        "privateKeyData": "hunter2",
        "items": [{"password": "hunter2", "accessToken": "hunter2", "name": "visible"}],
    }
    cleaned = without_secrets(value)
    assert "hunter2" not in json.dumps(cleaned)
    assert cleaned["config"]["softwareConfig"]["envVariables"].keys() == {"DB_URL", "PLAIN"}
    assert cleaned["items"][0]["name"] == "visible"
    assert without_secrets(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "holds no facts"),
        ("null", "holds no facts"),
        ('{"format": 3}', "holds no facts"),
        ('{"format": "envctl.facts/v2", "answers": []}', "another version"),
        ('{"format": "envctl.facts/v1"}', "holds no facts"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_bundle_is_refused(text: str, summary: str) -> None:
    with pytest.raises(InvalidInputError) as problem:
        parse_bundle(text, HERE)
    (diagnostic,) = problem.value.diagnostics
    assert diagnostic.code == "facts-format"
    assert summary in diagnostic.summary


def test_every_cut_of_a_bundle_is_refused_and_names_the_place() -> None:
    text = render_bundle(facts_of(environment()))
    for length in range(1, len(text) - 2, max(1, len(text) // 60)):
        with pytest.raises(InvalidInputError) as problem:
            parse_bundle(text[:length], HERE)
        assert problem.value.diagnostics[0].span is not None


def test_an_answer_that_makes_no_sense_is_unknown_and_strange_questions_are_passed_over() -> None:
    document = {
        "format": "envctl.facts/v1",
        "collectedAt": "yesterday",
        "answers": [
            3,
            {"ask": "weather", "of": "x", "value": 1},
            {"ask": "key", "of": "k", "maybe": 1},
            {"ask": "key"},
        ],
    }
    facts = parse_bundle(json.dumps(document), HERE)
    assert facts.answers.keys() == {(Subject.KEY, "k")}
    assert isinstance(facts.ask(Subject.KEY, "k"), Unreadable)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        load_facts(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError):
        load_facts(tmp_path / "binary.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(value=json_values)
def test_cleaning_keeps_the_shape_of_any_value(value: Any) -> None:
    cleaned = without_secrets(value)
    assert type(cleaned) is type(value)
    assert without_secrets(cleaned) == cleaned


# The folder of gcloud outputs


def write(folder: Path, name: str, value: Any) -> None:
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))


def test_a_folder_of_gcloud_outputs(tmp_path: Path) -> None:
    write(
        tmp_path,
        "project--acme.json",
        {"projectId": "acme", "projectNumber": "5", "parent": {"type": "folder", "id": "1"}},
    )
    write(tmp_path, "ancestors--acme.json", [{"id": "acme", "type": "project"}, {"id": "1", "type": "folder"}])
    write(
        tmp_path,
        "project--acme.iam.yaml",
        "bindings:\n- members: [user:a@example.com]\n  role: roles/viewer\netag: x\n",
    )
    write(
        tmp_path,
        "services--acme.json",
        [{"config": {"name": "composer.googleapis.com"}}, {"name": "projects/5/services/iam.googleapis.com"}],
    )
    write(tmp_path, "service-account--acme--x@acme.iam.gserviceaccount.com.json", {"email": "x"})
    write(tmp_path, "service-account--acme--x@acme.iam.gserviceaccount.com.iam.json", {"etag": "y"})
    write(tmp_path, "key--acme--eu--r--k.json", {"primary": {"state": "ENABLED"}})
    write(tmp_path, "bucket--b.iam.json", {"etag": "z"})
    write(tmp_path, "subnetwork--acme--eu--s.json", {"privateIpGoogleAccess": True})
    write(
        tmp_path,
        "constraints--acme.json",
        [{"name": "projects/5/policies/gcp.resourceLocations", "spec": {"rules": []}}],
    )
    write(tmp_path, "group--g@example.com.json", [{"preferredMemberKey": {"id": "a@example.com"}, "type": "USER"}])
    write(tmp_path, "environment--acme--eu--prod.json", {"state": "RUNNING"})
    write(tmp_path, "notes.txt", "not a fact")
    write(tmp_path, "something.json", {})
    facts = load_facts(tmp_path)
    crm = "//cloudresourcemanager.googleapis.com"
    assert facts.value(Subject.PROJECT, "acme")["ancestors"] == [f"{crm}/folders/1"]
    assert facts.value(Subject.POLICY, f"{crm}/projects/acme")["bindings"][0]["role"] == "roles/viewer"
    assert facts.value(Subject.SERVICES, "acme") == ["composer.googleapis.com", "iam.googleapis.com"]
    assert facts.value(Subject.ACCOUNT, "x@acme.iam.gserviceaccount.com") == {"email": "x"}
    account = "//iam.googleapis.com/projects/acme/serviceAccounts/x@acme.iam.gserviceaccount.com"
    assert facts.value(Subject.POLICY, account) == {"etag": "y"}
    assert facts.value(Subject.KEY, "projects/acme/locations/eu/keyRings/r/cryptoKeys/k") == {
        "primary": {"state": "ENABLED"}
    }
    assert facts.value(Subject.POLICY, "//storage.googleapis.com/projects/_/buckets/b") == {"etag": "z"}
    assert facts.value(Subject.SUBNETWORK, "projects/acme/regions/eu/subnetworks/s") == {"privateIpGoogleAccess": True}
    assert facts.value(Subject.CONSTRAINT, "acme/constraints/gcp.resourceLocations")["spec"] == {"rules": []}
    assert facts.value(Subject.GROUP, "g@example.com")["members"] == ["user:a@example.com"]
    assert facts.value(Subject.ENVIRONMENT, "projects/acme/locations/eu/environments/prod") == {"state": "RUNNING"}


@pytest.mark.parametrize("spec", [{"inheritFromParent": True, "rules": [{"allowAll": True}]}, {"reset": True}])
def test_what_a_project_sets_is_not_taken_for_what_is_in_effect(tmp_path: Path, spec: Any) -> None:
    write(tmp_path, "constraints--acme.json", [{"name": "projects/5/policies/gcp.resourceLocations", "spec": spec}])
    answer = load_facts(tmp_path).ask(Subject.CONSTRAINT, "acme/constraints/gcp.resourceLocations")
    assert isinstance(answer, Unreadable)
    assert "--effective" in answer.cause


def test_policies_of_all_ancestors_in_one_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        "ancestors-policy--acme.json",
        [
            {"id": "acme", "type": "project", "policy": {"etag": "a"}},
            {"id": "9", "type": "organization", "policy": {"etag": "b"}},
        ],
    )
    facts = load_facts(tmp_path)
    assert facts.value(Subject.POLICY, "//cloudresourcemanager.googleapis.com/organizations/9") == {"etag": "b"}
    assert facts.value(Subject.PROJECT, "acme")["ancestors"] == [
        "//cloudresourcemanager.googleapis.com/organizations/9"
    ]


def test_a_broken_file_of_a_folder_makes_its_answer_unknown(tmp_path: Path) -> None:
    write(tmp_path, "project--acme.iam.json", "{")
    write(tmp_path, "services--acme.yaml", "a: [")
    facts = load_facts(tmp_path)
    assert isinstance(facts.ask(Subject.POLICY, "//cloudresourcemanager.googleapis.com/projects/acme"), Unreadable)
    assert isinstance(facts.ask(Subject.SERVICES, "acme"), Unreadable)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        load_facts(tmp_path)
