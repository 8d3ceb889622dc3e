from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import write_project

from envctl.cli import run


@pytest.mark.parametrize(
    ("member", "meant"),
    [
        ("ann@example.com", "write `user:ann@example.com`"),
        ("ci@acme.iam.gserviceaccount.com", "write `serviceAccount:ci@acme.iam.gserviceaccount.com`"),
        ("sa:ci@acme.iam.gserviceaccount.com", ""),
        ("serviceacount:ci@acme.iam.gserviceaccount.com", "did you mean `serviceAccount:ci@"),
        ("user:ann", ""),
        ("user:", ""),
        ("ann", ""),
        ("allUsers", ""),
        ("principal://elsewhere/x", ""),
    ],
)
def test_a_member_without_its_form_is_refused_with_the_forms(tmp_path, capsys, member, meant):
    root = write_project(tmp_path)
    for line in (["dev", "--offline"], ["--error", "text"]):
        assert run(["-C", str(root), "doctor", *line, "--as", member]) == 2
        shown = capsys.readouterr().err
        assert "user:NAME@DOMAIN" in shown
        assert "serviceAccount:NAME@PROJECT" in shown
        assert "principal://" in shown
        assert meant in shown


MEMBERS = [
    "user:ann@example.com",
    "serviceAccount:ci@acme.iam.gserviceaccount.com",
    "group:team@example.com",
    "principal://iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci/subject/repo:acme",
]


@pytest.mark.parametrize("member", MEMBERS)
def test_what_nothing_shows_of_a_member_is_unknown(tmp_path, capsys, member):
    root = write_project(tmp_path)
    line = ["-C", str(root), "doctor", "dev", "--offline", "--as", member, "--format", "json"]
    assert run(line) == 1
    found = [item for item in json.loads(capsys.readouterr().out)["findings"] if item["principal"] == member]
    assert {item["status"] for item in found} == {"unknown"}
    assert {"caller.composer-admin", "caller.act-as-env-sa"} <= {item["id"] for item in found}
    assert run([*line, "--allow-unknown"]) == 0


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_without_rights_is_not_told_that_nothing_is_to_fix(tmp_path, capsys, member):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", "dev", "--cloud", "sandbox", "--as", member, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    found = {item["id"]: item["status"] for item in document["findings"] if item["principal"] == member}
    assert found["caller.composer-admin"] == "failed"
    assert found["caller.act-as-env-sa"] == "failed"
    assert f"rights of {member} by policies alone" in document["facts"]


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "markdown", "html"])
@pytest.mark.parametrize("line", [[], ["dev", "--cloud", "sandbox"], ["dev", "--offline"]])
def test_a_text_that_is_not_recognised_is_unknown_in_every_form(tmp_path, capsys, form, line):
    root = write_project(tmp_path)
    text = "frobnication of the whatsit failed for roles/weird.thing in project acme-far-away"
    command = ["-C", str(root), "doctor", *line, "--error", text, "--format", form]
    assert run(command) == 1
    shown = capsys.readouterr().out
    assert "the error text is not recognised" in shown
    assert "roles/weird.thing" in shown
    assert "acme-far-away" in shown
    if line:
        assert "nothing to fix," not in shown.replace("nothing to fix in it,", "")
        assert "composer" in shown or "--offline" in line  # the checks went on
    assert run([*command, "--allow-unknown"]) == 0


def test_the_verdict_on_a_text_has_a_page(capsys):
    assert run(["explain", "text.unrecognised"]) == 0
    assert "No signature knows the text" in " ".join(capsys.readouterr().out.split())


def quota_rows(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Resources of the right to use a quota that `envctl iam` lists."""
    assert run(["-C", str(root), "iam", "dev", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["bindings"]
    return [row["resource"].rpartition("/")[2] for row in rows if "caller.user-project" in (row["id"], *row["also"])]


@pytest.mark.parametrize(
    ("setting", "variables", "listed"),
    [
        ("", {}, []),
        ("", {"GOOGLE_BILLING_PROJECT": "acme-tools"}, ["acme-tools"]),
        ("", {"USER_PROJECT_OVERRIDE": "true"}, ["acme-data-dev"]),
        ("billingProject: acme-tools\n", {}, ["acme-tools"]),
        ("billingProject: acme-tools\n", {"GOOGLE_BILLING_PROJECT": "acme-other"}, ["acme-other"]),
        ("billingProject: acme-tools\n", {"USER_PROJECT_OVERRIDE": "false"}, []),
    ],
)
def test_the_variables_of_the_provider_win_over_the_file_in_a_role_set(
    tmp_path, capsys, monkeypatch, setting, variables, listed
):
    root = write_project(tmp_path)
    (root / "envctl.yaml").write_text(f"name: acme\n{setting}")
    for name in ("GOOGLE_BILLING_PROJECT", "USER_PROJECT_OVERRIDE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert quota_rows(root, capsys) == listed


@pytest.mark.parametrize("text", ["", "  \n"])
@pytest.mark.parametrize("names", [[], ["dev"]])
def test_an_empty_error_text_is_a_usage_error(tmp_path, capsys, text, names):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", *names, "--offline", "--error", text]) == 2
    assert "error text is empty" in capsys.readouterr().err
