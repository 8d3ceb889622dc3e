"""Facts from a folder of `gcloud` outputs, JSON or YAML, one file per answer.

File names say what was asked: `KIND--NAME.json` for a description and `KIND--NAME.iam.json` for a policy, with the
parts of a name joined by `--`. The list stands in docs/doctor.md with a script that writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from envctl.diagnostics import Diagnostic, SourceSpan
from envctl.doctor.facts import READERS, Answer, Facts, Known, Subject, Unreadable, field_of, objects
from envctl.doctor.org_policy import stands_alone
from envctl.errors import InvalidInputError

_CONTAINERS = "//cloudresourcemanager.googleapis.com"


def _resource(kind: str, parts: list[str]) -> str | None:
    """Full resource name of the object that a file name means; None for a kind without policies or missing parts."""
    count, form = _RESOURCES.get(kind, (-1, ""))
    return form.format(*parts) if len(parts) == count else None


_RESOURCES: Final[Mapping[str, tuple[int, str]]] = {
    "project": (1, _CONTAINERS + "/projects/{0}"),
    "folder": (1, _CONTAINERS + "/folders/{0}"),
    "organization": (1, _CONTAINERS + "/organizations/{0}"),
    "service-account": (2, "//iam.googleapis.com/projects/{0}/serviceAccounts/{1}"),
    "bucket": (1, "//storage.googleapis.com/projects/_/buckets/{0}"),
    "key": (4, "//cloudkms.googleapis.com/projects/{0}/locations/{1}/keyRings/{2}/cryptoKeys/{3}"),
    "key-ring": (3, "//cloudkms.googleapis.com/projects/{0}/locations/{1}/keyRings/{2}"),
    "subnetwork": (3, "//compute.googleapis.com/projects/{0}/regions/{1}/subnetworks/{2}"),
    "secret": (2, "//secretmanager.googleapis.com/projects/{0}/secrets/{1}"),
    "repository": (3, "//artifactregistry.googleapis.com/projects/{0}/locations/{1}/repositories/{2}"),
}


def _service_names(value: Any) -> Any:
    """API names of `gcloud services list --enabled`, whatever its projection."""
    names: list[str] = []
    for item in objects(value):
        name = field_of(item, "config", "name") or str(item.get("name", "")).rpartition("/")[2]
        if name:
            names.append(str(name))
    return names if isinstance(value, list) else value


def _same(value: Any) -> Any:
    return value


_DESCRIPTIONS: Final[Mapping[str, tuple[Subject, str, Callable[[Any], Any]]]] = {
    "services": (Subject.SERVICES, "{0}", _service_names),
    "service-account": (Subject.ACCOUNT, "{1}", _same),
    "bucket": (Subject.BUCKET, "{0}", _same),
    "key": (Subject.KEY, "projects/{0}/locations/{1}/keyRings/{2}/cryptoKeys/{3}", _same),
    "subnetwork": (Subject.SUBNETWORK, "projects/{0}/regions/{1}/subnetworks/{2}", _same),
    "subnetworks": (Subject.SUBNETWORKS, "projects/{0}/regions/{1}", _same),
    "routers": (Subject.ROUTERS, "projects/{0}/regions/{1}", _same),
    "firewalls": (Subject.FIREWALLS, "{0}", _same),
    "region": (Subject.QUOTAS, "projects/{0}/regions/{1}", lambda value: field_of(value, "quotas")),
    "environment": (Subject.ENVIRONMENT, "projects/{0}/locations/{1}/environments/{2}", _same),
    "deny": (Subject.DENY, _CONTAINERS + "/projects/{0}", _same),
}


def load_folder(folder: Path) -> Facts:
    """Facts from every file of the folder whose name is known; files that cannot be understood become unknown.

    Raises:
        InvalidInputError: no file of the folder has a known name.
    """
    answers: dict[tuple[Subject, str], Answer] = {}
    newest = 0.0
    for path in sorted(folder.iterdir()):
        if path.suffix not in {".json", ".yaml", ".yml"} or not path.is_file():
            continue
        before = len(answers)
        value, problem = _read(path)
        _take(path.name, value, problem, answers)
        if len(answers) > before:
            newest = max(newest, path.stat().st_mtime)
    if not answers:
        detail = "Names look like project--acme.iam.json or services--acme.json; docs/doctor.md lists them."
        diagnostic = Diagnostic("facts-format", "The folder holds no facts", detail, SourceSpan(folder, 1))
        raise InvalidInputError([diagnostic], "The facts cannot be used")
    return Facts(answers, datetime.fromtimestamp(newest, UTC), f"folder {folder.name}")


def _read(path: Path) -> tuple[Any, str]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return json.loads(text), ""
        import yaml

        return yaml.safe_load(text), ""
    except (OSError, ValueError, RecursionError) as problem:
        return None, f"{path.name}: {problem}"
    except Exception as problem:  # noqa: BLE001  (yaml.YAMLError, without importing yaml for JSON files)
        return None, f"{path.name}: {type(problem).__name__}"


def _take(name: str, value: Any, problem: str, answers: dict[tuple[Subject, str], Answer]) -> None:
    stem = name.rsplit(".", 1)[0]
    policy = stem.endswith(".iam")
    kind, *parts = stem.removesuffix(".iam").split("--")

    def put(subject: Subject, of: str, found: Any) -> None:
        answers[subject, of] = Unreadable(READERS[subject], problem) if problem else Known(found)

    if policy:
        if resource := _resource(kind, parts):
            put(Subject.POLICY, resource, value)
    elif kind == "project" and len(parts) == 1:
        _put_project(parts[0], value, problem, answers)
    elif kind == "ancestors" and len(parts) == 1:  # gcloud projects get-ancestors
        _put_ancestors(parts[0], value, answers)
    elif kind == "ancestors-policy" and len(parts) == 1:  # gcloud projects get-ancestors-iam-policy
        _put_ancestors(parts[0], value, answers)
        for item in objects(value):
            put(Subject.POLICY, f"{_CONTAINERS}/{item.get('type')}s/{item.get('id')}", item.get("policy"))
    elif kind == "constraints" and len(parts) == 1:  # gcloud org-policies list
        for item in objects(value):
            constraint = str(item.get("name", item.get("constraint", ""))).rpartition("/")[2]
            put(Subject.CONSTRAINT, f"{parts[0]}/constraints/{constraint}", item)
            if "spec" in item and not stands_alone(item["spec"]):
                cause = "what is set on the project merges with what is set above it; describe it with --effective"
                unreadable = Unreadable(READERS[Subject.CONSTRAINT], cause)
                answers[Subject.CONSTRAINT, f"{parts[0]}/constraints/{constraint}"] = unreadable
    elif kind == "group" and len(parts) == 1:  # gcloud identity groups memberships list
        put(Subject.GROUP, parts[0], {"members": list(_group_members(value)), "complete": True})
    elif kind in _DESCRIPTIONS:
        subject, form, shape = _DESCRIPTIONS[kind]
        if len(parts) > form.count("{") - 1:
            try:
                of = form.format(*parts)
            except IndexError:
                return
            put(subject, of, shape(value))


def _group_members(value: Any) -> list[str]:
    members: list[str] = []
    for item in objects(value):
        address = field_of(item, "preferredMemberKey", "id")
        if isinstance(address, str):
            kinds = {"GROUP": "group", "SERVICE_ACCOUNT": "serviceAccount"}
            members.append(f"{kinds.get(str(item.get('type')), 'user')}:{address}")
    return members


def _put_project(project: str, value: Any, problem: str, answers: dict[tuple[Subject, str], Answer]) -> None:
    key = (Subject.PROJECT, project)
    if problem or not isinstance(value, Mapping):
        answers[key] = Unreadable(READERS[Subject.PROJECT], problem or "no object")
        return
    before = answers.get(key)
    ancestors = field_of(before.value, "ancestors") if isinstance(before, Known) else None
    merged = {**value, "ancestors": ancestors} if ancestors is not None else dict(value)
    if "parent" not in value and "ancestors" not in merged:
        merged["ancestors"] = []  # a project without an organization
    answers[key] = Known(merged)


def _put_ancestors(project: str, value: Any, answers: dict[tuple[Subject, str], Answer]) -> None:
    names = [
        f"{_CONTAINERS}/{item.get('type')}s/{item.get('id')}"
        for item in objects(value)
        if item.get("type") != "project"
    ]
    before = answers.get((Subject.PROJECT, project))
    known = (
        dict(before.value)
        if isinstance(before, Known) and isinstance(before.value, Mapping)
        else {"projectId": project}
    )
    answers[Subject.PROJECT, project] = Known({**known, "ancestors": names})
