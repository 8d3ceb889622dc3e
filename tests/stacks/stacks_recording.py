"""Specs built in place, and an in-memory engine that records what a program registers."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envctl.spec.loader import Loaded
from envctl.spec.model import Environment, Foundation
from envctl.stacks import ProgramContext

GENERATION_3 = "composer-3-airflow-2.10.5-build.10"
GENERATION_2 = "composer-2.13.8-airflow-2.10.5"

CONTEXT = ProgramContext(project_number="123456789012", envctl_version="1.2.0", commit="0f3c9a1b2d4e5f60")

BASE: Mapping[str, Any] = {
    "project": "acme-data-prod",
    "region": "europe-west1",
    "imageVersion": GENERATION_3,
    "serviceAccount": {"name": "composer-prod"},
}


def load_environment(fields: Mapping[str, Any], *, name: str = "prod", foundation: Loaded | None = None) -> Loaded:
    """An environment as the loader would give it, without files."""
    spec = Environment.model_validate_json(json.dumps({**BASE, **fields}))
    return Loaded(name, Path(f"{name}.yaml"), spec, spec, foundation, {}, {}, ())


def load_foundation(fields: Mapping[str, Any], *, name: str = "acme") -> Loaded:
    """A foundation as the loader would give it, without files."""
    document = {"kind": "foundation", "project": BASE["project"], "region": BASE["region"], **fields}
    spec = Foundation.model_validate_json(json.dumps(document))
    return Loaded(name, Path(f"{name}.yaml"), spec, spec, None, {}, {}, ())


@dataclass
class Registered:
    """One registration as the engine saw it."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    dependencies: frozenset[str]
    request: Any


@dataclass
class Recording:
    """Everything a program registered, by URN, and its exports."""

    resources: dict[str, Registered] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)

    def named(self, name: str) -> Registered:
        return next(resource for resource in self.resources.values() if resource.name == name)


def run_program(program: Callable[[], None], *, stack: str = "prod", preview: bool = False) -> Recording:
    """Runs a program against a monitor that answers every registration with its inputs and an id."""
    from google.protobuf import empty_pb2, struct_pb2
    from pulumi.runtime import mocks, rpc, settings
    from pulumi.runtime.proto import resource_pb2
    from pulumi.runtime.stack import run_in_stack

    requests: dict[str, Any] = {}
    exported: list[Any] = []

    features = [
        resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
        resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
        resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    ]

    class Monitor:
        """Knows nothing but registrations: whatever else a program asks fails the test."""

        def GetDeploymentInfo(self, _request: Any) -> Any:  # noqa: N802
            return resource_pb2.DeploymentInfo(supportedFeatures=features)

        def RegisterResource(self, request: Any) -> Any:  # noqa: N802
            kind = request.type
            if request.parent and not request.parent.endswith(f"::acme-{stack}"):
                kind = f"{request.parent.split('::')[2].split('$', 1)[-1]}${request.type}"
            if request.type != "pulumi:pulumi:Stack" and request.parent:
                kind = f"pulumi:pulumi:Stack${kind}"
            urn = f"urn:pulumi:{stack}::acme::{kind}::{request.name}"
            requests[urn] = request
            outputs = struct_pb2.Struct()
            outputs.CopyFrom(request.object)
            if request.type == "gcp:composer/environment:Environment":
                outputs["config"].update({"airflowUri": "https://airflow.example", "dagGcsPrefix": "gs://b/dags"})
                if "storageConfig" not in outputs:
                    outputs["storageConfig"] = {"bucket": "b"}
            if request.type == "gcp:serviceaccount/account:Account":
                outputs["name"] = f"projects/p/serviceAccounts/{outputs['accountId']}@p.iam.gserviceaccount.com"
            identity = f"{request.name}-id" if request.custom else ""
            return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=outputs)

        def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
            if "pulumi:pulumi:Stack::" in request.urn:
                exported.append(request.outputs)
            return empty_pb2.Empty()

        def SignalAndWaitForShutdown(self, _request: Any) -> Any:  # noqa: N802
            return empty_pb2.Empty()

    recording = Recording()

    def run() -> None:
        settings.configure(
            mocks.MockSettings(
                monitor=Monitor(),
                monitor_features=set(features),
                engine=mocks.MockEngine(None),
                project="acme",
                stack=stack,
                dry_run=preview,
                organization=None,
                callbacks=None,
            )
        )
        settings.set_root_resource(None)
        loop = asyncio.new_event_loop()
        try:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(run_in_stack(program))
            for urn, request in requests.items():
                inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
                recording.resources[urn] = Registered(
                    urn, request.type, request.name, inputs, frozenset(request.dependencies), request
                )
            for outputs in exported:
                recording.exports.update(rpc.deserialize_properties(outputs))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    contextvars.copy_context().run(run)
    return recording


