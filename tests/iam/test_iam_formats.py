from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from envctl.actions.iam import RoleSet
from envctl.iam_roles import custom_role, required_apis, required_bindings
from envctl.report.iam_formats import IamFormat, write_custom_role, write_roles
from envctl.spec.model import Environment

Build = Callable[..., Environment]


@pytest.fixture
def roles(environment: Build) -> RoleSet:
    spec = environment(
        access={"deployers": ["user:a@example.com"]},
        secrets={"backend": "secret-manager"},
        iam={
            "extraBindings": [
                {"role": "roles/pubsub.publisher", "on": "projects/acme-data", "members": ["user:<b>|\x1b[31m"]}
            ]
        },
    )
    return RoleSet("prod", None, required_bindings(spec), required_apis(spec))


def test_json_names_who_grants_what(roles: RoleSet) -> None:
    document = json.loads(write_roles(roles, IamFormat.JSON))
    assert document["format"] == "envctl.iam/v1"
    by_id: dict[str, Any] = {item["id"]: item for item in document["bindings"]}
    assert by_id["env.worker"]["grantedBy"] == "envctl"
    assert by_id["agent.base"]["grantedBy"] == "google"
    assert by_id["boot.apis"]["grantedBy"] == "envctl"
    assert by_id["doctor.logs"]["grantedBy"] == "you"
    assert by_id["env.secret-access"]["condition"]["expression"].startswith("resource.name.startsWith(")
    assert all(item["why"] and item["source"] and item["when"] for item in document["bindings"])
    assert len(document["bindings"]) == len(roles.bindings)


def test_text_groups_by_member_and_marks_who_grants(roles: RoleSet) -> None:
    text = write_roles(roles, IamFormat.TEXT)
    assert "  + roles/composer.worker on project acme-data" in text
    assert "  g roles/composer.serviceAgent on project acme-data" in text
    assert "  + roles/serviceusage.serviceUsageAdmin on project acme-data" in text
    assert "  ! (roles/iam.securityReviewer, optional) on project acme-data" in text
    assert "\x1b" not in text


def test_csv_has_a_row_per_binding_and_no_formula(roles: RoleSet) -> None:
    rows = list(csv.reader(io.StringIO(write_roles(roles, IamFormat.CSV))))
    assert len(rows) == len(roles.bindings) + 1
    assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "-", "@"}]


def test_markdown_escapes_names(roles: RoleSet) -> None:
    text = write_roles(roles, IamFormat.MARKDOWN)
    assert "<b>" not in text
    assert "&lt;b&gt;\\|" in text


def test_a_custom_role_is_a_file_for_gcloud(environment: Build) -> None:
    import yaml

    role = custom_role(environment(), "deployer")
    document = yaml.safe_load(write_custom_role(role, IamFormat.TEXT))
    assert document["includedPermissions"] == list(role.permissions)
    assert json.loads(write_custom_role(role, IamFormat.JSON))["includedPermissions"] == list(role.permissions)


def test_markdown_says_under_which_condition_a_role_is_needed(roles: RoleSet) -> None:
    shown = write_roles(roles, IamFormat.MARKDOWN)
    rows = [line for line in shown.splitlines() if "secretAccessor" in line]
    assert rows
    assert all(" where resource.name.startsWith(" in line for line in rows)
