from __future__ import annotations

from typing import Any

import pytest
from stacks_recording import CONTEXT, EVERYTHING_2, EVERYTHING_3, load_environment

from envctl.stacks import environment_declarations
from envctl.stacks.adoption import import_id
from envctl.stacks.declaration import SpecPath
from envctl.stacks.provenance import logical_name, spec_path


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("environment", "config.softwareConfig.imageVersion", ("imageVersion",)),
        ("environment", "config.softwareConfig.envVariables.DEPLOY_STAGE", ("airflow", "env", "DEPLOY_STAGE")),
        ("environment", "config.workloadsConfig.worker.maxCount", ("workloads", "worker", "maxCount")),
        ("environment", "config.environmentSize", ("size",)),
        ("environment", "labels.team", ("labels", "team")),
        ("environment", "config.nowhere", None),
        ("bucket-staging", "", ("buckets", "staging")),
        ("bucket-staging", "location", ("buckets", "staging", "location")),
        ("bucket-staging", "lifecycleRules[1].action", ("buckets", "staging", "lifecycle", 1, "action")),
        ("key", "rotationPeriod", ("encryption", "key", "rotationDays")),
        ("node-pool-heavy", "autoscaling.totalMaxNodeCount", ("nodePools", "heavy", "max")),
        ("buckets.staging/storage.objectAdmin/environment", "", ("buckets", "staging", "access")),
        ("project/composer.user/group-analysts@example.com", "", ("access", "users")),
        ("project/bigquery.jobUser/environment", "", ("integrations",)),
        ("project/secretmanager.secretAccessor/environment/airflow-secrets", "", ("secrets",)),
        ("project/composer.worker/environment", "", ("serviceAccount",)),
        ("no-such-resource", "", None),
    ],
)
def test_a_change_finds_its_place_in_the_file(name: str, path: str, expected: SpecPath | None) -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    assert spec_path(program, name, path) == expected


def test_every_resource_comes_from_somewhere_in_the_file() -> None:
    for fields in (EVERYTHING_3, EVERYTHING_2):
        loaded = load_environment(fields)
        written: dict[str, Any] = {**loaded.spec.model_dump(by_alias=True)}
        for resource in environment_declarations(loaded, CONTEXT).resources:
            value: Any = written
            for key in resource.origin:
                assert key in value, f"{resource.name}: {resource.origin}"
                value = value[key]


def test_a_logical_name_may_hold_slashes_and_colons() -> None:
    urn = "urn:pulumi:prod::acme::envctl:group:Access$gcp:projects/iAMMember:IAMMember::project/x/group-a::b"
    assert logical_name(urn) == "project/x/group-a::b"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("environment", "projects/acme-data-prod/locations/europe-west1/environments/prod"),
        (
            "service-account",
            "projects/acme-data-prod/serviceAccounts/composer-prod@acme-data-prod.iam.gserviceaccount.com",
        ),
        ("nat", "acme-data-prod/europe-west1/prod-router/prod-nat"),
        ("node-pool-heavy", "projects/acme-data-prod/locations/europe-west1/clusters/prod-tasks/nodePools/heavy"),
        ("secret-ads", "projects/acme-data-prod/secrets/ads-token"),
        ("api-composer", "acme-data-prod/composer.googleapis.com"),
        (
            "project/composer.worker/environment",
            "acme-data-prod roles/composer.worker serviceAccount:composer-prod@acme-data-prod.iam.gserviceaccount.com",
        ),
        (
            "project/secretmanager.secretAccessor/environment/airflow-secrets",
            (
                "acme-data-prod roles/secretmanager.secretAccessor "
                "serviceAccount:composer-prod@acme-data-prod.iam.gserviceaccount.com airflow-secrets"
            ),
        ),
        (
            "buckets.staging/storage.objectViewer/group-analysts@example.com",
            "b/acme-data-prod-prod-staging roles/storage.objectViewer group:analysts@example.com",
        ),
        (
            "service-account/iam.serviceAccountUser/serviceAccount-ci@acme-data-prod.iam.gserviceaccount.com",
            (
                "projects/acme-data-prod/serviceAccounts/composer-prod@acme-data-prod.iam.gserviceaccount.com "
                "roles/iam.serviceAccountUser serviceAccount:ci@acme-data-prod.iam.gserviceaccount.com"
            ),
        ),
        (
            "repository/artifactregistry.reader/environment",
            (
                "projects/acme-data-prod/locations/europe-west1/repositories/python roles/artifactregistry.reader "
                "serviceAccount:composer-prod@acme-data-prod.iam.gserviceaccount.com"
            ),
        ),
        ("identity-composer", None),
        ("alert-health", None),
    ],
)
def test_import_ids_have_the_providers_form(name: str, expected: str | None) -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    assert import_id(program, name) == expected
