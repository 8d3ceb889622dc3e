"""Healthy patients for tests: environments, and facts in which everything that they need is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from envctl.doctor.case import Case
from envctl.doctor.checks.permissions import DEPLOYING
from envctl.doctor.facts import Absent, Answer, Facts, Known, Subject
from envctl.doctor.intake import make_case
from envctl.iam_conditions import Deployment, setting_of, snapshot_bucket
from envctl.iam_roles import load_table, required_apis, required_bindings
from envctl.iam_targets import CALLER, subnetwork_name
from envctl.spec.model import Environment

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
ME = "user:dev@example.com"
CRM = "//cloudresourcemanager.googleapis.com"
FOLDER, ORGANIZATION = f"{CRM}/folders/1", f"{CRM}/organizations/9"
NUMBERS = {"acme-data": "123", "acme-net": "456", "other-project": "789", "keys-prj": "321"}
KEY = "projects/acme-data/locations/europe-west1/keyRings/r/cryptoKeys/k"
GEN2, GEN3 = "composer-2.13.8-airflow-2.10.5", "composer-3-airflow-2.10.5-build.10"
AIRFLOW_MEMBER = "serviceAccount:acme-data.svc.id.goog[composer/default]"

Answers = dict[tuple[Subject, str], Answer]

MINIMAL: Mapping[str, Any] = {
    "project": "acme-data",
    "region": "europe-west1",
    "imageVersion": GEN3,
    "serviceAccount": {"name": "composer-prod"},
}
RICH: Mapping[str, Any] = {
    **MINIMAL,
    "access": {
        "users": ["group:analysts@example.com"],
        "operators": ["group:ops@example.com"],
        "dagAuthors": ["group:data@example.com"],
        "deployers": ["serviceAccount:ci@acme-data.iam.gserviceaccount.com"],
    },
    "network": {"mode": "private", "hostProject": "acme-net", "network": "shared", "subnetwork": "eu"},
    "encryption": {"key": {"name": KEY}},
    "integrations": ["dataflow", "dataproc", "bigquery"],
    "buckets": {"environment": {"name": "acme-composer"}, "staging": {"name": "acme-staging"}},
    "secrets": {"backend": "secret-manager"},
    "snapshots": {"schedule": "0 3 * * *", "location": "gs://acme-snapshots/x"},
    "packages": {
        "index": {"repository": "projects/other-project/locations/europe/repositories/py"},
        "inline": {"rich": ""},
    },
    "nodePools": {"heavy": {"machineType": "e2-standard-8"}},
}


def environment(base: Mapping[str, Any] = MINIMAL, **blocks: Any) -> Environment:
    return Environment.model_validate_json(json.dumps({**base, **blocks}))


def numbered(text: str) -> str:
    return text.replace("${projectNumber}", NUMBERS["acme-data"]).replace("${hostProjectNumber}", NUMBERS["acme-net"])


def grants(
    spec: Environment, flags: Iterable[str] = (), deployment: Deployment | None = None
) -> list[tuple[str, str, str, str | None]]:
    """Everything that is needed, as (resource, role, member, condition)."""
    rows: list[tuple[str, str, str, str | None]] = []
    for item in required_bindings(spec, flags=flags, deployment=deployment):
        if (item.needed or item.principal == "doctor") and item.resource:
            member = ME if item.member == CALLER else numbered(item.member)
            if "${namespace}" in member:
                member = AIRFLOW_MEMBER
            rows.append(
                (item.resource, item.role, member, numbered(item.condition.expression) if item.condition else None)
            )
        if item.principal in DEPLOYING and item.resource and item.member != CALLER and item.needed:
            rows.append((item.resource, item.role, ME, None))
    return rows


def policies(rows: Iterable[tuple[str, str, str, str | None]]) -> dict[str, Any]:
    """Allow policies by resource, as getIamPolicy answers them."""
    found: dict[str, dict[tuple[str, str | None], list[str]]] = {}
    for resource, role, member, condition in rows:
        found.setdefault(resource, {}).setdefault((role, condition), []).append(member)
    return {
        resource: {
            "version": 3,
            "etag": "BwX=",
            "bindings": [
                {
                    "role": role,
                    "members": sorted(set(members)),
                    **({"condition": {"expression": text, "title": "c"}} if text else {}),
                }
                for (role, text), members in bindings.items()
            ],
        }
        for resource, bindings in found.items()
    }


def live_environment(spec: Environment, **more: Any) -> dict[str, Any]:
    return {
        "name": "projects/acme-data/locations/europe-west1/environments/prod",
        "state": "RUNNING",
        "storageConfig": {"bucket": "acme-composer"},
        "config": {"softwareConfig": {"imageVersion": spec.image_version, "envVariables": {"STAGE": "prod"}}},
        **more,
    }


def healthy(
    spec: Environment,
    *,
    exists: bool = True,
    rows: Iterable[Any] | None = None,
    flags: Iterable[str] = (),
    deployment: Deployment | None = None,
) -> Answers:
    """Facts in which nothing is wrong."""
    deployment = deployment or Deployment()
    setting = setting_of(spec, None, flags, deployment)
    region = f"projects/acme-data/regions/{spec.region}"
    answers: Answers = {
        (Subject.CALLER, "-"): Known(
            {
                "member": ME,
                "quotaProject": deployment.quota_project,
                "stateBackend": deployment.backend,
                "secretsProvider": deployment.secrets_provider,
            }
        ),
        (Subject.CUSTOM_CONSTRAINTS, "acme-data"): Known([]),
        (Subject.ENVIRONMENT, "projects/acme-data/locations/europe-west1/environments/prod"): (
            Known(live_environment(spec)) if exists else Absent()
        ),
        (Subject.DATABASE, "projects/acme-data/locations/europe-west1/environments/prod"): (
            Known({"sizeGb": 3}) if exists else Absent()
        ),
        (Subject.ACCOUNT, setting.account_email): Known({"email": setting.account_email}),
        **{
            (Subject.ACCOUNT, member.partition(":")[2]): Known({"email": member.partition(":")[2]})
            for member in spec.access.deployers
            if member.startswith("serviceAccount:")
        },
        (Subject.PERIMETERS, "acme-data"): Known([]),
        (Subject.BOUNDARIES, "acme-data"): Known([]),
        (Subject.QUOTAS, region): Known(
            [
                {"metric": metric, "limit": 1000, "usage": 1}
                for metric in ("CPUS", "IN_USE_ADDRESSES", "SSD_TOTAL_GB", "DISKS_TOTAL_GB")
            ]
        ),
        (Subject.SUBNETWORKS, region): Known([]),
    }
    for project, number in NUMBERS.items():
        answers[Subject.PROJECT, project] = Known(
            {"projectId": project, "projectNumber": number, "ancestors": [FOLDER, ORGANIZATION]}
        )
        answers[Subject.SERVICES, project] = Known([*required_apis(spec), "container.googleapis.com"])
        answers[Subject.FIREWALLS, project] = Known([{"name": "workers", "allowed": [{"IPProtocol": "tcp"}]}])
        answers[Subject.ROUTERS, f"projects/{project}/regions/{spec.region}"] = Known(
            [{"name": "r", "nats": [{"name": "n", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}]}]
        )
        for row in load_table("preconditions")["rows"]:
            if row["kind"] == "org_policy":
                answers[Subject.CONSTRAINT, f"{project}/{row['subject']}"] = Absent()
        answers[Subject.POLICY, f"{CRM}/projects/{project}"] = Known({"etag": "x"})
        answers[Subject.DENY, f"{CRM}/projects/{project}"] = Known([])
    for group in ("analysts", "ops", "data"):
        answers[Subject.GROUP, f"{group}@example.com"] = Known(
            {"members": [f"user:{group}-1@example.com"], "complete": True}
        )
    for place in (FOLDER, ORGANIZATION):
        answers[Subject.POLICY, place] = Known({"etag": "x"})
        answers[Subject.DENY, place] = Known([])
    for item in required_bindings(spec, flags=flags, deployment=deployment):
        if item.resource:
            answers.setdefault((Subject.POLICY, item.resource), Known({"etag": "x"}))
    answers[Subject.POLICY, f"//cloudkms.googleapis.com/{KEY.split('/cryptoKeys', maxsplit=1)[0]}"] = Known(
        {"etag": "x"}
    )
    if deployment.secrets_key:
        ring = deployment.secrets_key.split("/cryptoKeys", maxsplit=1)[0]
        answers[Subject.POLICY, f"//cloudkms.googleapis.com/{ring}"] = Known({"etag": "x"})
        answers[Subject.KEY, deployment.secrets_key] = Known({"purpose": "ENCRYPT_DECRYPT"})
    chosen = [*(grants(spec, flags, deployment) if rows is None else rows)]
    builder = "serviceAccount:123-compute@developer.gserviceaccount.com"
    chosen.append((f"{CRM}/projects/acme-data", "roles/cloudbuild.builds.builder", builder, None))
    for resource, policy in policies(chosen).items():
        answers[Subject.POLICY, resource] = Known(policy)
    if setting.key_name:
        answers[Subject.KEY, setting.key_name] = Known({"purpose": "ENCRYPT_DECRYPT", "primary": {"state": "ENABLED"}})
    for bucket in {item.name for item in spec.buckets.values() if item.name} | {
        snapshot_bucket(setting),
        deployment.state_bucket,
        "acme-composer",
    }:
        if bucket:
            answers[Subject.BUCKET, bucket] = Known({"location": spec.region.upper(), "projectNumber": "123"})
            answers.setdefault(
                (Subject.POLICY, f"//storage.googleapis.com/projects/_/buckets/{bucket}"), Known({"etag": "x"})
            )
    if name := subnetwork_name(setting):
        answers[Subject.SUBNETWORK, name.removeprefix("//compute.googleapis.com/")] = Known(
            {"privateIpGoogleAccess": True}
        )
    return answers


def case(
    spec: Environment,
    answers: Answers | None = None,
    *operations: str,
    libraries: Iterable[str] | None = (),
    change: Callable[[Answers], None] | None = None,
) -> Case:
    answers = dict(healthy(spec) if answers is None else answers)
    if change:
        change(answers)
    facts = Facts(answers, NOW, "test")
    return make_case("prod", spec, None, operations, facts, NOW, None if libraries is None else frozenset(libraries))
