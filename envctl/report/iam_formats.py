"""The role set of an environment as text, JSON, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from envctl.report.doctor_text import short_resource
from envctl.report.markdown import cell
from envctl.report.style import PLAIN, Style, printable

if TYPE_CHECKING:
    from envctl.actions.iam import RoleSet
    from envctl.iam_roles import Binding, CustomRole


class IamFormat(StrEnum):
    """Forms of a role set."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"


def write_roles(roles: RoleSet, form: IamFormat, style: Style = PLAIN) -> str:
    """The role set in a form."""
    match form:
        case IamFormat.TEXT:
            return _text(roles, style)
        case IamFormat.JSON:
            return json.dumps(roles_document(roles), indent=2, ensure_ascii=False) + "\n"
        case IamFormat.MARKDOWN:
            return _markdown(roles)
        case IamFormat.CSV:
            return _csv(roles)


def roles_document(roles: RoleSet) -> dict[str, Any]:
    """The document `envctl.iam/v1`."""
    return {
        "format": "envctl.iam/v1",
        "environment": roles.environment,
        "operation": roles.operation,
        "apis": list(roles.apis),
        "bindings": [_binding(item) for item in roles.bindings],
    }


def _binding(item: Binding) -> dict[str, Any]:
    return {
        "id": item.id,
        "also": list(item.also),
        "principal": item.principal,
        "member": item.member,
        "role": item.role,
        "resource": item.resource,
        "target": item.target or None,
        "condition": {"title": item.condition.title, "expression": item.condition.expression}
        if item.condition
        else None,
        "requirement": item.requirement.value,
        "grantedBy": _granted_by(item),
        "why": item.why,
        "when": item.when,
        "source": list(item.source),
        "confidence": item.confidence,
    }


def _granted_by(item: Binding) -> str:
    if item.managed:
        return "envctl"
    return "google" if item.requirement.value == "google" else "you"


def _place(item: Binding) -> str:
    return short_resource(item.resource) if item.resource else item.target or item.resource_kind


def _where(item: Binding) -> str:
    return f" where {item.condition.expression}" if item.condition else ""


def _text(roles: RoleSet, style: Style) -> str:
    marks = {"envctl": "+", "google": "g", "you": "!"}
    lines = [
        f"{style(printable(roles.environment), 'bold')}: {len(roles.bindings)} bindings"
        + (f" for {roles.operation}" if roles.operation else ""),
        style("+ declared by envctl up   g written by Google   ! yours to grant   (optional rows in brackets)", "dim"),
        "",
    ]
    for member in dict.fromkeys(item.member for item in roles.bindings):
        lines.append(style(printable(member), "bold"))
        for item in roles.bindings:
            if item.member == member:
                role = item.role if item.needed else f"({item.role}, {item.requirement.value})"
                lines.append(f"  {marks[_granted_by(item)]} {printable(role)} on {printable(_place(item))}")
                lines.append(style(f"      {printable(item.why)}; {printable(item.when)} [{item.id}]", "dim"))
                if item.condition:
                    lines.append(style(f"      only where {printable(item.condition.expression)}", "dim"))
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _markdown(roles: RoleSet) -> str:
    lines = [
        f"### Roles of {cell(roles.environment)}",
        "",
        "| member | role | on | need | granted by | why |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {cell(item.member)} | `{item.role}` | {cell(_place(item) + _where(item))} | {item.requirement.value} | {_granted_by(item)} | {cell(item.why)} |"
        for item in roles.bindings
    ]
    return "\n".join(lines) + "\n"


def _csv(roles: RoleSet) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["id", "member", "role", "resource", "condition", "requirement", "granted_by", "why", "when", "source"]
    )
    for item in roles.bindings:
        row = [
            item.id,
            item.member,
            item.role,
            item.resource or item.target,
            item.condition.expression if item.condition else "",
            item.requirement.value,
            _granted_by(item),
            item.why,
            item.when,
            " ".join(item.source),
        ]
        writer.writerow([_harmless(text) for text in row])
    return out.getvalue()


def _harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    clean = printable(text)
    return f"'{clean}" if clean[:1] in {"=", "+", "-", "@", "\t"} else clean


def write_custom_role(role: CustomRole, form: IamFormat) -> str:
    """A custom role: YAML that `gcloud iam roles create --file` takes, or JSON."""
    if form is IamFormat.JSON:
        document = {"title": role.title, "stage": "GA", "includedPermissions": list(role.permissions)}
        return json.dumps(document, indent=2) + "\n"
    lines = [f"# gcloud iam roles create {role.id} --project=PROJECT --file=FILE"]
    lines += [f"# needed besides, on other resources: {', '.join(role.leaves_out)}"] if role.leaves_out else []
    lines += [f"title: {role.title}", "stage: GA", "includedPermissions:"]
    return "\n".join([*lines, *(f"- {permission}" for permission in role.permissions)]) + "\n"
