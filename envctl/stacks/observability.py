"""How long logs are kept, and alerts on the environment's health."""

from __future__ import annotations

from dataclasses import dataclass

from envctl.spec.model import Environment
from envctl.stacks.components import Group
from envctl.stacks.declaration import Options, Resource
from envctl.stacks.environment import ENVIRONMENT
from envctl.stacks.scope import Scope


@dataclass(frozen=True, slots=True)
class _Alert:
    """One alert policy: metric below `composer.googleapis.com/environment/`, how it is aligned, when it fires."""

    key: str
    title: str
    metric: str
    aligner: str
    seconds: int
    comparison: str
    threshold: float
    severity: str
    text: str


# Metrics and thresholds follow Google's sample "composer_multi_project_monitoring"
# (cloud.google.com/composer/docs/composer-2/terraform-cross-project-monitoring, read 2026-11).
_ALERTS = (
    _Alert(
        "health",
        "environment unhealthy",
        "healthy",
        "ALIGN_FRACTION_TRUE",
        300,
        "COMPARISON_LT",
        0.95,
        "CRITICAL",
        "Airflow's liveness DAG failed in more than 5 % of the last five minutes. Look at the environment's "
        "monitoring page, then at scheduler and worker logs.",
    ),
    _Alert(
        "scheduler",
        "scheduler heartbeat missing",
        "scheduler_heartbeat_count",
        "ALIGN_SUM",
        600,
        "COMPARISON_LT",
        80,
        "CRITICAL",
        "The schedulers sent fewer than 80 heartbeats in ten minutes; a healthy one sends about 120. No tasks are "
        "started while none runs.",
    ),
    _Alert(
        "worker",
        "worker pods evicted",
        "worker/pod_eviction_count",
        "ALIGN_SUM",
        600,
        "COMPARISON_GT",
        0,
        "WARNING",
        "Worker pods were evicted in the last ten minutes: their tasks fail with signal 9. Usually memory: see "
        "workloads.worker.memoryGb and worker concurrency.",
    ),
    _Alert(
        "database",
        "database unhealthy",
        "database_health",
        "ALIGN_FRACTION_TRUE",
        300,
        "COMPARISON_LT",
        0.95,
        "CRITICAL",
        "The Airflow database did not answer in more than 5 % of the last five minutes.",
    ),
)


def observability_resources(scope: Scope, spec: Environment, channels: tuple[str, ...]) -> list[Resource]:
    """Retention of the project's `_Default` log bucket and four alert policies, as far as the file asks for them."""
    resources: list[Resource] = []
    if spec.retention.log_days is not None:
        resources.append(
            Resource(
                name="log-retention",
                type="gcp:logging/projectBucketConfig:ProjectBucketConfig",
                parent=Group.OBSERVABILITY,
                inputs={
                    "project": scope.project,
                    "location": "global",
                    "bucketId": "_Default",
                    "retentionDays": spec.retention.log_days,
                },
                origin=("retention", "logDays"),
                # The bucket is the project's: it cannot be deleted, and its retention outlives this stack.
                options=Options(retain_on_delete=True),
            )
        )
    if spec.monitoring is not None and spec.monitoring.alerts:
        resources += [_policy(scope, alert, channels) for alert in _ALERTS]
    return resources


def _policy(scope: Scope, alert: _Alert, channels: tuple[str, ...]) -> Resource:
    metric_filter = " AND ".join(
        (
            'resource.type = "cloud_composer_environment"',
            f'resource.labels.environment_name = "{scope.name}"',
            f'resource.labels.location = "{scope.region}"',
            f'metric.type = "composer.googleapis.com/environment/{alert.metric}"',
        )
    )
    return Resource(
        name=f"alert-{alert.key}",
        type="gcp:monitoring/alertPolicy:AlertPolicy",
        parent=Group.OBSERVABILITY,
        inputs={
            "project": scope.project,
            "displayName": f"Composer {scope.name}: {alert.title}",
            "combiner": "OR",
            "severity": alert.severity,
            "conditions": [
                {
                    "displayName": alert.title,
                    "conditionThreshold": {
                        "filter": metric_filter,
                        "comparison": alert.comparison,
                        "thresholdValue": alert.threshold,
                        "duration": "120s",
                        "aggregations": [
                            {"alignmentPeriod": f"{alert.seconds}s", "perSeriesAligner": alert.aligner},
                        ],
                    },
                }
            ],
            "documentation": {"content": alert.text, "mimeType": "text/markdown"},
            "notificationChannels": list(channels),
            "userLabels": scope.labels,
        },
        origin=("monitoring",),
        fields={"notificationChannels": ("monitoring", "channels"), "userLabels": ("labels",)},
        # Not while the environment is being made: it is unhealthy until it is there.
        options=Options(depends_on=(ENVIRONMENT,)),
    )