EVERYTHING_3: Mapping[str, Any] = {
    "labels": {"team": "data"},
    "protect": True,
    "size": "medium",
    "resilience": "high",
    "airflow": {"config": {"core-max_active_runs_per_dag": "4"}, "env": {"DEPLOY_STAGE": "prod", "TIER": "gold"}},
    "workloads": {
        "scheduler": {"count": 1, "cpu": 0.5, "memoryGb": 2, "storageGb": 1},
        "worker": {"minCount": 1, "maxCount": 6, "cpu": 1, "memoryGb": 4, "storageGb": 10},
        "triggerer": {"count": 1, "cpu": 0.5, "memoryGb": 1},
        "dagProcessor": {"count": 1, "cpu": 0.5, "memoryGb": 2, "storageGb": 1},
        "webServer": {"cpu": 1, "memoryGb": 2, "storageGb": 1},
    },
    "network": {
        "mode": "private",
        "vpc": {
            "create": True,
            "subnet": "10.10.0.0/20",
            "pods": "10.20.0.0/16",
            "services": "10.30.0.0/20",
            "flowLogs": True,
        },
        "internalCidr": "100.64.128.0/20",
        "privateBuildsOnly": True,
        "cloudRunFunctionsRouting": "vpc",
    },
    "webServer": {"allowedRanges": [{"cidr": "203.0.113.0/24", "description": "office"}], "plugins": True},
    "encryption": {"key": {"create": True, "rotationDays": 30, "keyRing": "data"}},
    "buckets": {
        "environment": {"versioning": True},
        "staging": {
            "location": "EU",
            "versioning": True,
            "lifecycle": [
                {"deleteAfterDays": 30},
                {"moveAfterDays": 7, "storageClass": "COLDLINE", "keepNewerVersions": 2},
            ],
            "access": {"objectAdmin": ["environment"], "objectViewer": ["group:analysts@example.com"]},
            "labels": {"content": "temporary"},
        },
        "scratch": {
            "retain": False,
            "versioning": True,
            "lifecycle": [{"deleteAfterDays": 0}, {"keepNewerVersions": 3}],
        },
    },
    "secrets": {"create": {"crm": {"labels": {"owner": "crm"}}, "ads": {"name": "ads-token"}}},
    "userWorkloads": {
        "secrets": {"crm": {"data": {"token": {"env": "CRM_TOKEN"}}}},
        "configMaps": {"settings": {"data": {"mode": "fast", "retries": "3"}}},
    },
    "integrations": ["dataflow", "bigquery"],
    "nodePools": {
        "heavy": {
            "machineType": "e2-standard-8",
            "max": 4,
            "spot": True,
            "labels": {"size": "heavy"},
            "taints": [{"key": "heavy", "value": "yes", "effect": "NO_SCHEDULE"}],
        },
        "gpu": {"machineType": "g2-standard-4", "min": 1, "max": 2},
    },
    "repository": {"name": "python"},
    "access": {
        "users": ["group:analysts@example.com"],
        "operators": ["group:oncall@example.com"],
        "dagAuthors": ["group:data@example.com"],
        "deployers": ["serviceAccount:ci@acme-data-prod.iam.gserviceaccount.com"],
    },
    "iam": {
        "extraBindings": [
            {"role": "roles/pubsub.publisher", "on": "projects/acme-data-prod", "members": ["environment"]},
            {"role": "roles/bigquery.dataViewer", "on": "projects/acme-warehouse", "members": ["environment"]},
        ]
    },
    "maintenance": {"start": "2026-01-01T01:00:00Z", "hours": 4, "days": ["FR", "SA", "SU"]},
    "retention": {"taskLogs": "cloud-logging-only", "metadataDays": 60, "logDays": 90},
    "snapshots": {"schedule": "0 3 * * *", "location": "gs://acme-data-prod-prod-staging/snapshots"},
    "monitoring": {"channels": ["projects/acme-data-prod/notificationChannels/1"]},
    "lineage": True,
}
"""Every block that generation 3 knows."""

EVERYTHING_2: Mapping[str, Any] = {
    **{key: value for key, value in EVERYTHING_3.items() if key != "userWorkloads"},
    "imageVersion": GENERATION_2,
    "workloads": {key: value for key, value in EVERYTHING_3["workloads"].items() if key != "dagProcessor"},
    "webServer": {"allowedRanges": [{"cidr": "203.0.113.0/24"}]},
    "network": {
        "mode": "private",
        "vpc": {"create": True, "pods": "10.20.0.0/16", "services": "10.30.0.0/20"},
        "privateEnvironment": {
            "connection": "psc",
            "connectionSubnetwork": "projects/acme-data-prod/regions/europe-west1/subnetworks/psc",
            "privateEndpoint": True,
            "privatelyUsedPublicIps": True,
            "masterCidr": "172.16.0.0/28",
            "cloudSqlCidr": "10.40.0.0/24",
            "composerNetworkCidr": "172.31.245.0/24",
            "authorizedNetworks": [{"cidr": "203.0.113.0/24", "description": "office"}, {"cidr": "198.51.100.0/24"}],
        },
        "tags": ["composer", "airflow"],
        "ipMasqAgent": True,
    },
    "database": {"zone": "europe-west1-b"},
}
"""Every block that generation 2 knows."""

FOUNDATION: Mapping[str, Any] = {
    "labels": {"team": "platform"},
    "protect": True,
    "network": {"create": True, "subnet": "10.10.0.0/20", "pods": "10.20.0.0/16", "services": "10.30.0.0/20"},
    "encryption": {"key": {"create": True}},
    "repository": {"name": "python", "readers": ["group:data@example.com"]},
    "buckets": {"shared": {"access": {"objectViewer": ["group:data@example.com"]}}},
    "monitoring": {"channels": ["projects/acme-data-prod/notificationChannels/1"]},
}
"""Every block of a foundation."""
