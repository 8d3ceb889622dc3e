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
