"""What exists already: used by a stack, or taken over because the file asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from stacks_recording import CONTEXT, EVERYTHING_3, FOUNDATION, load_environment, load_foundation

from envctl.stacks import StackProgram, environment_declarations, foundation_declarations
from envctl.stacks.declaration import Ref
from envctl.stacks.import_requests import import_asked


def declare(**fields: Any) -> StackProgram:
    return environment_declarations(load_environment(fields), CONTEXT)


def test_an_existing_bucket_is_no_resource_and_gets_members() -> None:
    bucket = {"existing": "company-lake", "access": {"objectViewer": ["environment", "group:data@example.com"]}}
    program = declare(buckets={"lake": bucket})
    assert [each.name for each in program.resources if "bucket:Bucket" in each.type] == []
    members = [each for each in program.resources if each.name.startswith("buckets.lake/")]
    assert {each.inputs["bucket"] for each in members} == {"company-lake"}
    assert len(members) == 2
    assert program.exports["buckets"] == {"lake": "company-lake"}


def test_rights_of_googles_agents_on_an_existing_bucket_stay() -> None:
    agent = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    bucket = {"existing": "company-lake", "retain": False, "access": {"objectCreator": [agent]}}
    program = declare(buckets={"lake": bucket, "own": {**bucket, "existing": None}})
    kept = {
        each.name.split("/")[0]: each.options.retain_on_delete
        for each in program.resources
        if agent in each.inputs.values()
    }
    assert kept == {"buckets.lake": True, "buckets.own": True}  # an agent's membership is never taken away


def test_an_environment_can_keep_its_files_in_an_existing_bucket() -> None:
    program = declare(buckets={"environment": {"existing": "company-dags"}})
    assert program.resource("environment").inputs["storageConfig"] == {"bucket": "company-dags"}
    owned = declare(buckets={"environment": {}})
    assert owned.resource("environment").inputs["storageConfig"] == {"bucket": Ref("bucket-environment", "name")}


def test_an_existing_secret_is_no_resource_and_gets_readers() -> None:
    program = declare(secrets={"create": {"crm": {"existing": "shared-crm"}, "own": {}}})
    assert [each.name for each in program.resources if each.type == "gcp:secretmanager/secret:Secret"] == ["secret-own"]
    reader = program.resource("secrets.crm/secretmanager.secretAccessor/environment")
    assert reader.inputs["secretId"] == "shared-crm"
    own = program.resource("secrets.own/secretmanager.secretAccessor/environment")
    assert own.inputs["secretId"] == Ref("secret-own", "secretId")


def test_a_foundation_can_use_an_existing_bucket() -> None:
    shared = {"existing": "company-lake", "access": {"objectViewer": ["group:data@example.com"]}}
    program = foundation_declarations(load_foundation({"buckets": {"shared": shared}}), CONTEXT)
    assert [each.inputs["bucket"] for each in program.resources if each.name.startswith("buckets.")] == ["company-lake"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, set()),
        ({"import": True}, {"environment", "config-map-settings", "workload-secret-crm"}),
        ({"serviceAccount": {"name": "composer-prod", "import": True}}, {"service-account"}),
        ({"buckets": {"lake": {"import": True}, "other": {}}}, {"bucket-lake"}),
        ({"secrets": {"create": {"crm": {"import": True}, "other": {}}}}, {"secret-crm"}),
        ({"repository": {"import": True}}, {"repository"}),
        ({"encryption": {"key": {"create": True, "import": True}}}, {"key-ring", "key"}),
        (
            {"nodePools": {"a": {"machineType": "n", "import": True}, "b": {"machineType": "n"}}},
            {"cluster", "node-pool-a"},
        ),
        (
            {"network": {"vpc": {"import": True}}},
            {"network", "subnetwork", "firewall-internal", "firewall-health-checks", "router", "nat"},
        ),
        (
            {"network": {"vpc": {"import": True, "nat": False}}},
            {"network", "subnetwork", "firewall-internal", "firewall-health-checks"},
        ),
    ],
)
def test_what_a_file_asks_to_take_over_is_declared_under_that_name(fields: dict[str, Any], expected: set[str]) -> None:
    loaded = load_environment({**EVERYTHING_3, **fields})
    assert import_asked(loaded) == expected
    declared = {resource.name for resource in environment_declarations(loaded, CONTEXT).resources}
    assert expected <= declared


def test_a_foundation_asks_for_its_own() -> None:
    fields = {**FOUNDATION, "network": {"import": True}, "buckets": {"shared": {"import": True}}}
    assert import_asked(load_foundation(fields)) >= {"network", "nat", "bucket-shared"}
    assert import_asked(load_foundation(FOUNDATION)) == frozenset()
