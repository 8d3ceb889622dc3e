"""Plans for the tests of plan and report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from envctl.diagnostics import Severity, SourceSpan
from envctl.plan.impact import impact_of
from envctl.plan.model import (
    Action,
    Change,
    Drift,
    DriftKind,
    GateResult,
    GateStatus,
    KeepReason,
    Kept,
    Loss,
    LossKind,
    Mode,
    OperationStep,
    Plan,
    PropertyAction,
    PropertyChange,
    Reason,
    Seal,
    StepMoment,
)
from envctl.plan.values import Opaque

ENVIRONMENT = "gcp:composer/environment:Environment"
FILE = Path("environments/prod.yaml")


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:prod::acme::{type_}::{name}"


def touch(path: str, before: object = 1, after: object = 2) -> PropertyChange:
    return PropertyChange(path, PropertyAction.CHANGE, before, after)


def sample_plan(**changes) -> Plan:
    group = urn("envctl:index:Environment", "environment")
    image = PropertyChange(
        "config.softwareConfig.imageVersion",
        PropertyAction.CHANGE,
        "composer-3-airflow-2.10.5-build.10",
        "composer-3-airflow-2.10.5-build.15",
        source=SourceSpan(FILE, 5, 15),
    )
    values = {
        "environment": "prod",
        "stack": "acme/prod",
        "project": "acme-data-prod",
        "cloud": "sandbox",
        "engine": "embedded",
        "mode": Mode.APPLY,
        "created": datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
        "envctl_version": "0.1.0",
        "changes": (
            Change(group, "envctl:index:Environment", "environment", Action.NO_OP, Reason.CHANGED, component=True),
            Change(
                urn(ENVIRONMENT, "prod"),
                ENVIRONMENT,
                "prod",
                Action.UPDATE,
                Reason.CHANGED,
                (image,),
                impact_of(ENVIRONMENT, Action.UPDATE, [image]),
                group,
                "projects/acme/locations/europe-west1/environments/prod",
                source=SourceSpan(FILE, 1, 1),
            ),
            Change(
                urn("gcp:storage/bucket:Bucket", "bucket-old"),
                "gcp:storage/bucket:Bucket",
                "bucket-old",
                Action.DELETE,
                Reason.NO_LONGER_DECLARED,
                impact=impact_of("gcp:storage/bucket:Bucket", Action.DELETE),
                group=group,
                loss=Loss(LossKind.OBJECTS, 1000, at_least=True),
            ),
            Change(
                urn("gcp:kms/cryptoKey:CryptoKey", "key"),
                "gcp:kms/cryptoKey:CryptoKey",
                "key",
                Action.DELETE_THEN_CREATE,
                Reason.CANNOT_UPDATE_IN_PLACE,
                (PropertyChange("purpose", PropertyAction.CHANGE, Opaque.SECRET, Opaque.UNKNOWN, replaces=True),),
            ),
            Change(
                urn("gcp:projects/iAMMember:IAMMember", "project/composer.worker/old"),
                "gcp:projects/iAMMember:IAMMember",
                "project/composer.worker/old",
                Action.FORGET,
                Reason.SHARED,
                group=group,
                kept=Kept(KeepReason.FOREIGN_ACCOUNT, "serviceAccount:old@acme.example", "gcloud projects remove it"),
            ),
        ),
        "steps": (
            OperationStep(
                "packages",
                "install custom packages (1 in all)",
                StepMoment.AFTER,
                (PropertyChange("pandas", PropertyAction.ADD, None, ">=2"),),
                impact_of(ENVIRONMENT, Action.UPDATE, [touch("config.softwareConfig.pypiPackages")]),
                SourceSpan(FILE, 22, 3),
            ),
        ),
        "drift": (
            Drift(
                urn("gcp:storage/bucket:Bucket", "bucket-staging"),
                "gcp:storage/bucket:Bucket",
                "bucket-staging",
                DriftKind.CHANGED,
                (PropertyChange("labels.team", PropertyAction.CHANGE, "data", "nobody"),),
            ),
        ),
        "gates": (
            GateResult(
                "deps.index-unreachable",
                "packages",
                GateStatus.UNKNOWN,
                Severity.WARNING,
                "the package index did not answer",
                hints=("check the proxy",),
            ),
        ),
        "warnings": ("the image is near its end",),
        "outputs": {"airflowUri": "https://x", "token": Opaque.SECRET},
        "seal": Seal("a", "b", 3, "c"),
    }
    return Plan(**{**values, **changes})
