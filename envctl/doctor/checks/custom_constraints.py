"""Custom constraints on environments accept the wanted configuration.

An organization can put conditions of its own on `composer.googleapis.com/Environment`, in CEL over the fields of the
API, for CREATE and UPDATE. A condition that the wanted configuration breaks stops the operation; a constraint on
UPDATE can also stop the repair. Conditions over fields that the file leaves to the service stay unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice
from envctl.doctor.conditions import Truth, evaluate_over
from envctl.doctor.facts import NOT_ASKED, Absent, Unreadable, objects, texts
from envctl.doctor.model import Finding
from envctl.doctor.org_policy import custom_constraints

_VOICE = Voice("constraint.custom", Severity.ERROR)
_TYPE = "composer.googleapis.com/Environment"


def _wanted(case: Case) -> dict[str, Any]:
    """The fields of the API's Environment that the file decides."""
    spec = case.spec
    config: dict[str, Any] = {
        "softwareConfig": {"imageVersion": spec.image_version, "envVariables": dict(spec.airflow.env)},
        "nodeConfig": {"serviceAccount": case.setting.account_email},
    }
    if spec.size:
        config["environmentSize"] = "ENVIRONMENT_SIZE_" + spec.size.value.upper().replace("-", "_")
    if spec.resilience:
        config["resilienceMode"] = "HIGH_RESILIENCE" if spec.resilience.value == "high" else "STANDARD_RESILIENCE"
    if case.setting.key_name:
        config["encryptionConfig"] = {"kmsKeyName": case.setting.key_name}
    if case.setting.generation == 2:
        config["privateEnvironmentConfig"] = {"enablePrivateEnvironment": case.setting.private}
    if case.setting.generation >= 3:
        config["privateEnvironmentConfig"] = {"enablePrivateEnvironment": case.setting.private}
    return {"name": case.environment_name, "labels": dict(spec.labels), "config": config}


def _run(case: Case) -> Iterator[Finding]:
    answer = custom_constraints(case.facts, case.project)
    if isinstance(answer, Unreadable):
        weight = Severity.NOTE if answer.cause == NOT_ASKED else Severity.WARNING
        yield _VOICE.unknown(answer, "custom constraints on environments", resource=case.project, severity=weight)
        return
    method = "CREATE" if case.doing("create") else "UPDATE"
    found = [] if isinstance(answer, Absent) else list(objects(answer.value))
    concerned = [
        item
        for item in found
        if (not item.get("methodTypes") or method in set(texts(item.get("methodTypes"))))
        and (not item.get("resourceTypes") or _TYPE in set(texts(item.get("resourceTypes"))))
    ]
    if not concerned:
        yield _VOICE.skipped(f"No custom constraint concerns {method}.", resource=case.project)
    wanted = _wanted(case)
    for item in concerned:
        name = str(item.get("name", "?")).rpartition("/")[2]
        held = evaluate_over(str(item.get("condition", "")), {"resource": wanted})
        if held is Truth.UNKNOWN:
            why = f"the custom constraint {name}: {item.get('condition')}"
            yield _VOICE.unknown(
                "it looks at fields that the file leaves open", why, resource=name, severity=Severity.WARNING
            )
        elif (held is Truth.YES) is (item.get("actionType") == "DENY"):
            yield _VOICE.failed(
                f"The custom constraint {name} refuses the configuration: {item.get('condition')}", resource=name
            )
        else:
            yield _VOICE.ok(f"the custom constraint {name} accepts the configuration", resource=name)


CHECK = Check(ids=("constraint.custom",), run=_run, operations=("create", "update", "upgrade", "packages"))
